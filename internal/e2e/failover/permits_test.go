package failover_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// permits returns what a server knows of the permits.
func permits(t *testing.T, s *redistest.Server) holdfast.Info {
	t.Helper()
	info, err := newMember(t, s.Addr()).Semaphore("lock", 2).Inspect(ctx(t))
	must(t, err)
	return info
}

// permit takes a permit of two, which must be free.
func permit(m *member) *holdfast.Session {
	m.t.Helper()
	s, err := m.Semaphore("lock", 2).TryAcquire(ctx(m.t))
	must(m.t, err)
	return s
}

// waitPermit waits for a permit of two.
func waitPermit(m *member) chan got {
	return start(func() (*holdfast.Session, error) { return m.Semaphore("lock", 2).Acquire(ctx(m.t)) })
}

// TestLostPermits: permits that the old master gave are missing at the new one, and their owner is cut off.
// They look free there, and are given to nobody before the grace is over.
func TestLostPermits(t *testing.T) {
	r := newRig(t)
	x, v := r.member(), r.member()
	v.try("other")
	r.hold()
	lost := permit(x)
	x.cutOff()
	r.promote()
	v.follow(r.b)
	began := time.Now()
	if s, err := v.Semaphore("lock", 2).TryAcquire(ctx(t)); !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Fatalf("TryAcquire: %v, %v", s, err)
	}
	only(t, waitPermit(v), began, grace, lost)
}

// TestGivingPermitsBack: in a history that is not settled, permits that are given back, or taken by an
// operator, are given to nobody who waits, and no token is taken up.
func TestGivingPermitsBack(t *testing.T) {
	for left, how := range []string{"forced", "released"} { // the latter leaves one that is held by its token
		t.Run(how, func(t *testing.T) {
			r := newRig(t)
			x, y := r.member(), r.member()
			s, kept := permit(x), permit(x)
			must(t, kept.Extend(ctx(t), time.Minute))
			token, err := kept.Detach(ctx(t))
			must(t, err)
			waits := waitPermit(y)
			locktest.Eventually(t, "it waits", func() bool { return permits(t, r.b).Waiters == 1 })
			r.hold()
			r.promote()
			y.follow(r.b)
			began := time.Now()
			resumed := start(func() (*holdfast.Session, error) { return y.Semaphore("lock", 2).Resume(ctx(t), token) })
			x.follow(r.b)
			heard(t, r.b, 2)
			if how == "released" {
				err = s.Release(ctx(t))
			} else {
				err = y.Semaphore("lock", 2).ForceRelease(ctx(t))
			}
			must(t, err)
			if n := permits(t, r.b).Permits; n != left {
				t.Errorf("%d are in use, not %d", n, left)
			}
			only(t, waits, began, grace)
			if g := <-resumed; g.err == nil && g.at.Sub(began) < grace {
				t.Errorf("the token was taken up after %v", g.at.Sub(began))
			}
		})
	}
}
