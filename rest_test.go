package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Leases that rest in the process: see WithLinger.

const lingers = 5 * time.Second

// resting returns Lockers with the option, whose subscriptions work, and their links.
func (e *env) resting(n int, opts ...holdfast.Option) ([]*holdfast.Locker, []redistest.Link) {
	return e.listeners(n, append([]holdfast.Option{holdfast.WithLinger(lingers)}, opts...)...)
}

// rest takes a lock and gives it back, so that its lease rests.
func (e *env) rest(mu *holdfast.Mutex, opts ...holdfast.Option) (fence int64) {
	e.t.Helper()
	s := e.acquire(mu, opts...)
	e.must(s.Release(e.ctx()))
	if err := s.Err(); !errors.Is(err, holdfast.ErrReleased) {
		e.t.Errorf("the session that was released says %v", err)
	}
	return s.Fence()
}

// asked is what a Locker asked of Redis for its callers, and how it got the last lock.
type asked struct {
	trips atomic.Int64
	how   atomic.Value
}

func (a *asked) observe() holdfast.Option {
	return holdfast.WithObserver(&holdfast.Observer{
		Sent: func(what holdfast.Traffic, _ int, _ time.Duration) {
			if what == holdfast.Calls {
				a.trips.Add(1)
			}
		},
		Acquired: func(_ context.Context, _ string, how holdfast.Acquisition, _ time.Duration) { a.how.Store(how) },
	})
}

// TestRestTaken: what was released is had again without a request, by each way of taking a lock, with a
// larger fence and a context of its own; and it is free when its time is over.
func TestRestTaken(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var asked asked
		all, _ := e.resting(1, asked.observe(), holdfast.WithTTL(4*time.Second))
		mu := all[0].Mutex("a")
		fence := e.rest(mu)
		for name, take := range map[string]func() (*holdfast.Session, error){
			"Acquire":    func() (*holdfast.Session, error) { return mu.Acquire(e.ctx()) },
			"TryAcquire": func() (*holdfast.Session, error) { return mu.TryAcquire(e.ctx()) },
			"another Mutex": func() (*holdfast.Session, error) {
				return all[0].Mutex("a").Acquire(e.ctx(), holdfast.WithWaitTimeout(0))
			},
		} {
			for _, pause := range []time.Duration{0, time.Millisecond, lingers - time.Second} {
				time.Sleep(pause)
				before := asked.trips.Load()
				if info := e.inspect(mu); !info.Held || !info.MayRest || info.Stranger {
					t.Fatalf("%s: it rests, and Inspect says %+v", name, info)
				}
				s, err := take()
				e.must(err)
				if n := asked.trips.Load() - before; n != 1 || asked.how.Load() != holdfast.Passed || s.Fence() <= fence || s.Err() != nil {
					t.Errorf("%s after %v: %d requests, %s, fence %d after %d, %v", name, pause, n-1, asked.how.Load(), s.Fence(), fence, s.Err())
				}
				if fence = s.Fence(); !time.Now().Before(s.ValidUntil()) {
					t.Errorf("%s: valid until %v", name, s.ValidUntil())
				}
				time.Sleep(time.Millisecond)
				e.must(s.Check(e.ctx()))
				e.must(s.Release(e.ctx()))
			}
		}
		time.Sleep(lingers + 10*time.Millisecond)
		if held(t, e, "a") {
			t.Errorf("it rests for longer than %v: %+v", lingers, e.inspect(mu))
		}
		if s := e.acquire(mu); s.Fence() <= fence || asked.how.Load() != holdfast.Asked {
			t.Errorf("%s, fence %d after %d", asked.how.Load(), s.Fence(), fence)
		}
	})
}

// TestRestOthers: whoever else asks for a lock that rests has it after two round trips, be it by Acquire or
// by TryAcquire, also if its Locker can't be told anything yet.
func TestRestOthers(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const half = 5 * time.Millisecond
		all, links := e.resting(2)
		for _, link := range links {
			link.Delay(half)
		}
		waits := func(mu *holdfast.Mutex) (*holdfast.Session, error) { return mu.Acquire(e.ctx()) }
		tries := func(mu *holdfast.Mutex) (*holdfast.Session, error) { return mu.TryAcquire(e.ctx()) }
		fence := int64(0)
		for i := range 20 {
			rested := e.rest(all[i%2].Mutex("a"))
			if rested <= fence {
				t.Errorf("fence %d after %d", rested, fence)
			}
			time.Sleep(20 * time.Millisecond)
			take := waits
			if i%4 < 2 {
				take = tries
			}
			began := time.Now()
			s, err := take(all[(i+1)%2].Mutex("a"))
			e.must(err)
			if took := time.Since(began); took > 4*half+time.Millisecond {
				t.Errorf("%d: it took %v, more than two round trips of %v", i, took, 2*half)
			}
			fence = s.Fence()
			if fence <= rested {
				t.Errorf("fence %d after %d", fence, rested)
			}
			e.must(s.Release(e.ctx())) // rests there
		}
		for name, opt := range map[string]holdfast.Option{"without the option": holdfast.WithLinger(0), "with it": holdfast.WithLinger(lingers)} {
			e.rest(all[0].Mutex(name))
			s, err := tries(e.locker(opt).Mutex(name))
			if err != nil {
				t.Fatalf("a new Locker %s: %v", name, err)
			}
			e.must(s.Release(e.ctx()))
		}
	})
}

// TestRestInUse: TryAcquire of a lock that may rest but is in use says ErrHeld, after three round trips, and
// leaves nothing behind; the lock rests after that as if nobody had asked.
func TestRestInUse(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const half = 5 * time.Millisecond
		var asked asked
		all, links := e.resting(2)
		holder, _ := e.resting(1, asked.observe())
		for _, link := range links {
			link.Delay(half)
		}
		s := e.acquire(holder[0].Mutex("a"))
		for _, l := range all {
			began := time.Now()
			if _, err := l.Mutex("a").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) || !errors.Is(err, holdfast.ErrWaitTimeout) {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 6*half {
				t.Errorf("ErrHeld after %v, more than three round trips of %v", took, 2*half)
			}
			time.Sleep(100 * time.Millisecond)
			if e.waiting("a") != 0 {
				t.Error("it stays in the queue")
			}
		}
		other := e.acquire(holder[0].Mutex("b"))
		waiter := e.wait(all[0].Mutex("b"), holdfast.WithLinger(0))
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		if _, err := all[1].Mutex("b").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) || time.Since(began) > 2*half {
			t.Errorf("behind others: %v after %v", err, time.Since(began))
		}
		e.must(other.Release(e.ctx()))
		e.must((<-waiter).Release(e.ctx()))
		e.must(s.Check(e.ctx()))
		e.must(s.Release(e.ctx()))
		before := asked.trips.Load()
		e.must(e.acquire(holder[0].Mutex("a")).Release(e.ctx()))
		if n := asked.trips.Load() - before; n != 0 || asked.how.Load() != holdfast.Passed {
			t.Errorf("%d requests, %s: it does not rest any more", n, asked.how.Load())
		}
	})
}

// TestRestSilentHolder: if the process where the lock rests is frozen or cut off, TryAcquire says ErrHeld
// within about a second, and the lock is free after its TTL.
func TestRestSilentHolder(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const ttl = 4 * time.Second
		all, links := e.resting(2, holdfast.WithTTL(ttl), holdfast.WithLinger(time.Minute))
		e.rest(all[0].Mutex("a"))
		links[0].Cut()
		began := time.Now()
		if _, err := all[1].Mutex("a").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("ErrHeld after %v", took)
		}
		s := e.acquire(all[1].Mutex("a"))
		if took := time.Since(began); took > ttl+2*time.Second {
			t.Errorf("had after %v, with a TTL of %v", took, ttl)
		}
		// Nobody has the lock here who is cut off.
		ctx, cancel := context.WithTimeout(e.ctx(), time.Second)
		defer cancel()
		if other, err := all[0].Mutex("a").Acquire(ctx); err == nil {
			t.Errorf("two own it: fences %d and %d", s.Fence(), other.Fence())
		}
		e.must(s.Check(e.ctx()))
		links[0].Heal()
	})
}

// TestRestNot: what may concern those who come after is not kept, and neither is what nobody can ask for.
func TestRestNot(t *testing.T) {
	tests := map[string]func(e *env, all []*holdfast.Locker) *holdfast.Session{
		"a token that was read": func(e *env, all []*holdfast.Locker) *holdfast.Session {
			s := e.acquire(all[0].Mutex("a"))
			_ = s.Token()
			return s
		},
		"a token that was given": func(e *env, all []*holdfast.Locker) *holdfast.Session {
			return e.acquire(all[0].Mutex("a"), holdfast.WithToken("t"))
		},
		"extended": func(e *env, all []*holdfast.Locker) *holdfast.Session {
			s := e.acquire(all[0].Mutex("a"))
			e.must(s.SetTTL(e.ctx(), time.Minute))
			return s
		},
		"others wait": func(e *env, all []*holdfast.Locker) *holdfast.Session {
			s := e.acquire(all[0].Mutex("a"))
			e.wait(all[1].Mutex("a"))
			time.Sleep(20 * time.Millisecond)
			return s
		},
		"nobody can tell": func(e *env, _ []*holdfast.Locker) *holdfast.Session {
			l, _ := e.late(new(tap), holdfast.WithLinger(lingers))
			return e.acquire(l.Mutex("a"))
		},
		"turned off": func(e *env, all []*holdfast.Locker) *holdfast.Session {
			return e.acquire(all[0].Mutex("a"), holdfast.WithLinger(0))
		},
	}
	for name, take := range tests {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				all, _ := e.resting(2)
				s := take(e, all)
				fence := s.Fence()
				e.must(s.Release(e.ctx()))
				time.Sleep(20 * time.Millisecond)
				if info := e.inspect(all[0].Mutex("a")); info.Held && info.Fence == fence {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

// TestRestOtherOptions: a lease that rests does not serve a call with other options: it is given back, and
// the call asks.
func TestRestOtherOptions(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, _ := e.resting(1)
		for name, opt := range map[string]holdfast.Option{"a TTL": holdfast.WithTTL(time.Minute), "a token": holdfast.WithToken("mine")} {
			for _, try := range []bool{false, true} {
				mu := all[0].Mutex(fmt.Sprint(name, try))
				fence := e.rest(mu)
				take := mu.Acquire
				if try {
					take = mu.TryAcquire
				}
				s, err := take(e.ctx(), opt)
				if err != nil || s.Fence() <= fence {
					t.Fatalf("with %s: %v", name, err)
				}
				time.Sleep(200 * time.Millisecond) // what was granted has been made the full lease
				if left := time.Until(s.ValidUntil()); name == "a TTL" && left < 50*time.Second {
					t.Errorf("it is valid for %v", left)
				}
				e.must(s.Release(e.ctx()))
			}
		}
	})
}

// TestRestLost: a lock that was taken away while it rested is nobody's loss, and is not had without asking.
func TestRestLost(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(4 * time.Second)
		lost := make(chan error, 10)
		all, _ := e.resting(2, holdfast.WithTTL(ttl), holdfast.WithLinger(time.Minute), holdfast.WithObserver(&holdfast.Observer{
			Lost: func(_ context.Context, _ string, cause error, _ time.Duration) { lost <- cause },
		}))
		mu := all[0].Mutex("a")
		e.rest(mu)
		e.must(all[1].Mutex("a").ForceRelease(e.ctx()))
		time.Sleep(50 * time.Millisecond)
		s := e.acquire(all[1].Mutex("a"))
		ctx, cancel := context.WithTimeout(e.ctx(), ttl/2)
		defer cancel()
		if other, err := mu.Acquire(ctx); err == nil {
			t.Errorf("two own it: fences %d and %d", s.Fence(), other.Fence())
		}
		e.must(s.Release(e.ctx()))
		if len(lost) > 0 {
			t.Errorf("a loss was reported: %v", <-lost)
		}
	})
}

// TestRestExpired: what Redis has not confirmed for the TTL is not had without asking.
func TestRestExpired(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const ttl = 4 * time.Second
		all, links := e.resting(2, holdfast.WithTTL(ttl), holdfast.WithLinger(time.Minute))
		for _, asleep := range []time.Duration{ttl - marginOf(ttl) - 10*time.Millisecond, ttl} {
			e.rest(all[0].Mutex("a"))
			links[0].HoldRequests() // nobody notices: the connections stay
			time.Sleep(asleep)
			ctx, cancel := context.WithTimeout(e.ctx(), 100*time.Millisecond)
			if s, err := all[0].Mutex("a").Acquire(ctx); err == nil {
				t.Errorf("it was had %v after it was confirmed last, fence %d", asleep, s.Fence())
			}
			cancel()
			links[0].Heal()
			time.Sleep(2 * ttl)
		}
	})
}

// TestRestClose: Close gives back what rests, many locks in one request, and waits for that.
func TestRestClose(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const locks = 300
		var asked asked
		all, _ := e.resting(1, asked.observe(), holdfast.WithLinger(time.Hour))
		s := e.acquire(all[0].Mutex("in use"))
		for i := range locks {
			e.rest(all[0].Mutex(fmt.Sprint("lock ", i)))
		}
		before := asked.trips.Load()
		e.must(all[0].Close())
		for _, key := range e.keys() {
			if !strings.HasPrefix(key, "holdfast:") && key != "in use" {
				t.Fatalf("%s is still held", key)
			}
		}
		if n := asked.trips.Load() - before; n > locks/3 {
			t.Errorf("%d requests for %d locks", n, locks)
		}
		if !held(t, e, "in use") || !errors.Is(s.Err(), holdfast.ErrClosed) {
			t.Errorf("the lock in use: held %v, %v", held(t, e, "in use"), s.Err())
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestRestMost: so many locks rest, and no more: the one that has rested longest goes first.
func TestRestMost(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const most, more = 4096, 5
		all, _ := e.resting(1, holdfast.WithLinger(time.Hour), holdfast.WithTTL(time.Hour))
		name := func(i int) string { return fmt.Sprint("lock ", i) }
		for i := range most {
			e.rest(all[0].Mutex(name(i)))
		}
		e.rest(all[0].Mutex(name(0))) // it is the last again
		for i := range more {
			e.rest(all[0].Mutex(name(most + i)))
		}
		time.Sleep(20 * time.Millisecond)
		for i := range most + more {
			if want := i < 1 || i > more; held(t, e, name(i)) != want {
				t.Errorf("lock %d is held: %v", i, !want)
			}
		}
	})
}

// TestRestUnheard: when the subscription ends, what rests is given back: nobody could ask for it.
func TestRestUnheard(t *testing.T) {
	onReal(t, func(t *testing.T, e *env) {
		all, _ := e.resting(1, holdfast.WithLinger(time.Hour), holdfast.WithTTL(time.Hour))
		e.rest(all[0].Mutex("a"))
		if !held(t, e, "a") {
			t.Fatal("it does not rest")
		}
		e.must(e.direct.Do(e.ctx(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
		if took := freeIn(t, e, "a"); took > 30*time.Second {
			t.Errorf("given back after %v", took)
		}
	})
}

// TestRestOnce: several locks that are tried at once are had although one of them rests here.
func TestRestOnce(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		all, _ := e.resting(2)
		for _, wait := range []holdfast.Option{holdfast.WithWaitTimeout(0), holdfast.WithWaitTimeout(time.Second)} {
			for _, names := range [][]string{{"a", "b"}, {"b", "a", "c"}} {
				e.rest(all[0].Mutex("b"))
				held, err := all[0].AcquireAll(e.ctx(), names, wait)
				e.must(err)
				e.must(held.Release(e.ctx()))
			}
		}
	})
}

// TestRestRefused: what can't be kept safely is refused.
func TestRestRefused(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		for _, opts := range [][]holdfast.Option{
			{holdfast.WithLinger(-1)}, {holdfast.WithLinger(time.Second), holdfast.WithoutExpiry()},
		} {
			if _, err := e.locker().Mutex("a").Acquire(e.ctx(), opts...); !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "linger") {
				t.Errorf("%v", err)
			}
		}
		if keys := e.keys(); len(keys) > 0 {
			t.Errorf("%q are left", keys)
		}
	})
}
