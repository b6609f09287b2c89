package queue

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
)

// rests takes locks of this process whose leases rest then, and counts those that are given back.
func (r *rig) rest(names ...string) (returned *atomic.Int32) {
	returned = new(atomic.Int32)
	r.qs.Return = func(*lease.Lease) { returned.Add(1) }
	for _, name := range names {
		s := r.leased(name)
		s.lease.Terms().Linger = time.Minute
		if !r.qs.Rest(s.lease, s) {
			r.t.Fatalf("%s does not rest", name)
		}
	}
	return returned
}

// TestPokeEndsRests: when the subscription begins to work, or has ended, nothing rests any more; a poke for
// one lock changes nothing.
func TestPokeEndsRests(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		returned := r.rest("a", "b", "c")
		r.qs.Poke("a")
		synctest.Wait()
		if n := returned.Load(); n != 0 || r.qs.rests.n != 3 {
			t.Errorf("%d are given back, %d rest", n, r.qs.rests.n)
		}
		r.qs.Poke("")
		synctest.Wait()
		if n := returned.Load(); n != 3 || r.qs.rests != (rests{}) {
			t.Errorf("%d are given back, %d rest", n, r.qs.rests.n)
		}
	})
}

// TestRestsList: whatever ends a rest, the list of those that rest is right.
func TestRestsList(t *testing.T) {
	for name, end := range map[string]func(r *rig, l *lease.Lease){
		"had":         func(r *rig, l *lease.Lease) { r.qs.wakeFor(&r.call("b").Waiter) },
		"others wait": func(r *rig, l *lease.Lease) { r.qs.Message("w b") },
		"tried":       func(r *rig, l *lease.Lease) { r.qs.Message("t 0123 holdfast:2:w:x b") },
		"lost":        func(r *rig, l *lease.Lease) { _ = l.Lose(lease.ErrGone) },
		"over":        func(r *rig, l *lease.Lease) { time.Sleep(time.Minute); l.Look() },
		"refused": func(r *rig, l *lease.Lease) {
			c := r.call("b")
			c.terms.TTL++
			r.qs.wakeFor(&c.Waiter)
		},
	} {
		for range 2 { // what was ended once is not ended again
			alone(t, func(t *testing.T, r *rig) {
				r.rest("a", "b", "c")
				l := r.qs.of["b"].lease
				end(r, l)
				end(r, l)
				r.qs.RestOver(l)
				synctest.Wait()
				if rs := r.qs.rests; rs.n != 2 || rs.first.lease.Name() != "a" || rs.first.next != rs.last || rs.last.lease.Name() != "c" || rs.last.prev != rs.first {
					t.Errorf("%s: %d rest", name, rs.n)
				}
			})
		}
	}
}
