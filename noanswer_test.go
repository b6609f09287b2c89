package holdfast_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Time-outs that are not the caller's don't look like the caller's.

// notTheCallers reports whether an error says that there was no answer, and is no error of a
// context.
func notTheCallers(err error) bool {
	return errors.Is(err, holdfast.ErrNoAnswer) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// publicCalls are those that ask Redis. The sessions, by acquire, are of other locks.
func publicCalls(l *holdfast.Locker, acquire func(name string) *holdfast.Session) map[string]func(context.Context) error {
	mu := l.Mutex("lock")
	nothing := func(context.Context) error { return nil }
	owned, extended, set, detached := acquire("owned"), acquire("extended"), acquire("set"), acquire("detached")
	return map[string]func(context.Context) error{
		"Acquire":    func(ctx context.Context) error { _, err := mu.Acquire(ctx); return err },
		"TryAcquire": func(ctx context.Context) error { _, err := mu.TryAcquire(ctx); return err },
		"WithReplicas": func(ctx context.Context) error {
			_, err := mu.Acquire(ctx, holdfast.WithReplicas(1, time.Second))
			return err
		},
		"WithoutExpiry": func(ctx context.Context) error { _, err := mu.Acquire(ctx, holdfast.WithoutExpiry()); return err },
		"Resume":        func(ctx context.Context) error { _, err := mu.Resume(ctx, "token"); return err },
		"Lock":          func(ctx context.Context) error { ctx, _ = mu.Lock(ctx); return context.Cause(ctx) },
		"Do":            func(ctx context.Context) error { return mu.Do(ctx, nothing) },
		"Lead":          func(ctx context.Context) error { return mu.Lead(ctx, nothing) },
		"Locked":        func(ctx context.Context) error { _, err := mu.Locked(ctx); return err },
		"Inspect":       func(ctx context.Context) error { _, err := mu.Inspect(ctx); return err },
		"InspectQueue":  func(ctx context.Context) error { _, _, err := mu.InspectQueue(ctx); return err },
		"List": func(ctx context.Context) (err error) {
			for _, err = range l.List(ctx, "") {
			}
			return err
		},
		"ForceRelease":      mu.ForceRelease,
		"ForceReleaseFence": func(ctx context.Context) error { return mu.ForceReleaseFence(ctx, 1) },
		"Check":             acquire("Check").Check,
		"Owned":             func(ctx context.Context) error { _, err := owned.Owned(ctx); return err },
		"Extend":            func(ctx context.Context) error { return extended.Extend(ctx, time.Second) },
		"SetTTL":            func(ctx context.Context) error { return set.SetTTL(ctx, time.Hour) },
		"Reacquire":         acquire("Reacquire").Reacquire,
		"Release":           acquire("Release").Release,
		"Detach":            func(ctx context.Context) error { _, err := detached.Detach(ctx); return err },
	}
}

// TestNoAnswer: whatever is asked of a server that says nothing ends with an error that is not the
// caller's context's; and with the caller's, if that has a deadline.
func TestNoAnswer(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		for _, wrapped := range []bool{false, true} {
			link, client := e.link()
			var c redis.UniversalClient = client
			if wrapped { // of which less is known
				c = struct{ redis.UniversalClient }{client}
			}
			l := holdfast.New(c, holdfast.WithTTL(time.Hour))
			calls := publicCalls(l, func(name string) *holdfast.Session { return e.acquire(l.Mutex(name)) })
			link.Cut()
			lead := calls["Lead"]
			delete(calls, "Lead") // which goes on trying
			for name, call := range calls {
				began := time.Now()
				if err := call(context.Background()); !notTheCallers(err) || !strings.Contains(err.Error(), "within") {
					t.Errorf("%s, wrapped: %v: %v", name, wrapped, err)
				} else if name != "List" && time.Since(began) > 12*time.Second {
					t.Errorf("%s took %v", name, time.Since(began))
				}
			}
			calls["Lead"] = lead
			delete(calls, "Release") // which have bounds of their own, or are over
			delete(calls, "Detach")
			for name, call := range calls {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s with a deadline, wrapped: %v: %v", name, wrapped, err)
				}
				cancel()
			}
			link.Heal()
			_ = l.Close()
			time.Sleep(time.Minute)
			e.fake.M.FlushAll()
		}
	})
}

// pooled returns a client that has one connection, which the application has in use for a while.
func (e *env) pooled(while time.Duration) *redis.Client {
	link, _ := e.link()
	client := link.(*redistest.Proxy).Client(func(o *redis.Options) { o.PoolSize, o.PoolTimeout = 1, time.Second })
	e.use(client, while)
	return client
}

// use has the application use a connection for a while.
func (e *env) use(client *redis.Client, while time.Duration) {
	done := make(chan struct{})
	go func() { defer close(done); client.BLPop(context.Background(), while, "list") }()
	e.t.Cleanup(func() { <-done })
	time.Sleep(50 * time.Millisecond)
}

// TestNoAnswerLost: the cause of a session that was lost says so, too, and that renewals fail is
// told while there is time for something.
func TestNoAnswerLost(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, e *env, pool bool) {
		const ttl = 2 * time.Second
		var mu sync.Mutex
		var margins []time.Duration
		observer := holdfast.WithObserver(&holdfast.Observer{
			NotRenewed: func(_ string, err error, margin time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				margins = append(margins, margin)
				if !notTheCallers(err) {
					t.Errorf("a renewal failed with %v", err)
				}
			},
		})
		link, client := e.link()
		var c redis.UniversalClient = client
		if pool {
			client = link.(*redistest.Proxy).Client(func(o *redis.Options) { o.PoolSize = 1 })
			c = struct{ redis.UniversalClient }{client}
		}
		l := holdfast.New(c, holdfast.WithTTL(ttl), observer)
		defer l.Close()
		s := e.acquire(l.Mutex("lock"))
		if pool {
			e.use(client, 3*time.Second)
		} else {
			link.Cut()
		}
		<-s.Done()
		cause := context.Cause(s.Context())
		if !errors.Is(cause, holdfast.ErrExpired) || !notTheCallers(cause) {
			t.Errorf("lost because of: %v", cause)
		}
		link.Heal()
		mu.Lock()
		defer mu.Unlock()
		if len(margins) < 3 || margins[0] < ttl/3 {
			t.Errorf("told of renewals that failed with these margins: %v", margins)
		}
	}
	t.Run("silent", func(t *testing.T) { each(t, func(t *testing.T, e *env) { test(t, e, false) }) })
	t.Run("pool", func(t *testing.T) { onReal(t, func(t *testing.T, e *env) { test(t, e, true) }) })
}

// TestNoAnswerPool: an application that has all connections of the client in use holds up nothing:
// a lock has connections of its own then.
func TestNoAnswerPool(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		l := holdfast.New(e.pooled(4*time.Second), holdfast.WithTTL(time.Second))
		defer l.Close()
		began := time.Now()
		s := e.acquire(l.Mutex("lock"))
		if took := time.Since(began); took > time.Second {
			t.Errorf("Acquire took %v", took)
		}
		time.Sleep(2 * time.Second)
		e.must(s.Err())
		e.must(s.Release(e.ctx()))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNoAnswerPoolNamed: where a lock can have none of its own, the error names what is missing.
func TestNoAnswerPoolNamed(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		l := holdfast.New(struct{ redis.UniversalClient }{e.pooled(3 * time.Second)})
		defer l.Close()
		_, err := l.Mutex("lock").Acquire(context.Background())
		if !notTheCallers(err) || !strings.Contains(err.Error(), "connection") {
			t.Errorf("Acquire = %v", err)
		}
	})
}

// TestNoAnswerTLS: a client that expects TLS where there is none is told what it waited for.
func TestNoAnswerTLS(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client(func(o *redis.Options) {
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true}
		o.DialTimeout = 2 * time.Second
	})
	l := holdfast.New(client)
	defer l.Close()
	_, err := l.Mutex("lock").Acquire(context.Background())
	if !notTheCallers(err) || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("Acquire = %v", err)
	}
}
