package holdfasttest

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// Hold is what somebody else holds, a lock or permits: another process, by way of Holdfast, or a stranger. It is
// released at the end of the test, if it has not been before.
type Hold struct {
	r    *Redis
	name string

	// Another process has these.
	process *Process
	session *holdfast.Session

	token string // a stranger has this
}

// Hold takes the lock as another process would, with Holdfast, and keeps it. While the lock is held,
// Hold waits for it. The holder's label is "other", unless opts have another.
func (r *Redis) Hold(name string, opts ...holdfast.Option) *Hold {
	r.t.Helper()
	return r.holdBy("Hold", name, opts, func(l *holdfast.Locker) acquireFunc { return l.Mutex(name).Acquire })
}

// HoldPermits is [Redis.Hold] for n permits of a semaphore that has limit of them, as one session of one
// process. For several holders, call it several times.
func (r *Redis) HoldPermits(name string, n, limit int, opts ...holdfast.Option) *Hold {
	r.t.Helper()
	return r.holdBy("HoldPermits", name, opts, func(l *holdfast.Locker) acquireFunc {
		return l.Semaphore(name, limit, holdfast.WithWeight(n)).Acquire
	})
}

// HoldRead is [Redis.Hold] for a reader of a read-write lock.
func (r *Redis) HoldRead(name string, opts ...holdfast.Option) *Hold {
	r.t.Helper()
	return r.holdBy("HoldRead", name, opts, func(l *holdfast.Locker) acquireFunc { return l.RWMutex(name).RAcquire })
}

// HoldWrite is [Redis.Hold] for the writer of a read-write lock.
func (r *Redis) HoldWrite(name string, opts ...holdfast.Option) *Hold {
	r.t.Helper()
	return r.holdBy("HoldWrite", name, opts, func(l *holdfast.Locker) acquireFunc { return l.RWMutex(name).Acquire })
}

// acquireFunc is a lock's method Acquire.
type acquireFunc func(context.Context, ...holdfast.Option) (*holdfast.Session, error)

func (r *Redis) holdBy(method, name string, opts []holdfast.Option, by func(*holdfast.Locker) acquireFunc) *Hold {
	r.t.Helper()
	r.thawed(method, name)
	h := r.other(name)
	opts = append([]holdfast.Option{holdfast.WithWaitTimeout(patience)}, opts...)
	s, err := by(h.process.Locker())(context.Background(), opts...)
	if err != nil {
		r.t.Fatalf("holdfasttest: %s(%q): %v; it is %s", method, name, err, r.describe(name))
	}
	h.session = s
	return h
}

// Take takes the lock away from its holder and keeps it, as another process does that gets the lock
// after Redis has lost it. Its fence is larger. The former holder ends with ErrTaken, at its next
// renewal: by default after half of the TTL at most. (If Take's lock is released before that, it ends
// with ErrGone.) It is for a mutex: whoever loses permits ends with ErrGone, as after Delete.
func (r *Redis) Take(name string, opts ...holdfast.Option) *Hold {
	r.t.Helper()
	r.thawed("Take", name)
	if r.mustBeHeld("Take", name).Permits > 0 {
		r.t.Fatalf("holdfasttest: Take(%q): it is for a mutex, and this is %s. Whoever loses permits ends with ErrGone: "+
			"use Delete", name, r.describe(name))
	}
	h := r.other(name)
	ctx, cancel := within()
	defer cancel()
	token := uuid.NewString()
	if err := r.direct.Set(ctx, name, token, patience).Err(); err != nil {
		r.fail("Take", name, err)
	}
	s, err := h.process.Locker().Mutex(name).Resume(context.Background(), token, opts...)
	if err != nil {
		r.fail("Take", name, err)
	}
	h.session = s
	return h
}

// HoldAsStranger takes the lock as a worker of another library does, such as redis-py: it writes the
// key and tells nobody. The lock expires after ttl, or never if ttl is 0. While the lock is held,
// HoldAsStranger waits for it.
func (r *Redis) HoldAsStranger(name string, ttl time.Duration) *Hold {
	r.t.Helper()
	r.thawed("HoldAsStranger", name)
	h := r.hold(&Hold{token: uuid.NewString()}, name)
	r.waitUntil(patience, func() bool {
		ctx, cancel := within()
		defer cancel()
		taken, err := r.direct.SetNX(ctx, name, h.token, ttl).Result()
		if err != nil {
			r.fail("HoldAsStranger", name, err)
		}
		return taken
	}, func() string { return "HoldAsStranger: " + quoted(name) + " is " + r.describe(name) })
	return h
}

func (r *Redis) other(name string) *Hold {
	return r.hold(&Hold{process: r.newProcess("other")}, name)
}

func (r *Redis) hold(h *Hold, name string) *Hold {
	h.r, h.name = r, name
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = append(r.holds, h)
	return h
}

// Fence returns the fence of the hold, or 0 if a stranger has it.
func (h *Hold) Fence() int64 {
	if h.session == nil {
		return 0
	}
	return h.session.Fence()
}

// Release gives the lock back: whoever waits gets it. A lock that is no longer theirs is left alone.
// Release may be called again.
func (h *Hold) Release() {
	h.r.t.Helper()
	h.r.thawed("Release", h.name)
	if err := h.release(); err != nil {
		h.r.fail("Release", h.name, err)
	}
}

func (h *Hold) release() error {
	ctx, cancel := within()
	defer cancel()
	switch {
	case h.session != nil:
		if err := h.session.Release(ctx); err != nil && !errors.Is(err, holdfast.ErrLost) {
			return err
		}
	case h.token != "":
		return deleteIfEqual.Run(ctx, h.r.direct, []string{h.name}, h.token).Err()
	}
	return nil
}

// deleteIfEqual is how redis-py releases.
var deleteIfEqual = redis.NewScript(`
	if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
	return 0`)

// Crash is the sudden end of the process that holds the lock. The lock stays held until its TTL has
// run out; whoever waits gets it then.
func (h *Hold) Crash() {
	h.r.t.Helper()
	h.r.enter("Crash")
	if h.process != nil {
		h.process.set(isRefused)
		h.process.close()
	}
}
