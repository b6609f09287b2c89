package permits

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestHeavyFirst: a waiter that needs more permits than are free is not overtaken by others that need less,
// and those are served when it has been, those behind each other together.
func TestHeavyFirst(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(3)
		sem := func(i int) *holdfast.Semaphore { return all[i].Semaphore("x", 4) }
		two, one := hold(e, sem(0).TryAcquire, holdfast.WithWeight(2)), hold(e, sem(1).TryAcquire)
		heavy := wait(e, sem(1).Acquire, holdfast.WithWeight(3))
		light, lighter := wait(e, sem(2).Acquire), wait(e, sem(0).Acquire)
		refused(e, sem(0).TryAcquire)
		refused(e, sem(2).TryAcquire)
		time.Sleep(soon(e))
		heavy.none("it fits not yet")
		light.none("it has overtaken a heavier one")
		lighter.none("it has overtaken a heavier one")
		release(e, two)
		three := heavy.get().Session
		time.Sleep(soon(e))
		light.none("all are in use")
		lighter.none("all are in use")
		began := time.Now()
		release(e, three)
		a, b := light.get(), lighter.get()
		within(e, "the lighter ones", max(a.at.Sub(began), b.at.Sub(began)))
		used(e, sem(0), 3, 4)
		release(e, one, a.Session, b.Session)
	})
}

// giveUp is how a heavy waiter ends its wait after a while.
var giveUp = map[string]func(e *rig.Env, from acquire, after time.Duration, opts ...holdfast.Option) *waiter{
	"its context ends": func(e *rig.Env, from acquire, after time.Duration, opts ...holdfast.Option) *waiter {
		ctx, cancel := context.WithTimeout(e.Ctx(), after)
		e.T.Cleanup(cancel)
		return waitIn(ctx, e, from, opts...)
	},
	"its wait times out": func(e *rig.Env, from acquire, after time.Duration, opts ...holdfast.Option) *waiter {
		return wait(e, from, append(opts, holdfast.WithWaitTimeout(after))...)
	},
}

// TestGivesUp: when a writer, or one that wants many permits, gives up at the head of the queue, those
// behind it that fit are served at once.
func TestGivesUp(t *testing.T) {
	for how, begin := range giveUp {
		for where, processes := range map[string]int{"here": 1, "elsewhere": 3} {
			t.Run(how+", "+where, func(t *testing.T) {
				rig.Each(t, func(e *rig.Env) {
					all, _ := e.Listeners(processes)
					at := func(i int) *holdfast.Locker { return all[i%processes] }
					reader := hold(e, at(0).RWMutex("rw").TryRAcquire)
					two := hold(e, at(0).Semaphore("s", 3).TryAcquire, holdfast.WithWeight(2))
					after := e.Short(80 * time.Millisecond)
					began := time.Now()
					writer := begin(e, at(1).RWMutex("rw").Acquire, after)
					heavy := begin(e, at(1).Semaphore("s", 3).Acquire, after, holdfast.WithWeight(2))
					behind := []*waiter{wait(e, at(2).RWMutex("rw").RAcquire), wait(e, at(2).Semaphore("s", 3).Acquire)}
					for i, w := range behind {
						g := w.get()
						if took := g.at.Sub(began); took < after {
							e.T.Errorf("%d was served after %v, before the other had given up", i, took)
						}
						within(e, "to be served after another had given up", g.at.Sub(began.Add(after+e.Short(20*time.Millisecond))))
						release(e, g.Session)
					}
					for _, w := range []*waiter{writer, heavy} {
						if g := <-w.done; g.err == nil {
							e.T.Error("it got what others hold")
						}
					}
					release(e, reader, two)
				})
			})
		}
	}
}

// TestWriterNotOvertaken: while the answer to a waiting writer is under way, a reader's lease is not passed
// to a reader of the same process that came later.
func TestWriterNotOvertaken(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, links := e.Listeners(1)
		m, link := all[0].RWMutex("x"), links[0]
		reader := hold(e, m.TryRAcquire)
		link.Delay(e.Short(50 * time.Millisecond))
		writer, later := wait(e, m.Acquire), wait(e, m.RAcquire)
		done := make(chan error, 1)
		go func() { done <- reader.Release(e.Ctx()) }() // received below
		w := writer.get()
		later.none("it has overtaken a writer")
		e.Must(<-done)
		link.Delay(0)
		release(e, w.Session)
		release(e, later.get().Session)
	})
}

// TestDisagree: while members give different limits, no more permits are in use than the asker's limit and
// than the limit of each who holds some.
func TestDisagree(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2)
		two, five := all[0].Semaphore("x", 2), all[1].Semaphore("x", 5)
		small, first := hold(e, two.TryAcquire), hold(e, five.TryAcquire)
		used(e, five, 2, 2)
		refused(e, two.TryAcquire)
		refused(e, five.TryAcquire)
		more := wait(e, five.Acquire, holdfast.WithWeight(2))
		time.Sleep(soon(e))
		more.none("one who gave a limit of 2 holds a permit")
		began := time.Now()
		release(e, small)
		g := more.get()
		within(e, "to be served", g.at.Sub(began))
		second := g.Session
		used(e, two, 3, 5)
		refused(e, two.TryAcquire)
		third := hold(e, five.TryAcquire)
		small2 := wait(e, two.Acquire)
		release(e, second)
		time.Sleep(soon(e))
		small2.none("two are in use, and its limit is 2")
		release(e, third)
		s := small2.get().Session
		used(e, two, 2, 2)
		release(e, s, first)
		if n := e.Direct.Exists(e.Ctx(), "x").Val(); n != 0 {
			e.T.Error("the key is left behind")
		}
	})
}

// TestNeverMoreOfAny: of processes with different limits that take permits at once, no more are in use than
// each who holds some has given.
func TestNeverMoreOfAny(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		var mu sync.Mutex
		var all sync.WaitGroup
		live, held := 0, map[int]int{} // permits; by limit, how many sessions
		count := func(limit, weight, by int) {
			mu.Lock()
			defer mu.Unlock()
			live, held[limit] = live+by*weight, held[limit]+by
			for of, n := range held {
				if n > 0 && live > of {
					e.T.Errorf("%d are in use, and %d who hold some gave a limit of %d", live, n, of)
				}
			}
		}
		for _, limit := range []int{2, 3, 5, 5} {
			l := e.Locker()
			for i := range 4 {
				all.Go(func() {
					for range 15 {
						weight := 1 + i%limit
						s, err := l.Semaphore("x", limit).Acquire(e.Ctx(), holdfast.WithWeight(weight))
						if err != nil {
							e.T.Error(err)
							return
						}
						count(limit, weight, 1)
						time.Sleep(time.Duration(i) * time.Millisecond)
						count(limit, weight, -1)
						if err := s.Release(e.Ctx()); err != nil {
							e.T.Error(err)
						}
					}
				})
			}
		}
		all.Wait()
		if n := e.Direct.Exists(e.Ctx(), "x").Val(); n != 0 {
			e.T.Error("the key is left behind")
		}
	})
}

// TestThousand: a thousand sessions hold a semaphore of a thousand, and the next waits; a thousand readers
// hold together.
func TestThousand(t *testing.T) {
	onReal(t, func(e *rig.Env) {
		const n = 1000
		l := e.Locker()
		sem, m := l.Semaphore("s", n), l.RWMutex("rw")
		held, readers := many(e, sem.TryAcquire, n), many(e, m.TryRAcquire, n)
		used(e, sem, n, n)
		refused(e, sem.TryAcquire)
		refused(e, m.TryAcquire)
		next, writer := wait(e, e.Locker().Semaphore("s", n).Acquire), wait(e, e.Locker().RWMutex("rw").Acquire)
		time.Sleep(soon(e))
		next.none("a thousand hold")
		writer.none("a thousand read")
		release(e, held[0])
		held = append(held, next.get().Session)
		for _, s := range append(held[1:], readers...) {
			if s.Err() != nil {
				e.T.Error(s.Err())
			}
		}
		release(e, readers[1:]...)
		writer.none("one reads yet")
		release(e, readers[0])
		release(e, writer.get().Session)
	})
}

// many takes permits for so many sessions.
func many(e *rig.Env, try acquire, n int) []*holdfast.Session {
	all := make([]*holdfast.Session, n)
	var takers sync.WaitGroup
	for i := range 16 {
		takers.Go(func() {
			for ; i < n; i += 16 {
				s, err := try(e.Ctx())
				if err != nil {
					e.T.Error(err)
					return
				}
				all[i] = s
			}
		})
	}
	takers.Wait()
	if e.T.Failed() {
		e.T.FailNow()
	}
	return all
}
