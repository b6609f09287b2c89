package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// What else can happen to leases that rest, and around them.

// TestRestForced: a lock that was forced open while it rested goes to nobody here any more once the message
// has come.
func TestRestForced(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, links := e.resting(2)
		links[0].Delay(5 * time.Millisecond)
		e.rest(all[0].Mutex("a"))
		e.must(all[1].Mutex("a").ForceRelease(e.ctx()))
		other := e.acquire(all[1].Mutex("a"))
		time.Sleep(7 * time.Millisecond) // the message has come, and an answer of Redis could not yet
		ctx, cancel := context.WithTimeout(e.ctx(), time.Second)
		defer cancel()
		if s, err := all[0].Mutex("a").Acquire(ctx); err == nil && other.Err() == nil && s.Err() == nil {
			t.Errorf("two own it: fences %d and %d", other.Fence(), s.Fence())
		}
	})
}

// TestRestSilent: TryAcquire of a lock that does not rest and can't, though it was taken with the option, says
// ErrHeld at once.
func TestRestSilent(t *testing.T) {
	for name, hold := range map[string]func(e *env, all []*holdfast.Locker){
		"kept by its minimum hold": func(e *env, all []*holdfast.Locker) {
			e.must(e.acquire(all[0].Mutex("a"), holdfast.WithMinHold(time.Minute)).Release(e.ctx()))
		},
		"detached": func(e *env, all []*holdfast.Locker) {
			_, err := e.acquire(all[0].Mutex("a")).Detach(e.ctx())
			e.must(err)
		},
		"its Locker is closed": func(e *env, all []*holdfast.Locker) {
			e.acquire(all[0].Mutex("a"))
			e.must(all[0].Close())
		},
		"its context has ended": func(e *env, all []*holdfast.Locker) {
			ctx, cancel := context.WithCancel(e.ctx())
			_, err := all[0].Mutex("a").Acquire(ctx)
			e.must(err)
			cancel()
			time.Sleep(10 * time.Millisecond)
		},
		"its Locker hears nothing": func(e *env, _ []*holdfast.Locker) {
			l, _ := e.late(new(tap), holdfast.WithLinger(lingers))
			e.acquire(l.Mutex("a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				const half = time.Millisecond
				all, links := e.resting(2)
				for _, link := range links {
					link.Delay(half)
				}
				hold(e, all)
				began := time.Now()
				_, err := all[1].Mutex("a").TryAcquire(e.ctx())
				if took := time.Since(began); !errors.Is(err, holdfast.ErrHeld) || took > 6*half {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

// TestRestBehindTry: who asks while another's try stands in the queue does not wait for long when the lock
// rests after that.
func TestRestBehindTry(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, links := e.resting(3)
		links[0].Delay(20 * time.Millisecond)
		links[1].Delay(20 * time.Millisecond)
		s := e.acquire(all[0].Mutex("a"))
		go func() { _, _ = all[1].Mutex("a").TryAcquire(e.ctx()) }()
		time.Sleep(30 * time.Millisecond)
		next := e.wait(all[2].Mutex("a"))
		time.Sleep(200 * time.Millisecond)
		released := time.Now()
		e.must(s.Release(e.ctx()))
		e.must((<-next).Release(e.ctx()))
		if took := time.Since(released); took > 100*time.Millisecond {
			t.Errorf("it waits for another %v", took)
		}
	})
}

// TestRestCancelled: who is not to wait any more has no lock, though one rests.
func TestRestCancelled(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, _ := e.resting(1)
		mu := all[0].Mutex("a")
		e.rest(mu)
		ctx, cancel := context.WithCancel(e.ctx())
		cancel()
		for name, err := range map[string]error{
			"Acquire":         second(mu.Acquire(ctx)),
			"TryAcquire":      second(mu.TryAcquire(ctx)),
			"WithWaitContext": second(mu.Acquire(e.ctx(), holdfast.WithWaitContext(ctx))),
			"Do": mu.Do(ctx, func(context.Context) error {
				t.Error("the function runs")
				return nil
			}),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestRestDiscarded: what a call took that failed does not rest: nobody has worked under it.
func TestRestDiscarded(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, _ := e.resting(2)
		e.acquire(all[1].Mutex("b"))
		if _, err := all[0].AcquireAll(e.ctx(), []string{"a", "b"}, holdfast.WithWaitTimeout(50*time.Millisecond)); !errors.Is(err, holdfast.ErrWaitTimeout) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if held(t, e, "a") {
			t.Error("the lock that it had is still held")
		}
	})
}

// TestRestOnceElsewhere: several locks that are tried at once are had although some rest in another process,
// and not if one is in use; that one still rests after its release.
func TestRestOnceElsewhere(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, links := e.resting(2)
		for _, link := range links {
			link.Delay(5 * time.Millisecond)
		}
		names := []string{"a", "b", "c"}
		for _, rested := range [][]string{{"a"}, {"c", "b"}, names} {
			for _, name := range rested {
				e.rest(all[0].Mutex(name))
			}
			held, err := all[1].TryAcquireAll(e.ctx(), names)
			if err != nil {
				t.Fatalf("%q rest: %v", rested, err)
			}
			e.must(held.Release(e.ctx()))
			time.Sleep(lingers + time.Second)
		}
		s := e.acquire(all[0].Mutex("b"))
		e.rest(all[0].Mutex("c"))
		if _, err := all[1].TryAcquireAll(e.ctx(), names); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("one is in use: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		if held(t, e, "a") {
			t.Error("what it could not have all of is held")
		}
		e.must(s.Release(e.ctx()))
		if info := e.inspect(all[0].Mutex("b")); !info.MayRest {
			t.Errorf("after a try: %+v", info)
		}
	})
}

// TestRestMemoryFull: a try finds out that a lock is in use, or takes one that rests, also when the memory is
// full.
func TestRestMemoryFull(t *testing.T) {
	onReal(t, func(t *testing.T, e *env) {
		all, _ := e.resting(2)
		s := e.acquire(all[0].Mutex("a"))
		e.rest(all[0].Mutex("b"))
		e.must(e.direct.ConfigSet(e.ctx(), "maxmemory", "1").Err())
		defer func() { e.must(e.direct.ConfigSet(e.ctx(), "maxmemory", "0").Err()) }()
		if _, err := all[1].Mutex("a").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Error(err)
		}
		if other, err := all[1].Mutex("b").TryAcquire(e.ctx()); err != nil {
			t.Error(err)
		} else {
			e.must(other.Release(e.ctx()))
		}
		e.must(s.Release(e.ctx()))
	})
}
