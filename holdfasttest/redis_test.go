package holdfasttest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// each runs a test in a bubble, and in real time with short TTLs.
func each(t *testing.T, test func(t *testing.T, ttl time.Duration)) {
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, 7*time.Second) })
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		test(t, time.Second)
	})
}

// acquire takes a lock that the end of the test releases.
func acquire(t *testing.T, l *holdfast.Locker, name string) *holdfast.Session {
	t.Helper()
	s, err := l.Mutex(name).Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Release(context.Background()) })
	return s
}

// ends checks how a session ends, and how soon.
func ends(t *testing.T, s *holdfast.Session, want error, within time.Duration) {
	t.Helper()
	select {
	case <-s.Done():
		if !errors.Is(s.Err(), want) {
			t.Errorf("it ended with %v, want %v", s.Err(), want)
		}
	case <-time.After(within + time.Second): // for a busy machine
		t.Fatalf("it did not end within %v with %v", within, want)
	}
}

func TestLosses(t *testing.T) {
	for _, loss := range []struct {
		name string
		lose func(r *Redis, name string)
		want error
		// soon: the holder is told; else it learns of it at its next renewal.
		soon bool
	}{
		{"Take", func(r *Redis, name string) { r.Take(name) }, holdfast.ErrTaken, false},
		{"ForceRelease", (*Redis).ForceRelease, holdfast.ErrForceReleased, true},
		{"Delete", (*Redis).Delete, holdfast.ErrGone, false},
		{"Expire", (*Redis).Expire, holdfast.ErrExpired, true},
	} {
		t.Run(loss.name, func(t *testing.T) {
			each(t, func(t *testing.T, ttl time.Duration) {
				r := New(t)
				s := acquire(t, r.Locker(holdfast.WithTTL(ttl)), "a")
				loss.lose(r, "a")
				within := ttl / 2
				if loss.soon {
					within = 0
				}
				ends(t, s, loss.want, within)
			})
		})
	}
}

func TestTakeHasLargerFence(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		s := acquire(t, r.Locker(holdfast.WithTTL(ttl)), "a")
		h := r.Take("a", holdfast.WithLabel("b"))
		if info := r.Holder("a"); h.Fence() <= s.Fence() || info.Fence != h.Fence() || info.Label != "b" || info.Stranger {
			t.Errorf("taken with fence %d from %d, and Redis says %+v", h.Fence(), s.Fence(), info)
		}
		ends(t, s, holdfast.ErrTaken, ttl/2)
		h.Release()
		r.WaitFree("a")
		h.Release()
	})
}

func TestCutAndHeal(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		a, b := r.Process(), r.Process()
		sa := acquire(t, a.Locker(holdfast.WithTTL(ttl)), "a")
		sb := acquire(t, b.Locker(holdfast.WithTTL(ttl)), "b")
		for _, p := range []*Process{a, b} { // a gap shorter than the TTL does no harm
			p.Cut()
			time.Sleep(ttl / 4)
			p.Heal()
		}
		a.Cut()
		ends(t, sa, holdfast.ErrExpired, ttl)
		if !r.Holder("a").Held {
			t.Error("the context ended after the key")
		}
		r.WaitFree("a")
		if err := sb.Check(t.Context()); err != nil {
			t.Error(err)
		}
		a.Heal()
		acquire(t, a.lockers[0], "c")
	})
}

func TestFreeze(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		l := r.Locker(holdfast.WithTTL(ttl))
		s := acquire(t, l, "a")
		r.Freeze()
		ends(t, s, holdfast.ErrExpired, ttl)
		r.Thaw()
		r.WaitFree("a")
		acquire(t, l, "a")
	})
}

func TestRefuse(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		r.Refuse()
		l := r.Locker(holdfast.WithTTL(ttl))
		if _, err := l.Mutex("a").Acquire(t.Context()); err == nil {
			t.Error("acquired without a connection")
		}
		r.Heal()
		s := acquire(t, l, "a")
		if info := r.Holder("a"); info.Label != "process-1" || info.Fence != s.Fence() {
			t.Errorf("held by %+v", info)
		}
	})
}

// TestHold: others hold the lock in turn while the test's own Locker waits.
func TestHold(t *testing.T) {
	for _, other := range []struct {
		name string
		hold func(r *Redis, name string, ttl time.Duration) *Hold
		free func(h *Hold)
	}{
		{"process releases", (*Redis).holdFor, (*Hold).Release},
		{"process crashes", (*Redis).holdFor, (*Hold).Crash},
		{"stranger releases", (*Redis).HoldAsStranger, (*Hold).Release},
		{"stranger crashes", (*Redis).HoldAsStranger, (*Hold).Crash},
	} {
		t.Run(other.name, func(t *testing.T) {
			each(t, func(t *testing.T, ttl time.Duration) {
				r := New(t)
				h := other.hold(r, "a", ttl)
				l := r.Locker()
				got := make(chan *holdfast.Session)
				go func() {
					s, err := l.Mutex("a").Acquire(context.Background())
					if err != nil {
						t.Error(err)
					}
					got <- s
				}()
				r.WaitQueued("a", 1)
				if _, err := l.Mutex("a").TryAcquire(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
					t.Errorf("TryAcquire = %v", err)
				}
				other.free(h)
				s := <-got
				defer s.Release(context.Background())
				if s.Fence() <= h.Fence() {
					t.Errorf("fence %d after %d", s.Fence(), h.Fence())
				}
			})
		})
	}
}

func (r *Redis) holdFor(name string, ttl time.Duration) *Hold {
	return r.Hold(name, holdfast.WithTTL(ttl))
}

// TestEndWaitsForReleases: work that ends with the test's context has the time to release.
func TestEndWaitsForReleases(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		l := r.Locker()
		ctx := t.Context()
		go func() {
			_ = l.Mutex("a").Do(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(100 * time.Millisecond)
				return nil
			})
		}()
		r.WaitHeld("a")
		r.Cut()    // ended by the end of the test
		r.Freeze() // likewise
	})
}

// TestEndReleasesHolds: what the test itself made others hold is not the test's fault.
func TestEndReleasesHolds(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		r.Hold("a")
		r.Hold("b", holdfast.WithoutExpiry()).Crash()
		r.HoldAsStranger("c", 0)
		r.HoldAsStranger("d", 0).Crash()
	})
}

func TestAllowHeld(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		for _, names := range [][]string{{"a", "b"}, {}} {
			r := New(t)
			r.AllowHeld(names...)
			for _, name := range []string{"a", "b"} {
				if _, err := r.Locker().Mutex(name).Acquire(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestKeptIsFree: a lock that is only kept is not held.
func TestKeptIsFree(t *testing.T) {
	each(t, func(t *testing.T, ttl time.Duration) {
		r := New(t)
		s, err := r.Locker().Mutex("a", holdfast.WithMinHold(time.Minute)).Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.WaitFree("a")
	})
}

// TestClockStandsStillInScripts: in real time, too, a key does not expire in the middle of a script.
func TestClockStandsStillInScripts(t *testing.T) {
	t.Parallel()
	r := New(t)
	ctx := t.Context()
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) {
		r.direct.Set(ctx, "a", "x", time.Millisecond)
		left, err := r.direct.Eval(ctx, `
			if not redis.call('GET', KEYS[1]) then return 0 end
			for _ = 1, 100 do redis.call('TIME') end
			return redis.call('PTTL', KEYS[1])`, []string{"a"}).Int()
		if err != nil || left < 0 {
			t.Fatalf("the key was there, and then PTTL was %d (%v)", left, err)
		}
	}
}
