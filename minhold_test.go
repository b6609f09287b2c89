package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// lateness is by how much a minimum hold may seem too long: a busy machine is slow, fake time is not.
func (e *env) lateness() time.Duration {
	if e.fake != nil {
		return 100 * time.Millisecond
	}
	return 2 * time.Second
}

// keptUntil checks that the lock "a" is kept until a time, and free soon after it: nobody gets it
// before, and neither the one who has released it.
func keptUntil(t *testing.T, e *env, mu *holdfast.Mutex, end time.Time) {
	t.Helper()
	info := e.inspect(mu)
	if left := time.Until(end); !info.Held || !info.Kept || info.Stranger || info.NoExpiry || info.TTL < left-50*time.Millisecond || info.TTL > left+e.lateness() {
		t.Fatalf("%+v, want it kept for %v", info, left)
	}
	if s, err := mu.TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
		t.Fatalf("TryAcquire while it is kept: %v, %v", s, err)
	}
	time.Sleep(time.Until(end) - 20*time.Millisecond)
	if !held(t, e, "a") && time.Now().Before(end) {
		t.Error("it is free before the minimum hold is over")
	}
	for held(t, e, "a") && time.Until(end) > -e.lateness() {
		time.Sleep(time.Millisecond)
	}
	if held(t, e, "a") {
		t.Errorf("it is held after the minimum hold is over: %+v", e.inspect(mu))
	}
}

func TestMinHold(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		least := e.short(500 * time.Millisecond)
		mu := e.locker(holdfast.WithLabel("me")).Mutex("a", holdfast.WithMinHold(least))
		s := e.acquire(mu)
		token, began := s.Token(), time.Now()
		if info := e.inspect(mu); info.Kept {
			t.Errorf("held, not kept: %+v", info)
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > least/2 {
			t.Errorf("Release took %v", took)
		}
		if err := s.Err(); !errors.Is(err, holdfast.ErrReleased) {
			t.Errorf("Err: %v", err)
		}
		if info := e.inspect(mu); info.Label != "me" || info.Fence != s.Fence() || info.Since.UnixMicro() != s.Fence() {
			t.Errorf("%+v, want the last holder's label and fence", info)
		}
		if value := e.tokenIn("a"); value == "" || value == token {
			t.Errorf("the key holds %q; a late request of %q would find its own", value, token)
		}
		if set := e.direct.SetNX(e.ctx(), "a", "redis-py", time.Second).Val(); set {
			t.Error("redis-py gets it while it is kept")
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Errorf("released again: %v", err)
		}
		if _, err := mu.Resume(e.ctx(), token); !errors.Is(err, holdfast.ErrTaken) {
			t.Errorf("resumed by its token: %v", err)
		}
		keptUntil(t, e, mu, began.Add(least))
		next := e.acquire(mu)
		if next.Fence() <= s.Fence() {
			t.Errorf("fence %d after %d", next.Fence(), s.Fence())
		}
		time.Sleep(least + 10*time.Millisecond)
		if err := next.Release(e.ctx()); err != nil || held(t, e, "a") {
			t.Errorf("released after its minimum hold: %v, and held", err)
		}
	})
}

// TestMinHoldEveryWay: it applies however the lock is held and the hold ends.
func TestMinHoldEveryWay(t *testing.T) {
	t.Parallel()
	const least = 400 * time.Millisecond
	failed := errors.New("failed")
	work := func(context.Context) error { return failed }
	release := func(opts ...holdfast.Option) func(*testing.T, *env, *holdfast.Mutex) {
		return func(t *testing.T, e *env, mu *holdfast.Mutex) {
			if err := e.acquire(mu, opts...).Release(e.ctx()); err != nil {
				t.Error(err)
			}
		}
	}
	for name, hold := range map[string]func(*testing.T, *env, *holdfast.Mutex){
		"WithTTL shorter":  release(holdfast.WithTTL(200 * time.Millisecond)),
		"WithoutExpiry":    release(holdfast.WithoutExpiry()),
		"WithToken":        release(holdfast.WithToken("given")),
		"WithoutRenewal":   release(holdfast.WithoutRenewal()),
		"with a long hold": release(holdfast.WithMaxHold(least)),
		"Do":               func(t *testing.T, e *env, mu *holdfast.Mutex) { _ = mu.Do(e.ctx(), work) },
		"Lead":             func(t *testing.T, e *env, mu *holdfast.Mutex) { _ = mu.Lead(e.ctx(), work) },
		"Lock": func(t *testing.T, e *env, mu *holdfast.Mutex) {
			_, release := mu.Lock(e.ctx())
			release()
		},
		"Do that panics": func(t *testing.T, e *env, mu *holdfast.Mutex) {
			defer func() { _ = recover() }()
			_ = mu.Do(e.ctx(), func(context.Context) error { panic("x") })
		},
		"the parent's end": func(t *testing.T, e *env, mu *holdfast.Mutex) {
			ctx, cancel := context.WithCancel(e.ctx())
			s, err := mu.Acquire(ctx)
			cancel()
			if err == nil {
				err = s.Release(e.ctx())
			}
			if err != nil {
				t.Error(err)
			}
		},
		"Extend": func(t *testing.T, e *env, mu *holdfast.Mutex) {
			s := e.acquire(mu)
			if err := errors.Join(s.Extend(e.ctx(), time.Hour), s.Release(e.ctx())); err != nil {
				t.Error(err)
			}
		},
		"Resume": func(t *testing.T, e *env, mu *holdfast.Mutex) {
			e.direct.Set(e.ctx(), "a", "redis-py", time.Minute)
			s, err := mu.Resume(e.ctx(), "redis-py")
			if err == nil {
				err = s.Release(e.ctx())
			}
			if err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				mu := e.locker().Mutex("a", holdfast.WithMinHold(least))
				began := time.Now()
				hold(t, e, mu)
				info := e.inspect(mu)
				if !info.Kept || info.NoExpiry || info.TTL <= 0 || info.TTL > least {
					t.Fatalf("%+v, want it kept for %v at most", info, least)
				}
				end := began.Add(least)
				time.Sleep(time.Until(end) - 20*time.Millisecond)
				if !held(t, e, "a") && time.Now().Before(end) {
					t.Error("it is free before the minimum hold is over")
				}
				time.Sleep(info.TTL + 20*time.Millisecond)
				if held(t, e, "a") {
					t.Errorf("it is held after the minimum hold: %+v", e.inspect(mu))
				}
			})
		})
	}
}

// TestMinHoldLateRenewal: a renewal that comes after the release does not extend it.
func TestMinHoldLateRenewal(t *testing.T) {
	const ttl, least = 2 * time.Second, 2500 * time.Millisecond
	for name, opts := range map[string][]holdfast.Option{"touch": nil, "renew": {holdfast.WithToken("given")}} {
		t.Run("fake/"+name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				l, link := e.linked(holdfast.WithTTL(ttl))
				mu := l.Mutex("a", holdfast.WithMinHold(least))
				for range 2 { // the scripts are known from here on
					s := e.acquire(mu, opts...)
					time.Sleep(least + 50*time.Millisecond)
					if err := s.Release(e.ctx()); err != nil {
						t.Fatal(err)
					}
				}
				s := e.acquire(mu, opts...)
				end := time.Now().Add(least)
				time.Sleep(ttl/2 - ttl/8 - 10*time.Millisecond)
				link.Delay(time.Second)
				for sent := 0; sent == 0; sent, _ = link.Held() { // until it renews
					time.Sleep(time.Millisecond)
				}
				link.ResetLate() // its bytes stay on their way
				link.Delay(0)
				if err := s.Release(e.ctx()); err != nil {
					t.Fatal(err)
				}
				keptUntil(t, e, e.locker().Mutex("a"), end)
			})
		})
	}
}

// TestMinHoldLateRelease: a release that comes after another, and was sent before it, when more was
// left of the minimum hold, changes nothing.
func TestMinHoldLateRelease(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const least = 2 * time.Second
		l, link := e.linked()
		mu := l.Mutex("a", holdfast.WithMinHold(least))
		s := e.acquire(mu)
		time.Sleep(least)
		if err := s.Release(e.ctx()); err != nil { // the scripts are known from here on
			t.Fatal(err)
		}
		s = e.acquire(mu)
		end := time.Now().Add(least)
		link.Delay(time.Second)
		released := make(chan error, 1)
		go func() { released <- s.Release(e.ctx()) }()
		for sent := 0; sent == 0; sent, _ = link.Held() {
			time.Sleep(time.Millisecond)
		}
		link.ResetLate() // its bytes stay on their way
		link.Delay(0)
		if err := <-released; err != nil {
			t.Fatal(err)
		}
		if !e.inspect(mu).Kept {
			t.Error("it was not sent again at once")
		}
		keptUntil(t, e, e.locker().Mutex("a"), end)
	})
}

// TestMinHoldCountsFromTheAnswer: an answer that was long under way takes nothing off.
func TestMinHoldCountsFromTheAnswer(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const least = time.Second
		l, link := e.linked()
		mu := l.Mutex("a", holdfast.WithMinHold(least))
		_, _ = mu.Locked(e.ctx()) // connects
		link.Delay(200 * time.Millisecond)
		s := e.acquire(mu)
		end := time.Now().Add(least)
		link.Delay(0)
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		keptUntil(t, e, e.locker().Mutex("a"), end)
	})
}

// TestMinHoldNoAnswer: a release that has no answer is sent again, and what it finds done is no
// loss; one that does not get through leaves the lock to its TTL.
func TestMinHoldNoAnswer(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(2 * time.Second))
		mu := e.locker().Mutex("a")
		if err := e.acquire(l.Mutex("a")).Release(e.ctx()); err != nil { // the scripts are known from here on
			t.Fatal(err)
		}
		s := e.acquire(l.Mutex("a"), holdfast.WithMinHold(2*time.Second))
		end := time.Now().Add(2 * time.Second)
		link.HoldReplies()
		released := make(chan error, 1)
		go func() { released <- s.Release(e.ctx()) }()
		eventually(t, "it is kept", func() bool { return e.inspect(mu).Kept })
		link.Heal()
		link.Reset()
		if err := <-released; err != nil {
			t.Errorf("Release: %v", err)
		}
		keptUntil(t, e, mu, end)

		s = e.acquire(l.Mutex("a"), holdfast.WithMinHold(time.Hour))
		end = time.Now().Add(2 * time.Second)
		link.Cut()
		if err := s.Release(e.ctx()); err == nil {
			t.Error("released without Redis")
		}
		link.Reset() // what was cut off is lost
		link.Heal()
		time.Sleep(time.Until(end) + 200*time.Millisecond)
		if held(t, e, "a") {
			t.Errorf("held after its TTL: %+v", e.inspect(mu))
		}
	})
}

// TestMinHoldOfNobody: what nobody has worked under, or was detached, is not kept.
func TestMinHoldOfNobody(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a", holdfast.WithMinHold(time.Hour))
		if _, err := mu.Acquire(e.ctx(), holdfast.WithReplicas(1, 50*time.Millisecond)); !errors.Is(err, holdfast.ErrReplicas) {
			t.Fatal(err)
		}
		if held(t, e, "a") {
			t.Fatalf("undone, and kept: %+v", e.inspect(mu))
		}
		s := e.acquire(mu)
		token, err := s.Detach(e.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Error(err)
		}
		if info := e.inspect(mu); info.Kept || e.tokenIn("a") != token {
			t.Errorf("detached: %+v", info)
		}
	})
}

// TestMinHoldWhenMemoryIsFull: the release gets through, as any other does.
func TestMinHoldWhenMemoryIsFull(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		for i, token := range []string{"", "given"} {
			name := fmt.Sprint("a", i)
			mu := e.locker().Mutex(name, holdfast.WithMinHold(time.Minute), holdfast.WithTTL(time.Hour))
			var opts []holdfast.Option
			if token != "" {
				opts = append(opts, holdfast.WithToken(token))
			}
			s := e.acquire(mu, opts...)
			if err := e.direct.ConfigSet(e.ctx(), "maxmemory", "1").Err(); err != nil {
				t.Fatal(err)
			}
			if err := s.Release(e.ctx()); err != nil {
				t.Error(err)
			}
			if info := e.inspect(mu); !info.Kept || info.TTL > time.Minute {
				t.Errorf("%+v", info)
			}
			if err := e.direct.ConfigSet(e.ctx(), "maxmemory", "0").Err(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
