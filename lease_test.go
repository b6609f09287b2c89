package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// TestLease: up to when a session trusts its lease, to the millisecond. On fake time
// nothing takes any but what the test makes it take.
func TestLease(t *testing.T) {
	const ttl, window = 10 * time.Second, 9780 * time.Millisecond
	run := func(name string, test func(t *testing.T, e *env, s *holdfast.Session, trusted func(time.Duration))) {
		t.Run("fake/"+name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("a"))
				test(t, e, s, func(want time.Duration) {
					t.Helper()
					if got := time.Until(s.ValidUntil()); got != want {
						t.Errorf("trusted for %v, want %v", got, want)
					}
				})
			})
		})
	}
	run("of an acquisition", func(t *testing.T, e *env, s *holdfast.Session, trusted func(time.Duration)) {
		trusted(window)
	})
	run("of a slow acquisition", func(t *testing.T, e *env, _ *holdfast.Session, _ func(time.Duration)) {
		l, link := e.linked(holdfast.WithTTL(ttl))
		link.Delay(time.Second)
		begin := time.Now()
		s := e.acquire(l.Mutex("b"))
		if got := s.ValidUntil().Sub(begin); got > window {
			// The connection was set up before the script was sent, so part of the delay may
			// count as before the send; none of it may count as after.
			t.Errorf("trusted until %v after the call, want %v at most", got, window)
		}
		if left := e.direct.PTTL(e.ctx(), "b").Val(); time.Until(s.ValidUntil()) >= left {
			t.Errorf("trusted for %v, and the key has %v left", time.Until(s.ValidUntil()), left)
		}
		link.Delay(0)
	})
	run("of an answer that comes too late", func(t *testing.T, e *env, _ *holdfast.Session, _ func(time.Duration)) {
		l, link := e.linked(holdfast.WithTTL(ttl))
		_, _ = l.Mutex("b").Locked(e.ctx()) // connects
		link.Delay(ttl / 2)
		if s, err := l.Mutex("b").Acquire(e.ctx()); err == nil {
			t.Errorf("got %v from an answer that took the whole TTL", s)
		}
		link.Delay(0)
		eventually(t, "the lock is given back", func() bool { return !held(t, e, "b") })
	})
	run("of SetTTL", func(t *testing.T, e *env, s *holdfast.Session, trusted func(time.Duration)) {
		if err := s.SetTTL(e.ctx(), time.Second); err != nil {
			t.Fatal(err)
		}
		trusted(960 * time.Millisecond)
	})
}

// TestLeaseLateSetTTL: a SetTTL is sent at some time of the renewal cycle, held back and
// applied, after its connection has died, at some later time, before or after renewals
// that get through. The key must outlive the session's trust in it at all times.
func TestLeaseLateSetTTL(t *testing.T) {
	const ttl, short = 2 * time.Second, 500 * time.Millisecond
	for _, sent := range []time.Duration{0, 300 * time.Millisecond, 899 * time.Millisecond, 990 * time.Millisecond} {
		for _, late := range []time.Duration{10 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 1200 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprintf("fake/%v/%v", sent, late), func(t *testing.T) {
				onFake(t, func(t *testing.T, e *env) {
					l, link := e.linked(holdfast.WithTTL(ttl))
					s := e.acquire(l.Mutex("a"))
					_ = s.Reacquire(e.ctx()) // the script is known from here on: a late EVALSHA runs
					time.Sleep(sent)
					link.Delay(late)
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					if err := s.SetTTL(ctx, short); !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("SetTTL = %v", err)
					}
					if left := time.Until(s.ValidUntil()); left > short {
						t.Errorf("a SetTTL to %v under way, and trusted for %v", short, left)
					}
					// Its bytes stay on their way; the connections made from here on are fast.
					link.ResetLate()
					link.Delay(0)
					watch(t, e, s, late+3*ttl)
				})
			})
		}
	}
}

// watch checks, every few milliseconds of fake time, that the key is there for as long as
// the session trusts it.
func watch(t *testing.T, e *env, s *holdfast.Session, how time.Duration) {
	t.Helper()
	for end := time.Now().Add(how); time.Now().Before(end); time.Sleep(7 * time.Millisecond) {
		if s.Err() != nil {
			return
		}
		// A renewal, or a SetTTL, may come between two of these looks, in no time.
		before := time.Until(s.ValidUntil())
		left := e.direct.PTTL(e.ctx(), "a").Val()
		trusted := min(before, time.Until(s.ValidUntil()))
		if trusted > 0 && left <= trusted {
			t.Fatalf("the key has %v left, and the session trusts it for %v", left, trusted)
		}
	}
}

// TestLeaseRacingSetTTL: a renewal that was sent before a SetTTL is answered while that is
// under way, and says that there is plenty of time.
func TestLeaseRacingSetTTL(t *testing.T) {
	const ttl, short = 2 * time.Second, 500 * time.Millisecond
	onFake(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(ttl))
		s := e.acquire(l.Mutex("a"))
		_ = s.Reacquire(e.ctx()) // the script is known from here on
		time.Sleep(ttl/2 - ttl/10 - 10*time.Millisecond)
		link.Delay(50 * time.Millisecond)
		for sent := 0; sent == 0; sent, _ = link.Held() { // until it renews
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		link.Delay(100 * time.Millisecond)
		done := make(chan error, 1)
		go func() { done <- s.SetTTL(e.ctx(), short) }()
		watch(t, e, s, 3*ttl)
		<-done // whether renewals made it in time, over so slow a link, is not the question
	})
}

// TestLeaseEndSeenByAll: at the end of the lease several goroutines look at the context at
// once. One of them ends the session, and none of the others may find it live after that.
func TestLeaseEndSeenByAll(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithTTL(300*time.Millisecond), holdfast.WithoutRenewal()).Mutex("a")
		for range 25 {
			s := e.acquire(mu)
			// ValidUntil reads two clocks, and is early by as long as it takes between them.
			before := time.Now()
			end := s.ValidUntil()
			end = end.Add(time.Since(before))
			time.Sleep(time.Until(end) - time.Millisecond)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						over := time.Now().After(end)
						if s.Context().Err() != nil {
							return
						}
						if over {
							t.Errorf("live after the end of its lease")
							return
						}
					}
				})
			}
			wg.Wait()
			_ = s.Release(e.ctx())
		}
	})
}

// TestLeaseUnconfirmed: a lock without expiry is one only when the client knows that it
// has it. Until then it expires, should the client vanish in between.
func TestLeaseUnconfirmed(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithoutExpiry())
		_ = e.acquire(l.Mutex("b")).Release(e.ctx()) // the script is known from here on
		link.HoldReplies()
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, func() {
			link.Cut()
			cancel()
		})
		if _, err := l.Mutex("a").Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("Acquire = %v", err)
		}
		if !held(t, e, "a") {
			t.Fatal("the request did not get through: this shows nothing")
		}
		time.Sleep(4 * time.Second)
		if held(t, e, "a") {
			t.Error("a lock that nobody knows to have is there for ever")
		}
		link.Heal()
	})
}
