package permits

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestPassingLeaksNothing: sessions that pass permits to a waiter whose answer is just under way leave none
// in Redis, and no session is lost.
func TestPassingLeaksNothing(t *testing.T) {
	onReal(t, func(e *rig.Env) {
		var lost atomic.Int32
		sem := e.Locker(holdfast.WithTTL(time.Minute), holdfast.WithObserver(&holdfast.Observer{
			Lost: func(context.Context, string, error, time.Duration) { lost.Add(1) },
		})).Semaphore("x", 3)
		for range redistest.Rounds(e.T, 30, 3) {
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() {
					for range 100 {
						s, err := sem.Acquire(e.Ctx())
						if err != nil {
							e.T.Error(err)
							return
						}
						if i%2 == 0 {
							time.Sleep(50 * time.Microsecond)
						}
						if err := s.Release(e.Ctx()); err != nil {
							e.T.Error(err)
						}
					}
				})
			}
			all.Wait()
			// The last attempt may be granted permits while it is taken back.
			locktest.Eventually(e.T, "nothing is in use, long before a lease ends", func() bool {
				holders, err := sem.Holders(e.Ctx())
				return err == nil && len(holders) == 0
			})
			if e.T.Failed() {
				return
			}
		}
		if n := lost.Load(); n != 0 {
			e.T.Errorf("%d sessions were lost", n)
		}
	})
}

// passAround has n goroutines pass permits among themselves, until stop.
func passAround(e *rig.Env, sem *holdfast.Semaphore, n int) (stop func()) {
	var over atomic.Bool
	var busy sync.WaitGroup
	for range n {
		busy.Go(func() {
			for !over.Load() {
				s, err := sem.Acquire(e.Ctx())
				if err != nil {
					e.T.Error(err)
					return
				}
				time.Sleep(2 * time.Millisecond)
				e.Must(s.Release(e.Ctx()))
			}
		})
	}
	return func() {
		over.Store(true)
		busy.Wait()
	}
}

const passTime = 20 * time.Millisecond // longer than permits are passed on while others wait

// servedSoon gives back a session, and fails the test unless w has permits soon after.
func servedSoon(e *rig.Env, s *holdfast.Session, w *waiter) {
	e.T.Helper()
	began := time.Now()
	release(e, s)
	s = w.get().Session
	within(e, "the wait", time.Since(began)-passTime)
	release(e, s)
}

// TestOthersWait: who waits for permits that the goroutines of another process pass among themselves gets
// some within a few round trips, and not only when they are renewed.
func TestOthersWait(t *testing.T) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rig.Each(t, func(e *rig.Env) {
				all, _ := e.Listeners(2, holdfast.WithTTL(30*time.Second))
				stop := passAround(e, all[0].Semaphore("x", n), 4*n)
				time.Sleep(100 * time.Millisecond)
				for range 3 {
					began := time.Now()
					s := hold(e, all[1].Semaphore("x", n).Acquire)
					within(e, "the wait", time.Since(began)-passTime)
					release(e, s)
				}
				stop()
			})
		})
	}
}

// TestOthersWaitSoon: likewise if it comes just after a waiter of the holder's own process, for which the
// holders of other processes were told.
func TestOthersWaitSoon(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2, holdfast.WithTTL(30*time.Second))
		here, there := all[0].Semaphore("x", 1), all[1].Semaphore("x", 1)
		s := hold(e, here.TryAcquire)
		stop := passAround(e, here, 4)
		time.Sleep(3 * time.Millisecond)
		servedSoon(e, s, wait(e, there.Acquire))
		stop()
	})
}

// TestOthersWaitMeanwhile: likewise if the holder was given its permits just after the holders were told of
// others, and when nobody waited.
func TestOthersWaitMeanwhile(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(4, holdfast.WithTTL(30*time.Second))
		sem := func(i int) *holdfast.Semaphore { return all[i].Semaphore("x", 2) }
		long, s := hold(e, sem(0).TryAcquire), hold(e, sem(1).TryAcquire)
		w := begin(e.Ctx(), e, sem(2).Acquire)
		time.Sleep(time.Millisecond)
		release(e, s)
		release(e, w.get().Session)
		s = hold(e, sem(3).TryAcquire)
		w = begin(e.Ctx(), e, sem(1).Acquire)
		time.Sleep(time.Millisecond)
		stop := passAround(e, sem(3), 4)
		servedSoon(e, s, w)
		release(e, long)
		stop()
	})
}

// TestOthersWaitClockBack: likewise when the server's clock has been set back since they were told last.
func TestOthersWaitClockBack(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2, holdfast.WithTTL(30*time.Second))
		here, there := all[0].Semaphore("x", 1), all[1].Semaphore("x", 1)
		s := hold(e, here.TryAcquire)
		const at, size = 61, 15 // see lib_permits.lua
		sum := e.Direct.HGet(e.Ctx(), "x", "=").Val()
		ahead := fmt.Sprintf("%0*d", size, time.Now().Add(time.Hour).UnixMilli())
		e.Must(e.Direct.HSet(e.Ctx(), "x", "=", sum[:at]+ahead+sum[at+size:]).Err())
		stop := passAround(e, here, 4)
		servedSoon(e, s, wait(e, there.Acquire))
		stop()
	})
}

// TestPlaceIsKept: a waiter that is passed a permit leaves the place in Redis's queue to the next one of its
// process.
func TestPlaceIsKept(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2)
		here, there := all[0].Semaphore("x", 1), all[1].Semaphore("x", 1)
		s := hold(e, here.TryAcquire)
		first, second := wait(e, here.Acquire), wait(e, here.Acquire)
		release(e, s)
		s = first.get().Session
		last := wait(e, there.Acquire)
		time.Sleep(50 * time.Millisecond) // longer than it is passed on while others wait
		release(e, s)
		s = second.get().Session
		last.none("it has overtaken one that came earlier")
		release(e, s)
		release(e, last.get().Session)
	})
}

// TestNotPassedToAnother: permits are not passed to a waiter of the same process that wants another number of
// them, or gives another limit.
func TestNotPassedToAnother(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(1) // who does not listen passes little on
		l := all[0]
		kept := hold(e, e.Locker().Semaphore("x", 5).TryAcquire, holdfast.WithWeight(3))
		s := hold(e, l.Semaphore("x", 5).TryAcquire)
		fewer := wait(e, l.Semaphore("x", 2).Acquire)
		release(e, s)
		time.Sleep(soon(e))
		fewer.none("3 are in use, and it may have some of 2")
		release(e, kept)
		release(e, fewer.get().Session)

		kept, s = hold(e, l.Semaphore("x", 3).TryAcquire, holdfast.WithWeight(2)), hold(e, l.Semaphore("x", 3).TryAcquire)
		heavy := wait(e, l.Semaphore("x", 3).Acquire, holdfast.WithWeight(2))
		release(e, s)
		time.Sleep(soon(e))
		heavy.none("there is one, and it wants two")
		release(e, kept)
		release(e, heavy.get().Session)
	})
}

// TestFencesGrow: no two sessions of a process have one fence, and a session's is larger than those of the
// sessions that had ended when it was asked for; of one permit, in whichever process.
func TestFencesGrow(t *testing.T) {
	for n, processes := range map[int]int{1: 2, 8: 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rig.Each(t, func(e *rig.Env) {
				f := fences{seen: map[int64]bool{}}
				var all sync.WaitGroup
				for range processes {
					sem := e.Locker().Semaphore("x", n)
					for i := range 3 * n {
						all.Go(func() {
							time.Sleep(time.Duration(i%min(n, 4)) * 100 * time.Microsecond)
							for range 100 / n {
								f.take(e, sem.Acquire, f.last())
							}
						})
					}
				}
				all.Wait()
			})
		})
	}
}

// TestWritersFence: a writer's fence is larger than that of every session before it.
func TestWritersFence(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		var f fences
		var all sync.WaitGroup
		for range 3 {
			m := e.Locker().RWMutex("x")
			for i := range 4 {
				all.Go(func() {
					for range 10 {
						if i == 0 {
							f.take(e, m.Acquire, -1)
						} else {
							f.take(e, m.RAcquire, 0)
						}
					}
				})
			}
		}
		all.Wait()
	})
}

// fences are those of sessions.
type fences struct {
	mu   sync.Mutex
	seen map[int64]bool // nil if some may be the same
	most int64          // of the sessions that have ended
}

func (f *fences) last() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// take takes a permit once. Its fence must be larger than before; -1: than all of sessions that have ended.
func (f *fences) take(e *rig.Env, from acquire, before int64) {
	s, err := from(e.Ctx())
	if err != nil {
		e.T.Error(err)
		return
	}
	f.mu.Lock()
	if before < 0 {
		before = f.most
	}
	fence := s.Fence()
	if fence <= before || f.seen[fence] {
		e.T.Errorf("the fence %d follows %d; another session has it: %v", fence, before, f.seen[fence])
	}
	if f.seen != nil {
		f.seen[fence] = true
	}
	f.most = max(f.most, fence) // it is over as far as any that is not beside it can tell
	f.mu.Unlock()
	if err := s.Release(e.Ctx()); err != nil {
		e.T.Error(err)
	}
}
