package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// runner is one goroutine of a cycle.
type runner struct {
	answer
	acquire acquirer
	inside  *atomic.Int32 // callers of this process in the shared lock
	most    int32         // so many may be
}

// cycle runs an order's goroutines. A shared lock is measured over For exactly: what waits
// then is cut off. With locks of their own nobody waits, so each ends the cycle it is in,
// and its rate is over the time that it took.
func (w *child) cycle(o order) (answer, error) {
	shared, hasPermits := w.c.(semaphores)
	if o.Permits > 0 && !hasPermits {
		return answer{}, errors.New(w.Library + " has no semaphore here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	var inside atomic.Int32
	runners := make([]runner, o.Goroutines)
	for i := range runners {
		name := o.Name
		if !o.Shared {
			name = fmt.Sprint(o.Name, ":", i)
		} else {
			runners[i].inside, runners[i].most = &inside, int32(max(o.Permits, 1))
		}
		if o.Permits > 0 {
			runners[i].acquire = shared.semaphore(name, o.Permits)
		} else {
			runners[i].acquire = w.c.lock(name)
		}
	}
	if o.At > 0 {
		time.Sleep(time.Until(time.Unix(0, o.At)))
	}
	cut := o.For
	if !o.Shared {
		cut += 5 * time.Second // somebody is stuck
	}
	timer := time.AfterFunc(cut, cancel)
	defer timer.Stop()
	var running sync.WaitGroup
	for i := range runners {
		running.Go(func() { runners[i].run(ctx, o) })
	}
	running.Wait()

	var sum answer
	for i := range runners {
		sum.add(&runners[i].answer)
	}
	if o.Shared {
		sum.Rate = float64(sum.Count) / o.For.Seconds()
	}
	return sum, nil
}

func (a *answer) add(b *answer) {
	a.Rate += b.Rate
	a.Count += b.Count
	a.Waits.merge(b.Waits)
	a.Events = append(a.Events, b.Events...)
	a.Broken += b.Broken
	a.Failed += b.Failed
	if a.Failure == "" {
		a.Failure = b.Failure
	}
}

func (r *runner) run(ctx context.Context, o order) {
	begin := time.Now()
	var paused time.Duration
	for time.Since(begin) < o.For && ctx.Err() == nil {
		if o.Pause > 0 {
			slept := time.Now()
			time.Sleep(o.Pause)
			paused += time.Since(slept)
		}
		// A burst is always whole: if For cut it, its slow begin would count for more.
		for n := 0; n < max(o.Burst, 1) && ctx.Err() == nil; n++ {
			r.once(ctx, o, begin)
		}
	}
	r.Rate = float64(r.Count) / (time.Since(begin) - paused).Seconds()
}

func (r *runner) once(ctx context.Context, o order, begin time.Time) {
	asked := time.Now()
	release, _, err := r.acquire(ctx)
	got := time.Now()
	late := ctx.Err() != nil || got.Sub(begin) > o.For
	if err == nil || late {
		r.Waits.add(got.Sub(asked))
	}
	if err != nil {
		if !late {
			r.fail("acquire", err)
			time.Sleep(time.Millisecond) // a server that is away is not asked in a hot loop
		}
		return
	}
	if r.inside != nil && r.inside.Add(1) > r.most {
		r.Broken++
	}
	if !late || !o.Shared {
		r.Count++
	}
	if o.Hold > 0 {
		// Varied by a quarter: else those who poll fall into step with the holder, and are
		// all lucky or all unlucky.
		time.Sleep(o.Hold - o.Hold/4 + rand.N(o.Hold/2))
	}
	if r.inside != nil {
		r.inside.Add(-1)
	}
	called := time.Now()
	if err := release(); err != nil {
		r.fail("release", err)
	}
	if o.Log {
		r.Events = append(r.Events, event{Asked: asked.UnixNano(), Got: got.UnixNano(), Called: called.UnixNano()})
	}
	if o.Think > 0 {
		time.Sleep(o.Think)
	}
}

func (r *runner) fail(what string, err error) {
	r.Failed++
	r.Failure = what + ": " + err.Error()
}
