package release

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
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
		r.Releaser = Releaser{Queues: qs, Send: sender, Store: st, Sched: sched, Now: c.Now, Closed: ctx}
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
	lease    *lease.Lease
	ended    bool
	rest     time.Duration
	ending   Ending
	released []bool // what Released was told
}

func (r *rig) acquire() *session {
	r.t.Helper()
	s := new(session)
	w := queue.Waiter{Lock: &lease.Lock{Env: &r.env, Name: "a"}, Ctx: context.Background(), Retry: time.Second}
	w.Init(s)
	if _, err := r.Queues.Once(&w); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (s *session) Terms() *lease.Terms {
	return &lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}}
}
func (s *session) NoExpiry() {}
func (s *session) Take(l *lease.Lease, _ time.Duration, _ int64) lease.Holder {
	s.lease = l
	return s
}

func (s *session) Ended() bool                      { return s.ended }
func (s *session) Until() time.Duration             { return trust.Forever }
func (s *session) KeepRenewing() bool               { return false }
func (s *session) Poll()                            {}
func (s *session) End(error)                        { s.ended = true }
func (s *session) EndMaxHold()                      {}
func (s *session) Named(err error) error            { return err }
func (s *session) Lost(error)                       {}
func (s *session) Renewed(time.Duration)            {}
func (s *session) NotRenewed(error, time.Duration)  {}
func (s *session) Rest(time.Duration) time.Duration { return s.rest }
func (s *session) Released(passed bool)             { s.released = append(s.released, passed) }
func (s *session) Retry(try func(context.Context, *Ending) error) error {
	if over, result := s.ending.Over(); over != 0 {
		return result
	}
	return try(context.Background(), &s.ending)
}

// status is what Redis says of the lock.
func (r *rig) status() store.Status {
	r.t.Helper()
	got, err := r.Send.Ask(context.Background(), r.Store.Inspect(store.NewLock("a")))
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
		over     Way
		result   error
		status   store.Status
		released int
	}{
		"given back": {nil, (*rig).giveBack, ByRelease, nil, store.Gone, 1},
		"kept": {func(_ *rig, s *session) { s.rest = time.Second },
			(*rig).giveBack, ByRelease, nil, store.Kept, 1},
		"deleted before": {func(r *rig, _ *session) { r.fake.M.Del("a") },
			(*rig).giveBack, ByRelease, lease.ErrGone, store.Gone, 0},
		"known to be lost": {func(_ *rig, s *session) { _ = s.lease.Lose(lease.ErrTaken) },
			(*rig).giveBack, ByRelease, lease.ErrTaken, store.Held, 0},
		"handed out": {nil, (*rig).handOut, ByDetach, nil, store.Held, 0},
		"handed out when deleted": {func(r *rig, _ *session) { r.fake.M.Del("a") },
			(*rig).handOut, ByDetach, lease.ErrGone, store.Gone, 0},
		"abandoned": {nil, func(r *rig, s *session) error { return r.Abandon(s.lease, &s.ending) },
			ByDetach, nil, store.Held, 0},
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
				if over, result := s.ending.Over(); over != c.over || !errors.Is(result, c.result) {
					t.Errorf("over by %d with %v, want %d with %v", over, result, c.over, c.result)
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

func (r *rig) giveBack(s *session) error {
	return r.GiveBack(context.Background(), s.lease, s, &s.ending, time.Second)
}

func (r *rig) handOut(s *session) error {
	return r.HandOut(context.Background(), s.lease, s, &s.ending)
}

// TestRepeat: what could not be given back is given back in the background.
func TestRepeat(t *testing.T) {
	onFake(t, func(r *rig) {
		s := r.acquire()
		r.fake.M.SetError("LOADING Redis is loading")
		if err := r.giveBack(s); err == nil || !store.Transient(err) {
			t.Errorf("error %v", err)
		}
		if over, _ := s.ending.Over(); over != 0 {
			t.Error("it is over after an error that may pass")
		}
		r.fake.M.SetError("")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if over, result := s.ending.Over(); over != ByRelease || result != nil {
			t.Errorf("over by %d with %v", over, result)
		}
		if status := r.status(); status != store.Gone {
			t.Errorf("Redis says %d", status)
		}
	})
}
