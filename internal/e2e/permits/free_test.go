package permits

import (
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
