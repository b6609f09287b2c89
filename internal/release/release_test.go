package release

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/drain"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/trust"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// rig is a process on a fake Redis. Nobody renews its leases.
type rig struct {
	Releaser
	t    *testing.T
	env  lease.Env
	fake *redistest.Fake
}

func onFake(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		r := &rig{t: t, fake: redistest.NewFake(t)}
		st, c, tasks := store.New(r.fake.NewLink().Client()), clock.New(clock.System()), new(task.Group)
		ctx, cancel := context.WithCancel(context.Background())
		sender := send.New(send.Config{Backend: st, Aside: st.Aside(), NoAnswer: st.NoAnswer, Tasks: tasks, Clock: c})
		sub := notify.New(ctx, notify.Config{Tasks: tasks, Clock: c}) // never started
		qs := queue.New(queue.Config{Store: st, Send: sender, Notify: sub, Tasks: tasks, Closed: ctx, Now: c.Now})
		sched := schedule.New[*lease.Lease](c, tasks.Go, ctx.Done(), r)
		r.env = lease.Env{Clock: c, Store: st, Sched: sched, Events: qs, Channel: sub.Channel, Patience: sender.Patience}
		r.Releaser = Releaser{Queues: qs, Send: sender, Store: st, Sched: sched, Tasks: tasks, Now: c.Now, Closed: ctx}
		t.Cleanup(func() {
			cancel()
			sched.Stop()
			tasks.Wait()
			st.Close()
		})
		test(r)
	})
}

func (r *rig) Tick(*lease.Lease, time.Duration) time.Duration { return 0 }
func (r *rig) Ticked()                                        {}
func (r *rig) Closed(*lease.Lease)                            {}

// session takes the lock "a", and is its Holder.
type session struct {
	terms    lease.Terms
	lease    *lease.Lease
	began    time.Duration
	drain    drain.Drain[Ending]
	cause    error
	released []bool // what Released was told
}

func (r *rig) acquire() *session {
	r.t.Helper()
	return r.acquireWith(lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}})
}

func (r *rig) acquireWith(terms lease.Terms) *session {
	r.t.Helper()
	s := &session{terms: terms}
	w := queue.Waiter{Lock: &lease.Lock{Env: &r.env, Name: "a"}, Ctx: context.Background(), Retry: time.Second}
	w.Init(s)
	if _, err := r.Queues.Once(&w); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (s *session) Terms() *lease.Terms { return &s.terms }
func (s *session) NoExpiry()           {}
func (s *session) Take(l *lease.Lease, from time.Duration, _ int64) lease.Holder {
	s.lease, s.began = l, from
	return s
}

func (s *session) Ended() bool                     { return s.cause != nil }
func (s *session) Until() time.Duration            { return trust.Forever }
func (s *session) KeepRenewing() bool              { return s.drain.Waiting() }
func (s *session) Poll()                           {}
func (s *session) EndMaxHold()                     {}
func (s *session) Named(err error) error           { return err }
func (s *session) Lost(error)                      {}
func (s *session) Renewed(time.Duration)           {}
func (s *session) NotRenewed(error, time.Duration) {}
func (s *session) Lease() *lease.Lease             { return s.lease }
func (s *session) Began() time.Duration            { return s.began }
func (s *session) Drain() *drain.Drain[Ending]     { return &s.drain }
func (s *session) Within(ctx context.Context) bool { return ctx.Value(insideKey{}) == s }
func (s *session) Released(passed bool)            { s.released = append(s.released, passed) }
func (s *session) EndAs(end *endctx.End)           { s.End(causeOf(end)) }
func (s *session) End(cause error) {
	if s.cause == nil {
		s.cause = cause
	}
}

// causeOf is the cause of a context that has ended so.
func causeOf(end *endctx.End) error {
	var c endctx.Context[owner]
	c.Init(context.Background(), owner{})
	c.EndAs(end)
	return c.Cause()
}

// owner is that of a context of nobody's.
type owner struct{}

func (owner) Look()                 {}
func (owner) Named(err error) error { return err }
func (owner) Value(any) (any, bool) { return nil, false }
func (owner) String() string        { return "nobody" }

// insideKey is the key under which a context has the session from whose context it comes.
type insideKey struct{}

// inside is a context that comes from the session's, which is done if the session has ended.
func (s *session) inside() context.Context {
	ctx := context.WithValue(context.Background(), insideKey{}, s)
	if s.cause == nil {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// ending is how the session's lease has gone.
func (s *session) ending() Ending {
	e := *s.drain.LockTurn()
	s.drain.UnlockTurn()
	return e
}

// status is what Redis says of the lock.
func (r *rig) status() store.Status {
	r.t.Helper()
	got, err := r.Send.Ask(context.Background(), r.Store.Inspect(store.NewLock(store.Mutex, "a")))
	if err != nil {
		r.t.Fatal(err)
	}
	return got.Status
}

// TestEnds: how a lease goes, and what is left of it in Redis.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		before   func(*rig, *session)
		by       func(*rig, *session) error
		over     way
		result   error
		status   store.Status
		released int
	}{
		"given back": {nil, (*rig).giveBack, byRelease, nil, store.Gone, 1},
		"kept": {nil, func(r *rig, s *session) error { return r.Release(context.Background(), s, time.Second) },
			byRelease, nil, store.Kept, 1},
		"not kept for longer than the minimum hold": {func(*rig, *session) { time.Sleep(time.Second) },
			func(r *rig, s *session) error { return r.Release(context.Background(), s, time.Second) },
			byRelease, nil, store.Gone, 1},
		"discarded": {nil, func(r *rig, s *session) error { r.Discard(s); return nil },
			byRelease, nil, store.Gone, 1},
		"deleted before": {func(r *rig, _ *session) { r.fake.M.Del("a") },
			(*rig).giveBack, byRelease, lease.ErrGone, store.Gone, 0},
		"known to be lost": {func(_ *rig, s *session) { _ = s.lease.Lose(lease.ErrTaken) },
			(*rig).giveBack, byRelease, lease.ErrTaken, store.Held, 0},
		"handed out": {nil, (*rig).handOut, byDetach, nil, store.Held, 0},
		"handed out when deleted": {func(r *rig, _ *session) { r.fake.M.Del("a") },
			(*rig).handOut, byDetach, lease.ErrGone, store.Gone, 0},
		"abandoned": {nil, func(r *rig, s *session) error { r.Abandon(s); return nil },
			byDetach, nil, store.Held, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(r *rig) {
				s := r.acquire()
				if c.before != nil {
					c.before(r, s)
				}
				if err := c.by(r, s); !errors.Is(err, c.result) {
					t.Errorf("error %v, want %v", err, c.result)
				}
				if e := s.ending(); e.over != c.over || !errors.Is(e.result, c.result) {
					t.Errorf("over by %d with %v, want %d with %v", e.over, e.result, c.over, c.result)
				}
				if s.cause == nil {
					t.Error("the session has not ended")
				}
				if status := r.status(); status != c.status {
					t.Errorf("Redis says %d, want %d", status, c.status)
				}
				if len(s.released) != c.released {
					t.Errorf("told of %d releases, want %d", len(s.released), c.released)
				}
				if n := r.Sched.Len(); n != 0 {
					t.Errorf("%d leases are still looked at", n)
				}
			})
		})
	}
}

func (r *rig) giveBack(s *session) error { return r.Release(context.Background(), s, 0) }
func (r *rig) handOut(s *session) error  { return r.Detach(context.Background(), s) }

// TestRepeat: what could not be given back is given back in the background.
func TestRepeat(t *testing.T) {
	onFake(t, func(r *rig) {
		s := r.acquire()
		r.fake.M.SetError("LOADING Redis is loading")
		if err := r.giveBack(s); err == nil || !store.Transient(err) {
			t.Errorf("error %v", err)
		}
		if s.ending().over != 0 {
			t.Error("it is over after an error that may pass")
		}
		r.fake.M.SetError("")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if e := s.ending(); e.over != byRelease || e.result != nil {
			t.Errorf("over by %d with %v", e.over, e.result)
		}
		if status := r.status(); status != store.Gone {
			t.Errorf("Redis says %d", status)
		}
	})
}
