package failover_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestLostAcquire: what the old master acknowledged is missing at the new one, and its owner is cut off.
func TestLostAcquire(t *testing.T) {
	r := newRig(t)
	x, v := r.member(), r.member()
	v.try("other")
	r.hold()
	lost := x.try("lock")
	x.cutOff()
	r.promote()
	v.follow(r.b)
	began := time.Now()
	v.refused("lock")
	only(t, v.wait("lock"), began, grace, lost)
}

// TestLostResume: a token stands at the new master, but its lease was taken up, released and acquired by
// another at the old one.
func TestLostResume(t *testing.T) {
	r := newRig(t)
	first, second, y := r.member(), r.member(), r.member()
	s := first.try("lock")
	must(t, s.Extend(ctx(t), time.Minute)) // so that it stands there for longer than the grace
	token, err := s.Detach(ctx(t))
	must(t, err)
	r.hold()
	s, err = first.Mutex("lock").Resume(ctx(t), token)
	must(t, err)
	must(t, s.Release(ctx(t)))
	lost := y.try("lock")
	y.cutOff()
	r.promote()
	second.follow(r.b)
	began := time.Now()
	only(t, start(func() (*holdfast.Session, error) { return second.Mutex("lock").Resume(ctx(t), token) }), began, grace, lost)
}

// TestYours: an attempt was granted the lock, and was not told. The new master says so, when the lock
// was another's long since.
func TestYours(t *testing.T) {
	r := newRig(t)
	v, y := r.member(), r.member()
	link := r.a.Proxy(t)
	v.turn(link.Addr())
	v.try("other")
	link.HoldReplies()
	waits := v.wait("lock")
	there(t, r.a, "lock")
	admin := r.a.Client()
	must(t, admin.PExpire(ctx(t), "lock", time.Minute).Err()) // so that it stands at B for longer than the grace
	r.hold()
	must(t, admin.Del(ctx(t), "lock").Err()) // as if its TTL had run out here, where the clock is ahead
	lost := y.try("lock")
	y.cutOff()
	r.promote()
	began := time.Now()
	v.follow(r.b)
	only(t, waits, began, grace, lost)
}

// TestLateRelease: a release that is sent again finds the lock at the new master, where it is released
// for the first time: nobody is given it.
func TestLateRelease(t *testing.T) {
	r := newRig(t)
	x, y, v := r.member(), r.member(), r.member()
	link := r.a.Proxy(t)
	x.turn(link.Addr())
	must(t, x.try("other").Release(ctx(t))) // the server knows the script
	released := x.try("lock")
	must(t, r.a.Client().PExpire(ctx(t), "lock", time.Minute).Err())
	r.hold()
	link.HoldReplies()
	done := make(chan error, 1)
	go func() { done <- released.Release(ctx(t)) }()
	lost := (<-start(func() (*holdfast.Session, error) { return y.Mutex("lock").Acquire(ctx(t)) })).Session
	y.cutOff()
	x.cutOff()
	r.promote()
	began := time.Now()
	v.follow(r.b)
	waits := v.wait("lock")
	queued(t, r.b, "lock", 1)
	x.follow(r.b)
	must(t, <-done)
	if n := r.b.Client().Exists(ctx(t), "lock").Val(); n != 0 {
		t.Error("the lock is still there")
	}
	only(t, waits, began, grace, lost)
}

// TestRelease: in a history that is not settled a release returns nil, and gives the lock to nobody, not
// even to the one that comes with it.
func TestRelease(t *testing.T) {
	for name, others := range map[string]bool{"heir first": false, "another first": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if admin := r.a.Client(); !redistest.KnowsChannels(t, admin) {
				redistest.Lacks(t, admin, "rights to channels")
			}
			for _, s := range []*redistest.Server{r.a, r.b} {
				// Without messages nobody knows whether others wait, and so the lock does not stay in its
				// holder's process.
				must(t, s.Client().Do(ctx(t), "acl", "setuser", "default", "resetchannels").Err())
			}
			x, v := r.member(), r.member()
			held, waits := x.try("lock"), make(chan got)
			if others {
				waits = v.wait("lock")
				queued(t, r.a, "lock", 1)
			}
			heir := x.wait("lock")
			there(t, r.b, "lock")
			time.Sleep(100 * time.Millisecond) // it waits, and the lock was held for a while
			r.promote()
			began := time.Now()
			x.follow(r.b)
			v.follow(r.b)
			must(t, held.Check(ctx(t)))
			must(t, held.Release(ctx(t)))
			if n := r.b.Client().Exists(ctx(t), "lock").Val(); n != 0 {
				t.Error("the lock is still there")
			}
			if others {
				s := only(t, waits, began, grace)
				none(t, heir)
				must(t, s.Release(ctx(t)))
			}
			only(t, heir, began, grace)
		})
	}
}

// TestForce: in a history that is not settled a forced release gives the lock to nobody.
func TestForce(t *testing.T) {
	r := newRig(t)
	x, y, v := r.member(), r.member(), r.member()
	old := x.try("lock")
	must(t, old.Extend(ctx(t), time.Minute))
	waits := v.wait("lock")
	queued(t, r.a, "lock", 1)
	r.hold()
	v.cutOff()
	must(t, old.Release(ctx(t)))
	lost := only(t, y.wait("lock"), time.Now(), 0)
	y.cutOff()
	r.promote()
	began := time.Now()
	v.follow(r.b)
	x.follow(r.b)
	heard(t, r.b, 2)
	must(t, x.Mutex("lock").ForceRelease(ctx(t)))
	if n := r.b.Client().Exists(ctx(t), "lock").Val(); n != 0 {
		t.Error("the lock is still there")
	}
	only(t, waits, began, grace, lost)
}
