package holdfast_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

func held(t *testing.T, e *env, name string) bool {
	t.Helper()
	n, err := e.direct.Exists(e.ctx(), name).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

func TestReleaseOrder(t *testing.T) {
	// The context is done first, then the group ends, under a lock that is still renewed,
	// and only then is the key deleted.
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("a"))
		g, gctx := s.Group()
		var ended atomic.Bool
		g.Go(func() error {
			<-gctx.Done()
			time.Sleep(3 * ttl) // longer than the lock would last by itself
			if !held(t, e, "a") {
				t.Error("the lock was gone before the group had ended")
			}
			ended.Store(true)
			return nil
		})
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if !ended.Load() {
			t.Error("Release did not wait for the group")
		}
		if held(t, e, "a") {
			t.Error("the lock is held after Release")
		}
		if err := s.Err(); !errors.Is(err, holdfast.ErrReleased) || errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Err = %v", err)
		}
		if cause := context.Cause(gctx); !errors.Is(cause, holdfast.ErrReleased) {
			t.Errorf("the group's cause is %v", cause)
		}
	})
}

func TestReleaseTwice(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		s := e.acquire(l.Mutex("a"))
		for range 2 {
			if err := s.Release(e.ctx()); err != nil {
				t.Fatal(err)
			}
		}
		next := e.acquire(l.Mutex("a"))
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if err := next.Check(e.ctx()); err != nil {
			t.Errorf("releasing the first session again took the second's lock: %v", err)
		}
	})
}

func TestReleaseConcurrently(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		for range 20 {
			s := e.acquire(e.locker().Mutex("a"))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := s.Release(e.ctx()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if held(t, e, "a") {
				t.Fatal("held after Release")
			}
		}
	})
}

func TestReleaseInsideGroup(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker(holdfast.WithTTL(e.short(300 * time.Millisecond))).Mutex("a"))
		g, gctx := s.Group()
		goOn := make(chan struct{})
		g.Go(func() error {
			if err := s.Release(gctx); err != nil {
				t.Error(err)
			}
			if gctx.Err() == nil {
				t.Error("the context is not done after Release")
			}
			<-goOn
			if !held(t, e, "a") {
				t.Error("given back while the group was running")
			}
			return nil
		})
		time.Sleep(900 * time.Millisecond) // renewed meanwhile
		close(goOn)
		_ = g.Wait()
		eventually(t, "the lock is given back", func() bool { return !held(t, e, "a") })
		if err := s.Release(e.ctx()); err != nil {
			t.Error(err)
		}
	})
}

func TestReleaseWithTheSessionsContext(t *testing.T) {
	// Outside a group it is like any other context, although Release ends it.
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker().Mutex("a"))
		g, _ := s.Group()
		g.Go(func() error { return nil })
		_ = g.Wait()
		if err := s.Release(s.Context()); err != nil {
			t.Fatal(err)
		}
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

func TestReleaseAfterParent(t *testing.T) {
	// When the parent ends nothing is released, and nothing renewed, until Release.
	each(t, func(t *testing.T, e *env) {
		why := errors.New("no more work")
		parent, cancel := context.WithCancelCause(context.Background())
		s, err := e.locker(holdfast.WithTTL(e.short(400 * time.Millisecond))).Mutex("a").Acquire(parent)
		if err != nil {
			t.Fatal(err)
		}
		cancel(why)
		if !errors.Is(s.Err(), why) {
			t.Fatalf("Err = %v, want the parent's cause", s.Err())
		}
		time.Sleep(20 * time.Millisecond)
		if !held(t, e, "a") {
			t.Error("released when the parent ended")
		}
		if err := s.Release(parent); err != nil {
			t.Errorf("Release after the parent: %v", err)
		}
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

func TestParentEndStopsRenewing(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		parent, cancel := context.WithCancel(context.Background())
		l := e.locker(holdfast.WithTTL(ttl))
		s, err := l.Mutex("a").Acquire(parent)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(ttl + 100*time.Millisecond)
		if held(t, e, "a") {
			t.Error("the lock was renewed after the parent's end")
		}
		if err := s.Release(context.Background()); !errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Release of the expired lock: %v", err)
		}
	})
}

func TestReleaseAfterParentKeepsDrainingGroup(t *testing.T) {
	// The parent has ended, the group unwinds for longer than the TTL, and Release, while it
	// waits, renews again.
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		parent, cancel := context.WithCancel(context.Background())
		s, err := e.locker(holdfast.WithTTL(ttl)).Mutex("a").Acquire(parent)
		if err != nil {
			t.Fatal(err)
		}
		g, _ := s.Group()
		g.Go(func() error { time.Sleep(4 * ttl); return nil })
		cancel()
		if err := s.Release(context.Background()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}

func TestReleaseGroupThatWontEnd(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("a"))
		g, _ := s.Group()
		stuck := make(chan struct{})
		g.Go(func() error { <-stuck; return nil })
		bound, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		err := s.Release(bound)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Release: %v", err)
		}
		if !held(t, e, "a") {
			t.Error("deleted under a running group")
		}
		eventually(t, "the lock expires", func() bool { return !held(t, e, "a") })
		close(stuck)
		if err := s.Release(context.Background()); !errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Release after the lock expired: %v", err)
		}
	})
}

func TestReleaseAgainInTime(t *testing.T) {
	// A Release that gave up on the group can be repeated, and then deletes.
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker().Mutex("a"))
		g, _ := s.Group()
		stuck := make(chan struct{})
		g.Go(func() error { <-stuck; return nil })
		done, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Release(done); !errors.Is(err, context.Canceled) {
			t.Fatalf("Release: %v", err)
		}
		close(stuck)
		if err := s.Release(context.Background()); err != nil {
			t.Errorf("Release again: %v", err)
		}
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

func TestReleaseAfterClose(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		s := e.acquire(l.Mutex("a"))
		_ = l.Close()
		if !errors.Is(s.Err(), holdfast.ErrClosed) {
			t.Errorf("Err after Close = %v", s.Err())
		}
		if !held(t, e, "a") {
			t.Error("Close gave back a lock whose work may be running")
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Errorf("Release after Close: %v", err)
		}
		if held(t, e, "a") {
			t.Error("held after Release")
		}
		if _, err := l.Mutex("a").Inspect(e.ctx()); !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("Inspect after Close: %v", err)
		}
		if _, err := l.Mutex("a").Acquire(e.ctx()); !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("Acquire after Close: %v", err)
		}
		_ = l.Close() // once more is harmless
	})
}

func TestReleaseWithRedisGone(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(500 * time.Millisecond)
		l, link := e.linked(holdfast.WithTTL(ttl))
		s := e.acquire(l.Mutex("a"))
		link.Refuse()
		begin := time.Now()
		err := s.Release(e.ctx())
		if err == nil || s.Err() == nil {
			t.Fatalf("Release = %v, Err = %v", err, s.Err())
		}
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("Release took %v", took)
		}
		link.Heal()
		if err := s.Release(e.ctx()); err != nil && !errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Release with Redis back: %v", err)
		}
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

// TestReleaseUnderWay: a Release whose request is under way holds up no other request of its
// Locker, and Close waits for it.
func TestReleaseUnderWay(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		p := &tap{}
		l := e.tapped(p, holdfast.WithTTL(10*time.Second))
		s := e.acquire(l.Mutex("a"))
		deliver := p.holdNext("release")
		released, closed := make(chan error, 1), make(chan error, 1)
		go func() { released <- s.Release(e.ctx()) }()
		synctest.Wait()
		begin := time.Now()
		for range 3 {
			e.must(e.acquire(l.Mutex("other")).Release(e.ctx()))
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("the others took %v", took)
		}
		go func() { closed <- l.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		deliver()
		e.must(errors.Join(<-released, <-closed))
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

// TestReleaseUnanswered: a Release ends in its time, whatever the TTL, if nothing answers.
func TestReleaseUnanswered(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second, time.Hour} {
		onFake(t, func(t *testing.T, e *env) {
			l, link := e.linked(holdfast.WithTTL(ttl))
			s := e.acquire(l.Mutex("a"))
			link.Cut()
			begin := time.Now()
			err := s.Release(e.ctx())
			if took := time.Since(begin); err == nil || took > min(ttl, 5*time.Second) {
				t.Errorf("TTL %v: Release = %v after %v", ttl, err, took)
			}
		})
	}
}

func TestReleaseLost(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker().Mutex("a"))
		if err := e.direct.Set(e.ctx(), "a", "another's", 0).Err(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Release(e.ctx()); !errors.Is(err, holdfast.ErrTaken) || !errors.Is(err, holdfast.ErrLost) {
				t.Errorf("Release of a lock that another has: %v", err)
			}
		}
		if v := e.direct.Get(e.ctx(), "a").Val(); v != "another's" {
			t.Errorf("the other's lock is now %q", v)
		}
	})
}

func TestGroupsAreForgotten(t *testing.T) {
	// A session that makes many groups waits for each, and for those that failed too.
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker().Mutex("a"))
		var ended atomic.Int32
		for i := range 50 {
			g, ctx := s.Group()
			g.Go(func() error {
				if i%2 == 1 {
					return errors.New("failed")
				}
				return nil
			})
			g.Go(func() error {
				if i%2 == 1 {
					<-ctx.Done() // the other's failure, or the release
					time.Sleep(time.Millisecond)
				}
				ended.Add(1)
				return nil
			})
			if i%3 == 0 {
				_ = g.Wait()
			}
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if n := ended.Load(); n != 50 {
			t.Errorf("Release returned with %d of 50 groups ended", n)
		}
	})
}

func TestDetach(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(time.Second)
		l := e.locker(holdfast.WithTTL(ttl))
		mu := l.Mutex("a")
		s := e.acquire(mu)
		time.Sleep(ttl / 4)
		token, err := s.Detach(e.ctx())
		if err != nil || token == "" || token != s.Token() {
			t.Fatalf("Detach = %q, %v", token, err)
		}
		if !errors.Is(s.Err(), holdfast.ErrDetached) {
			t.Errorf("Err = %v", s.Err())
		}
		if left := e.direct.PTTL(e.ctx(), "a").Val(); left < ttl*4/5 { // and not three quarters
			t.Errorf("a detached lock has %v left, want about %v", left, ttl)
		}
		if err := s.Release(e.ctx()); err != nil || !held(t, e, "a") {
			t.Fatalf("Release after Detach = %v, held %v", err, held(t, e, "a"))
		}
		if again, err := s.Detach(e.ctx()); err != nil || again != token {
			t.Errorf("Detach again = %q, %v", again, err)
		}
		other := e.locker(holdfast.WithTTL(ttl))
		next, err := other.Mutex("a").Resume(e.ctx(), token)
		if err != nil {
			t.Fatal(err)
		}
		if next.Fence() <= s.Fence() || next.Token() != token {
			t.Errorf("fence %d after %d, same token %v", next.Fence(), s.Fence(), next.Token() == token)
		}
		if err := next.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Mutex("a").Resume(e.ctx(), token); !errors.Is(err, holdfast.ErrGone) {
			t.Errorf("Resume of a released token: %v", err)
		}
		if _, err := next.Detach(e.ctx()); !errors.Is(err, holdfast.ErrReleased) {
			t.Errorf("Detach after Release: %v", err)
		}
	})
}

// TestResumeWithoutExpiry: to take a lock up does not shorten it. One without expiry has none
// then, and none after renewals.
func TestResumeWithoutExpiry(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithTTL(200 * time.Millisecond))
		e.must(e.direct.Set(e.ctx(), "theirs", "token", 0).Err())
		detached, err := e.acquire(l.Mutex("ours"), holdfast.WithoutExpiry()).Detach(e.ctx())
		e.must(err)
		for name, token := range map[string]string{"theirs": "token", "ours": detached} {
			s, err := l.Mutex(name).Resume(e.ctx(), token)
			e.must(err)
			time.Sleep(500 * time.Millisecond)
			if left := e.direct.PTTL(e.ctx(), name).Val(); left != -1 || !s.ValidUntil().IsZero() || s.Err() != nil {
				t.Errorf("%s: PTTL %v, valid until %v, %v", name, left, s.ValidUntil(), s.Err())
			}
			if err := s.SetTTL(e.ctx(), time.Minute); !errors.Is(err, holdfast.ErrNoExpiry) {
				t.Errorf("%s: SetTTL says %v", name, err)
			}
			e.must(s.Release(e.ctx()))
			if held(t, e, name) {
				t.Errorf("%s is held after its release", name)
			}
		}
	})
}

func TestDetachWaitsForGroup(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("a"))
		g, ctx := s.Group()
		var ended atomic.Bool
		g.Go(func() error {
			if _, err := s.Detach(ctx); err == nil {
				t.Error("Detach from inside the group succeeded")
			}
			<-ctx.Done()
			time.Sleep(2 * ttl)
			ended.Store(true)
			return nil
		})
		time.Sleep(10 * time.Millisecond)
		if _, err := s.Detach(e.ctx()); err != nil || !ended.Load() {
			t.Errorf("Detach = %v, group ended %v", err, ended.Load())
		}
		eventually(t, "the detached lock expires", func() bool { return !held(t, e, "a") })
	})
}
