package failover_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// TestExtendedOwner: a session is believed for no longer than the TTL without an answer, whatever its
// key's TTL is: nobody else knows of that once it is lost.
func TestExtendedOwner(t *testing.T) {
	for name, extend := range map[string]func(*rig, *holdfast.Session) error{
		"Extend": func(r *rig, s *holdfast.Session) error { return s.Extend(ctx(r.t), time.Hour) },
		"SetTTL": func(r *rig, s *holdfast.Session) error { return s.SetTTL(ctx(r.t), time.Hour) },
		"PERSIST": func(r *rig, _ *holdfast.Session) error {
			return r.a.Client().Persist(ctx(r.t), "lock").Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			x, v := r.member(), r.member()
			v.try("other")
			r.hold()
			held := x.try("lock")
			must(t, extend(r, held))
			time.Sleep(ttl) // it is renewed meanwhile
			must(t, held.Err())
			if left := time.Until(held.ValidUntil()); left > ttl {
				t.Errorf("it is believed for another %v", left)
			}
			x.cutOff()
			r.promote()
			v.follow(r.b)
			began := time.Now()
			only(t, v.wait("lock"), began, grace, held)
		})
	}
}

// TestHeldOn: who holds a lock that the new master knows of goes on, and is renewed there.
func TestHeldOn(t *testing.T) {
	renewed := make(chan struct{}, 1000)
	r := newRig(t)
	x := r.member(holdfast.WithObserver(&holdfast.Observer{Renewed: func(string, time.Duration) {
		select {
		case renewed <- struct{}{}:
		default:
		}
	}}))
	held := x.try("lock")
	there(t, r.b, "lock")
	locktest.Answering(t, r.a.Client(), 1)
	r.promote()
	x.follow(r.b)
	r.a.Kill()
	for len(renewed) > 0 {
		<-renewed
	}
	for range 4 { // for two TTLs
		<-renewed
		must(t, held.Check(ctx(t)))
	}
	must(t, held.Release(ctx(t)))
}
