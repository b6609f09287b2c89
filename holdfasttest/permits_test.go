package holdfasttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// hold takes what the end of the test releases.
func hold(t *testing.T, by acquireFunc, opts ...holdfast.Option) *holdfast.Session {
	t.Helper()
	s, err := by(context.Background(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Release(context.Background()) })
	return s
}

// TestPermitLosses: all who hold the name lose what they have.
func TestPermitLosses(t *testing.T) {
	for _, loss := range []struct {
		name string
		lose func(r *Redis, name string)
		want error
		soon bool // see TestLosses
	}{
		{"ForceRelease", (*Redis).ForceRelease, holdfast.ErrForceReleased, true},
		{"Delete", (*Redis).Delete, holdfast.ErrGone, false},
		{"Expire", (*Redis).Expire, holdfast.ErrExpired, true},
	} {
		t.Run(loss.name, func(t *testing.T) {
			each(t, func(t *testing.T, ttl time.Duration) {
				r := New(t)
				held := []*holdfast.Session{
					hold(t, r.Locker().Semaphore("a", 3).Acquire, holdfast.WithTTL(2*ttl)), // the last to expire
					hold(t, r.Locker().Semaphore("a", 3).Acquire, holdfast.WithTTL(ttl), holdfast.WithWeight(2)),
				}
				loss.lose(r, "a")
				if info := r.Holder("a"); info.Held || info.Waiters != 0 {
					t.Errorf("then it is %+v", info)
				}
				within := ttl
				if loss.soon {
					within = 0
				}
				for _, s := range held {
					ends(t, s, loss.want, within)
				}
				r.WaitFree()
			})
		})
	}
}

// TestHoldShared: others hold permits, or a read-write lock, while the test's own Locker waits.
func TestHoldShared(t *testing.T) {
	for name, other := range map[string]struct {
		hold    func(r *Redis, opt holdfast.Option) *Hold
		want    func(l *holdfast.Locker) (by, try acquireFunc)
		permits int
	}{
		"permits": {
			func(r *Redis, opt holdfast.Option) *Hold { return r.HoldPermits("a", 2, 2, opt) },
			func(l *holdfast.Locker) (acquireFunc, acquireFunc) {
				s := l.Semaphore("a", 2)
				return s.Acquire, s.TryAcquire
			}, 2,
		},
		"a reader": {
			func(r *Redis, opt holdfast.Option) *Hold { return r.HoldRead("a", opt) },
			func(l *holdfast.Locker) (acquireFunc, acquireFunc) {
				m := l.RWMutex("a")
				return m.Acquire, m.TryAcquire
			}, 1,
		},
		"a writer": {
			func(r *Redis, opt holdfast.Option) *Hold { return r.HoldWrite("a", opt) },
			func(l *holdfast.Locker) (acquireFunc, acquireFunc) {
				m := l.RWMutex("a")
				return m.RAcquire, m.TryRAcquire
			}, holdfast.MaxPermits,
		},
	} {
		for how, free := range map[string]func(h *Hold){"releases": (*Hold).Release, "crashes": (*Hold).Crash} {
			t.Run(name+" "+how, func(t *testing.T) {
				each(t, func(t *testing.T, ttl time.Duration) {
					r := New(t)
					h := other.hold(r, holdfast.WithTTL(ttl))
					if info := r.WaitHeld("a"); info.Permits != other.permits || info.Label != "other" || info.Fence != h.Fence() {
						t.Errorf("held: %+v", info)
					}
					by, try := other.want(r.Locker())
					got := make(chan *holdfast.Session)
					go func() { got <- hold(t, by) }()
					r.WaitQueued("a", 1)
					if _, err := try(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
						t.Errorf("tried: %v", err)
					}
					free(h)
					if s := <-got; s.Fence() <= h.Fence() {
						t.Errorf("fence %d after %d", s.Fence(), h.Fence())
					}
				})
			})
		}
	}
}

// TestHoldTogether: who does not fill a semaphore, or only reads, leaves room for others.
func TestHoldTogether(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		r.HoldPermits("a", 1, 4)
		r.HoldPermits("a", 2, 4)
		r.HoldRead("b")
		r.HoldRead("b")
		l := r.Locker()
		hold(t, l.Semaphore("a", 4).TryAcquire)
		hold(t, l.RWMutex("b").TryRAcquire)
		if a, b := r.Holder("a"), r.Holder("b"); a.Permits != 4 || a.Limit != 4 || b.Permits != 3 {
			t.Errorf("held: %+v and %+v", a, b)
		}
	})
}

// TestEitherKind: who waits for a name as another kind of lock is counted with those who wait as its own.
func TestEitherKind(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		h := r.HoldPermits("a", 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := r.Locker(), r.Locker()
		for _, by := range []acquireFunc{a.Mutex("a").Acquire, b.Semaphore("a", 1).Acquire} {
			go func() {
				if s, err := by(ctx); err == nil {
					_ = s.Release(context.Background())
				}
			}()
		}
		r.WaitQueued("a", 2)
		if info := r.Holder("a"); info.Stranger || info.Fence != h.Fence() {
			t.Errorf("held: %+v", info)
		}
		cancel()
		h.Release()
		r.WaitFree("a")
		m := r.Hold("a")
		if info := r.Holder("a"); info.Stranger || info.Permits != 0 || info.Fence != m.Fence() {
			t.Errorf("held: %+v", info)
		}
	})
}

// TestKeptPermitsAreFree: permits that are only kept are not held.
func TestKeptPermitsAreFree(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		r.AllowHeld("b")
		l := r.Locker()
		for _, name := range []string{"a", "b"} {
			s, err := l.Semaphore(name, 2, holdfast.WithMinHold(time.Minute)).Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.WaitFree("a")
		if _, err := l.Semaphore("b", 2).Acquire(t.Context()); err != nil { // and is not released
			t.Fatal(err)
		}
		if info := r.WaitHeld("b"); info.Permits != 2 {
			t.Errorf("held: %+v", info)
		}
	})
}
