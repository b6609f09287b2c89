package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Requests that Redis runs more than once, or long after they were given up, and callers
// with one token.

// state is what Redis knew of a lock at some moment between two times.
type state struct {
	token        string
	info         holdfast.Info
	begin, until time.Time
}

// state looks past every fault.
func (e *env) state(mu *holdfast.Mutex) state {
	e.t.Helper()
	begin := time.Now()
	token := e.tokenIn(mu.Name())
	info, err := mu.Inspect(e.ctx())
	if err != nil {
		e.t.Fatal(err)
	}
	return state{token, info, begin, time.Now()}
}

// same reports what has changed: the holder, the fence, or the TTL by more than the time
// that went by.
func (before state) same(now state) error {
	const rounding = 5 * time.Millisecond
	a, b := before.info, now.info
	aged := a.TTL - b.TTL
	a.TTL, b.TTL = 0, 0
	a.HeldFor, b.HeldFor = 0, 0 // it grows by itself; Since says whether it is the same hold
	a.Waiters, b.Waiters = 0, 0 // an old request to acquire stands in the queue for a while
	if before.token == now.token && a == b && -rounding < aged && aged < now.until.Sub(before.begin)+rounding {
		return nil
	}
	return fmt.Errorf("it was %+v and became %+v", before, now)
}

// TestUnknownRepeated: each request that a session has sent may run again at any later
// time. While it holds the lock, that changes nothing; afterwards, nothing of another's.
func TestUnknownRepeated(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				e.load()
				p := &tap{}
				mu := e.tapped(p, kind.opts...).Mutex("repeated")
				look := e.locker().Mutex("repeated")
				s := e.acquire(mu)
				ctx := context.Background()
				steps := []func(context.Context) error{
					s.Check, s.Reacquire, func(ctx context.Context) error { return s.Extend(ctx, time.Minute) },
					s.Check, func(ctx context.Context) error { return s.SetTTL(ctx, 10*time.Minute) },
					func(ctx context.Context) error { return s.Extend(ctx, time.Minute) },
				}
				for _, step := range steps {
					if err := step(ctx); err != nil && !errors.Is(err, holdfast.ErrNoExpiry) {
						t.Fatal(err)
					}
					before := e.state(look)
					for _, c := range p.sent() {
						if _, err := e.repeat(c); err != nil {
							t.Fatalf("%s: %v", c.script, err)
						}
						if err := before.same(e.state(look)); err != nil {
							t.Errorf("%s again: %v", c.script, err)
						}
					}
				}
				calls := p.sent()
				if err := s.Release(ctx); err != nil {
					t.Fatal(err)
				}
				for _, c := range p.sent() { // an Acquire was answered: it is under way nowhere
					if c.script != "acquire" {
						_, _ = e.repeat(c)
					}
				}
				if e.state(look).info.Held {
					t.Error("held again after the release")
				}
				if other := e.acquire(e.locker(kind.opts...).Mutex("repeated")); other.Fence() <= s.Fence() {
					t.Errorf("the fence went from %d to %d", s.Fence(), other.Fence())
				}
				before := e.state(look)
				for _, c := range append(calls, p.sent()...) {
					_, _ = e.repeat(c)
					if err := before.same(e.state(look)); err != nil {
						t.Errorf("%s again, while another holds the lock: %v", c.script, err)
					}
				}
			})
		})
	}
}

// TestUnknownLateDuplicate: a waiter whose first tries fail without an answer gets the
// lock by a later one. The earlier ones arrive at last: while it waits, while it holds,
// after it has released, and while another holds. They never take the lock for nobody.
func TestUnknownLateDuplicate(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				e.load()
				look := e.locker().Mutex("late")
				holder := e.acquire(e.locker().Mutex("late"))
				p := &tap{}
				var lost atomic.Int32
				p.setDeliver(func(c call, send func() error) error {
					if c.script == "acquire" && lost.Load() > 0 {
						lost.Add(-1)
						return io.EOF // as far as the client knows, it may be on its way
					}
					return send()
				})
				mu := e.tapped(p, append(kind.opts[:len(kind.opts):len(kind.opts)], holdfast.WithRetryInterval(20*time.Millisecond))...).Mutex("late")
				waiter := make(chan *holdfast.Session, 1)
				go func() {
					s, err := mu.Acquire(context.Background())
					if err != nil {
						t.Error(err)
					}
					waiter <- s
				}()
				for p.count("acquire") < 2 {
					time.Sleep(time.Millisecond)
				}
				lost.Store(3)
				eventually(t, "the tries are lost", func() bool { return lost.Load() == 0 })
				late := p.sent()
				repeat := func(when string, unchanged bool) {
					t.Helper()
					before := e.state(look)
					for _, c := range late {
						if _, err := e.repeat(c); err != nil {
							t.Fatal(err)
						}
					}
					if now := e.state(look); unchanged {
						if err := before.same(now); err != nil {
							t.Errorf("%s: %v", when, err)
						}
					}
				}
				repeat("while it waits", true)
				if err := holder.Release(e.ctx()); err != nil {
					t.Fatal(err)
				}
				repeat("when the lock is free", false) // for the waiter, which finds it
				s := <-waiter
				if s == nil {
					return
				}
				repeat("while it holds", true)
				if err := s.Check(e.ctx()); err != nil {
					t.Error(err)
				}
				if err := s.Release(e.ctx()); err != nil {
					t.Fatal(err)
				}
				repeat("after the release", true)
				if e.state(look).info.Held {
					t.Error("a request that came late holds the lock for nobody")
				}
				next := e.acquire(e.locker(kind.opts...).Mutex("late"))
				repeat("while the next holds", true)
				if err := next.Check(e.ctx()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestUnknownOneToken: callers who share a token exclude each other all the same, also
// goroutines of one Locker.
func TestUnknownOneToken(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		const rounds = 200
		var lockers []*holdfast.Locker
		for range 4 {
			lockers = append(lockers, e.locker(
				holdfast.WithToken("sesame"), holdfast.WithRetryInterval(time.Millisecond), holdfast.WithTTL(5*time.Second)))
		}
		var owners atomic.Int32
		var fence atomic.Int64
		var workers sync.WaitGroup
		for i := range 8 {
			mu := lockers[i/2].Mutex("shared")
			workers.Go(func() {
				for round := range rounds {
					acquire := mu.Acquire
					if (i+round)%3 == 0 {
						acquire = mu.TryAcquire
					}
					s, err := acquire(context.Background())
					if errors.Is(err, holdfast.ErrHeld) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					if n := owners.Add(1); n != 1 {
						t.Errorf("%d owners", n)
					}
					if last := fence.Swap(s.Fence()); last >= s.Fence() {
						t.Errorf("the fence went from %d to %d", last, s.Fence())
					}
					if round%5 == 0 { // a caller who finds its token in Redis and isn't the owner
						if err := s.Extend(context.Background(), time.Second); err != nil {
							t.Error(err)
						}
					}
					owners.Add(-1)
					if err := s.Release(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
	})
}
