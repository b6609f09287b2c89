package permits

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestFreePermits: calls of one process have the permits that are free after a few round trips, and not one
// after another, also those that were given back at once while all of them waited.
func TestFreePermits(t *testing.T) {
	rig.OnFake(t, func(e *rig.Env) {
		const n, roundTrip = 50, 20 * time.Millisecond
		all, links := e.Listeners(2, holdfast.WithTTL(30*time.Second))
		links[0].Delay(roundTrip / 2)
		other := hold(e, all[1].Semaphore("a", n).TryAcquire, holdfast.WithWeight(n))
		sem := all[0].Semaphore("a", n)
		take := func(name string, limit time.Duration, between func()) {
			began := time.Now()
			var calls []*waiter
			for range n {
				calls = append(calls, begin(e.Ctx(), e, sem.Acquire, holdfast.WithWaitTimeout(limit)))
			}
			between()
			var sessions []*holdfast.Session
			for _, c := range calls {
				g := <-c.done
				if g.err != nil {
					e.T.Errorf("%s: after %v: %v", name, g.at.Sub(began), g.err)
					continue
				}
				sessions = append(sessions, g.Session)
			}
			release(e, sessions...)
		}
		take("given back", time.Second+15*roundTrip, func() {
			time.Sleep(time.Second)
			e.Must(other.Release(e.Ctx()))
		})
		time.Sleep(time.Minute)
		take("free", 15*roundTrip, func() {})
	})
}

// TestFreeInOrder: of the calls of one process that ask while permits are free, none has them before one that
// came first and wants more.
func TestFreeInOrder(t *testing.T) {
	rig.OnFake(t, func(e *rig.Env) {
		all, links := e.Listeners(1, holdfast.WithTTL(time.Minute))
		links[0].Delay(100 * time.Millisecond)
		for round := range 20 {
			readers := all[0].RWMutex(fmt.Sprint("writer ", round))
			permits := all[0].Semaphore(fmt.Sprint("heavier ", round), 3)
			for name, calls := range map[string][]acquire{
				"a writer":         {readers.RAcquire, readers.Acquire, readers.RAcquire},
				"a heavier waiter": {permits.Acquire, heavy(permits.Acquire), permits.Acquire},
			} {
				first := begin(e.Ctx(), e, calls[0])
				time.Sleep(10 * time.Millisecond)
				second := begin(e.Ctx(), e, calls[1])
				time.Sleep(150 * time.Millisecond)
				third := begin(e.Ctx(), e, calls[2])
				one := first.get()
				time.Sleep(time.Second)
				third.none("it has overtaken " + name)
				release(e, one.Session)
				two := second.get()
				release(e, two.Session)
				release(e, third.get().Session)
			}
		}
	})
}

// heavy is from for two permits.
func heavy(from acquire) acquire {
	return func(ctx context.Context, opts ...holdfast.Option) (*holdfast.Session, error) {
		return from(ctx, append(opts, holdfast.WithWeight(2))...)
	}
}

// TestFreeWaitTimeout: who may ask beside another, and has no answer, gives up when its time is over.
func TestFreeWaitTimeout(t *testing.T) {
	rig.OnFake(t, func(e *rig.Env) {
		const limit = 500 * time.Millisecond
		all, links := e.Listeners(1, holdfast.WithTTL(time.Minute))
		sem := all[0].Semaphore("a", 10)
		links[0].Delay(100 * time.Millisecond)
		release(e, hold(e, sem.TryAcquire)) // from now on there is a connection
		first := begin(e.Ctx(), e, sem.Acquire)
		var others []*waiter
		began := time.Now()
		for range 5 {
			time.Sleep(time.Millisecond)
			others = append(others, begin(e.Ctx(), e, sem.Acquire, holdfast.WithWaitTimeout(limit)))
		}
		one := first.get()
		links[0].HoldReplies()
		for i, w := range others {
			g := <-w.done
			if took := g.at.Sub(began); !errors.Is(g.err, holdfast.ErrWaitTimeout) || took > time.Second+limit || i > 0 && took > limit+10*time.Millisecond {
				e.T.Errorf("call %d: after %v: %v", i, took, g.err)
			}
		}
		links[0].Heal()
		time.Sleep(time.Minute)
		release(e, one.Session)
	})
}
