package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func (e *env) wait(mu *holdfast.Mutex, opts ...holdfast.Option) <-chan *holdfast.Session {
	return e.Wait(mu, opts...)
}

func (e *env) listeners(n int, opts ...holdfast.Option) (all []*holdfast.Locker, links []redistest.Link) {
	return e.Listeners(n, opts...)
}

// TestWaitingOrder: processes get the lock in the order in which they asked, whatever they
// ask again meanwhile, and who comes later does not get it before them.
func TestWaitingOrder(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const waiters = 6
		lockers, _ := e.listeners(waiters + 2)
		holder := e.acquire(lockers[waiters].Mutex("order"))
		var got [waiters]<-chan *holdfast.Session
		for i := range got {
			got[i] = e.wait(lockers[i].Mutex("order"))
		}
		time.Sleep(8 * time.Second) // each has asked several times
		newcomer := lockers[waiters+1].Mutex("order")
		for i := range got {
			if i == 0 {
				// The key is gone, and nobody was told: a newcomer asks first.
				e.must(e.direct.Del(e.ctx(), "order").Err())
			}
			if s, err := newcomer.TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
				t.Fatalf("before waiter %d, a newcomer got %v, %v", i, s, err)
			}
			s := <-got[i]
			if s.Fence() <= holder.Fence() {
				t.Errorf("the fence went from %d to %d", holder.Fence(), s.Fence())
			}
			for j := i + 1; j < waiters; j++ {
				if len(got[j]) > 0 {
					t.Fatalf("waiter %d came before its turn", j)
				}
			}
			holder = s
			e.must(s.Release(e.ctx()))
		}
		e.must(e.acquire(newcomer).Release(e.ctx()))
	})
}

// TestWaitingHandOff: a waiter has the lock one round trip after the call of Release: half
// of it takes the release there, half of it the message here.
func TestWaitingHandOff(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const half, ttl = 5 * time.Millisecond, 10 * time.Second
		lockers, links := e.listeners(3, holdfast.WithTTL(ttl))
		for _, link := range links {
			link.Delay(half)
		}
		s := e.acquire(lockers[0].Mutex("hand-off"))
		for i := range 30 {
			next := e.wait(lockers[(i+1)%3].Mutex("hand-off"))
			time.Sleep(time.Duration(i%3) * 10 * time.Millisecond) // before the claim is renewed: a second request connects first
			called := time.Now()
			old := s
			go func() { _ = old.Release(context.Background()) }()
			if s = <-next; time.Since(called) > 2*half+time.Millisecond {
				t.Errorf("hand-off %d took %v, more than a round trip of %v", i, time.Since(called), 2*half)
			}
			if s.Fence() <= old.Fence() || s.Err() != nil {
				t.Errorf("the fence went from %d to %d, the session says %v", old.Fence(), s.Fence(), s.Err())
			}
		}
		time.Sleep(ttl / 4) // the claim has been made the full lease
		if left := time.Until(s.ValidUntil()); left < ttl/2 {
			t.Errorf("%v of %v are left", left, ttl)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestWaitingDead: a waiter whose process was killed costs nothing where the server says
// that nobody listens, and its claim where it can't; after a while without a word it is
// passed over anyway.
func TestWaitingDead(t *testing.T) {
	for _, death := range []struct {
		name    string
		happens func(redistest.Link)
		lasts   time.Duration
		costs   time.Duration
	}{
		{"killed", func(l redistest.Link) { l.Refuse(); l.Reset() }, 100 * time.Millisecond, 50 * time.Millisecond},
		{"gone silent", redistest.Link.Cut, 100 * time.Millisecond, 3*time.Second + time.Second},
		{"gone silent long ago", redistest.Link.Cut, 12 * time.Second, 50 * time.Millisecond},
	} {
		t.Run(death.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				lockers, links := e.listeners(3)
				holder := e.acquire(lockers[0].Mutex("dead"))
				ctx, cancel := context.WithCancel(e.ctx())
				defer cancel()
				go func() { _, _ = lockers[1].Mutex("dead").Acquire(ctx) }()
				time.Sleep(20 * time.Millisecond)
				next := e.wait(lockers[2].Mutex("dead"))
				death.happens(links[1])
				time.Sleep(death.lasts)
				e.must(holder.Release(e.ctx()))
				released := time.Now()
				s := <-next
				if took := time.Since(released); took > death.costs {
					t.Errorf("the dead waiter cost %v, more than %v", took, death.costs)
				}
				e.must(s.Release(e.ctx()))
			})
		})
	}
}

// TestWaitingPasses: goroutines of one process pass the lock on without asking Redis, each
// with a context of its own and a larger fence; while another process waits, so many times
// at most.
func TestWaitingPasses(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const locals, most = 20, 2 * 20
		p := &tap{}
		l := e.tapped(p)
		other, _ := e.listeners(1)
		e.must(e.acquire(l.Mutex("first")).Release(e.ctx()))
		time.Sleep(50 * time.Millisecond)
		mu := l.Mutex("passes")
		s := e.acquire(mu)
		var waiting []<-chan *holdfast.Session
		for range locals {
			waiting = append(waiting, e.wait(mu))
		}
		before := len(p.sent())
		pass := func() {
			t.Helper()
			old := s
			e.must(old.Release(e.ctx()))
			s = <-waiting[0]
			waiting = append(waiting[1:], e.wait(mu))
			switch {
			case s.Fence() <= old.Fence():
				t.Fatalf("the fence went from %d to %d", old.Fence(), s.Fence())
			case s.Err() != nil || !errors.Is(old.Err(), holdfast.ErrReleased) || s.Context() == old.Context():
				t.Fatalf("the sessions say %v and %v", old.Err(), s.Err())
			}
		}
		for range 2 * most {
			pass()
		}
		if asked := len(p.sent()) - before; asked > 4 {
			t.Errorf("%d passes sent %d requests", 2*most, asked)
		}
		theirs := e.wait(other[0].Mutex("passes"))
		var passed int
		for ; len(theirs) == 0 && passed <= most; passed++ {
			old := s
			e.must(old.Release(e.ctx()))
			synctest.Wait()
			if len(theirs) > 0 {
				break
			}
			s = <-waiting[0]
			waiting = waiting[1:]
			if len(waiting) == 0 {
				break
			}
		}
		if len(theirs) == 0 {
			t.Fatalf("%d passes while another process waits, and it has not got the lock", passed)
		}
		s = <-theirs
		for _, w := range waiting {
			e.must(s.Release(e.ctx()))
			s = <-w
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestWaitingPrivate: a lease whose token was handed out, or whose TTL its session changed,
// is never passed on: it goes back to Redis, and the next one has a token of its own.
func TestWaitingPrivate(t *testing.T) {
	for name, use := range map[string]func(*holdfast.Session) error{
		"token asked for": func(s *holdfast.Session) error { _ = s.Token(); return nil },
		"extended":        func(s *holdfast.Session) error { return s.Extend(context.Background(), time.Second) },
		"reacquired":      func(s *holdfast.Session) error { return s.Reacquire(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				lockers, _ := e.listeners(1)
				mu := lockers[0].Mutex("private")
				s := e.acquire(mu)
				next := e.wait(mu)
				before := e.tokenIn("private")
				e.must(use(s))
				e.must(s.Release(e.ctx()))
				s = <-next
				if after := e.tokenIn("private"); after == before || after == "" {
					t.Errorf("the key held %q and holds %q", before, after)
				}
				e.must(s.Release(e.ctx()))
			})
		})
	}
}

// TestWaitingStranger: a lock that redis-py holds is taken within the retry interval of its
// release, and at once where the server sends keyspace notifications.
func TestWaitingStranger(t *testing.T) {
	t.Parallel()
	onRealSteady(t, realNoise, func(e *env, pace time.Duration) error {
		for _, trial := range []struct {
			events string
			retry  time.Duration
		}{{"", 50 * time.Millisecond}, {"Kg$x", 20 * time.Second}} {
			e.must(e.direct.ConfigSet(e.ctx(), "notify-keyspace-events", trial.events).Err())
			e.must(e.direct.Set(e.ctx(), "stranger", "redis-py", time.Minute).Err())
			l := e.locker(holdfast.WithRetryInterval(trial.retry))
			e.must(e.acquire(l.Mutex("first")).Release(e.ctx()))
			time.Sleep(100 * time.Millisecond)
			next := e.wait(l.Mutex("stranger"))
			time.Sleep(300 * time.Millisecond)
			e.must(e.direct.Del(e.ctx(), "stranger").Err())
			deleted := time.Now()
			s := <-next
			if took := time.Since(deleted); took > 2*min(trial.retry, 50*time.Millisecond)+realNoise*pace {
				return fmt.Errorf("events %q: taken after %v", trial.events, took)
			}
			e.must(s.Release(e.ctx()))
		}
		return nil
	})
}

// TestWaitingIdle: a thousand goroutines that wait for a thousand locks cost a second one
// connection that listens, and about one request for each lock.
func TestWaitingIdle(t *testing.T) {
	t.Parallel()
	onRealAlone(t, func(t *testing.T, e *env) {
		const names, seconds = 1000, 5
		holders, waiters := e.locker(), e.locker()
		ctx, cancel := context.WithCancel(e.ctx())
		defer cancel()
		var sessions []*holdfast.Session
		var waits sync.WaitGroup
		before := runtime.NumGoroutine()
		for i := range names {
			name := fmt.Sprint("idle ", i)
			sessions = append(sessions, e.acquire(holders.Mutex(name)))
			waits.Go(func() {
				if s, err := waiters.Mutex(name).Acquire(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("%v, %v", s, err)
				}
			})
		}
		eventually(t, "all wait", func() bool {
			info, err := holders.Mutex("idle 999").Inspect(ctx)
			return err == nil && info.Waiters == 1
		})
		time.Sleep(time.Second)
		if n := runtime.NumGoroutine() - before; n > names+300 { // requests under way
			t.Errorf("%d goroutines for %d waits", n, names)
		}
		list, err := e.direct.ClientList(ctx).Result()
		e.must(err)
		if n := strings.Count(list, " sub=1 "); n != 2 {
			t.Errorf("%d connections listen for 2 Lockers", n)
		}
		calls := func() int64 {
			info, err := e.direct.InfoMap(ctx, "commandstats").Result()
			e.must(err)
			var n int64
			_, err = fmt.Sscanf(info["Commandstats"]["cmdstat_evalsha"], "calls=%d", &n)
			e.must(err)
			return n
		}
		begin := calls()
		time.Sleep(seconds * time.Second)
		// Of each name: the waiter's, a second and less a tenth apart, and a renewal in 4.5 s.
		if n := calls() - begin; n > names*(seconds*14/10+2) {
			t.Errorf("%d requests in %d s for %d locks", n, seconds, names)
		} else {
			t.Logf("%.2f requests a second and lock", float64(n)/names/seconds)
		}
		cancel()
		waits.Wait()
		for _, s := range sessions {
			e.must(s.Release(e.ctx()))
		}
		eventually(t, "nobody waits", func() bool {
			keys, err := e.direct.Keys(e.ctx(), "holdfast:2:q:*").Result()
			return err == nil && len(keys) == 0
		})
	})
}

// TestWaitingFair: processes of eight goroutines each get a lock equally often.
func TestWaitingFair(t *testing.T) {
	onReal(t, func(t *testing.T, e *env) {
		const processes, each, lasts = 4, 8, 2 * time.Second
		lockers, _ := e.listeners(processes)
		ctx, cancel := context.WithTimeout(e.ctx(), lasts)
		defer cancel()
		var mu sync.Mutex
		var last int64
		var got [processes]int
		var running sync.WaitGroup
		for i, l := range lockers {
			for range each {
				running.Go(func() {
					for {
						s, err := l.Mutex("fair").Acquire(ctx)
						if err != nil {
							return
						}
						mu.Lock()
						if s.Fence() <= last {
							t.Errorf("the fence went from %d to %d", last, s.Fence())
						}
						last = s.Fence()
						got[i]++
						mu.Unlock()
						_ = s.Release(e.ctx())
					}
				})
			}
		}
		running.Wait()
		fewest, most := got[0], got[0]
		for _, n := range got {
			fewest, most = min(fewest, n), max(most, n)
		}
		t.Logf("acquisitions: %v", got)
		if fewest < most*8/10 { // a burst more or less; over 10 s it is within 1%
			t.Errorf("acquisitions: %v", got)
		}
	})
}
