package permits

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestResume: permits are taken up by their token, and then SetTTL and Extend work; but not as another number
// of them, of another limit, or as a writer's instead of a reader's.
func TestResume(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		a, b := e.Locker(), e.Locker()
		sem, m := b.Semaphore("s", 3), b.RWMutex("rw")
		s, reader := hold(e, a.Semaphore("s", 3).Acquire), hold(e, a.RWMutex("rw").RAcquire)
		for range 3 {
			e.Must(s.SetTTL(e.Ctx(), 5*time.Second))
		}
		token, err := s.Detach(e.Ctx())
		e.Must(err)
		of, err := reader.Detach(e.Ctx())
		e.Must(err)
		for what, resume := range map[string]func() (*holdfast.Session, error){
			"two":      func() (*holdfast.Session, error) { return sem.Resume(e.Ctx(), token, holdfast.WithWeight(2)) },
			"of two":   func() (*holdfast.Session, error) { return b.Semaphore("s", 2).Resume(e.Ctx(), token) },
			"a writer": func() (*holdfast.Session, error) { return m.Resume(e.Ctx(), of) },
		} {
			if s, err := resume(); !errors.Is(err, holdfast.ErrTaken) {
				e.T.Errorf("%s: %v, %v", what, s, err)
			}
		}
		heir, err := sem.Resume(e.Ctx(), token)
		e.Must(err)
		if heir.Fence() <= s.Fence() {
			e.T.Errorf("the fence %d follows %d", heir.Fence(), s.Fence())
		}
		e.Must(heir.SetTTL(e.Ctx(), 9*time.Second))
		e.Must(heir.Extend(e.Ctx(), 9*time.Second))
		reader, err = m.RResume(e.Ctx(), of)
		e.Must(err)
		refused(e, m.TryAcquire)
		release(e, heir, reader, hold(e, sem.TryAcquire, holdfast.WithWeight(2)))
	})
}

// TestResumeTakesOver: whose permits another takes up loses them, is told so at once, and gives back nothing.
func TestResumeTakesOver(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2)
		sem := all[1].Semaphore("x", 2)
		s := hold(e, all[0].Semaphore("x", 2).Acquire)
		heir, err := sem.Resume(e.Ctx(), s.Token())
		e.Must(err)
		ended(e, s, holdfast.ErrTaken)
		_ = s.Release(e.Ctx())
		used(e, sem, 1, 2)
		release(e, heir)
		used(e, sem, 0, 0)
	})
}

// TestMinHold: permits that a minimum hold keeps are nobody's until it is over, and then the next one has
// them at once.
func TestMinHold(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		const least = 600 * time.Millisecond
		all, _ := e.Listeners(2)
		sem := all[0].Semaphore("x", 2)
		other := hold(e, sem.TryAcquire)
		began := time.Now()
		s := hold(e, sem.TryAcquire, holdfast.WithMinHold(least))
		since := time.Now()
		next := wait(e, all[1].Semaphore("x", 2).Acquire)
		release(e, s)
		used(e, sem, 2, 2)
		holders, err := sem.Holders(e.Ctx())
		if err != nil || len(holders) != 2 || holders[0].Kept || !holders[1].Kept || holders[1].Fence != s.Fence() {
			e.T.Errorf("%+v, %v", holders, err)
		}
		g := next.get()
		if took := g.at.Sub(began); took < least {
			e.T.Errorf("the next one had the permit after %v", took)
		}
		if late := g.at.Sub(since.Add(least)); late > min(soon(e), least/2) {
			e.T.Errorf("the next one had the permit %v after the minimum hold", late)
		}
		release(e, other, g.Session)
	})
}

// TestDead: the permits of one whose process has died are free when its lease has ended, though others hold
// some.
func TestDead(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		const ttl = 2 * time.Second
		l, link := e.Linked()
		sem := e.Locker().Semaphore("x", 2)
		alive := hold(e, sem.TryAcquire)
		dead := hold(e, l.Semaphore("x", 2).TryAcquire, holdfast.WithTTL(ttl))
		link.Cut()
		began := time.Now()
		g := wait(e, sem.Acquire, holdfast.WithWaitTimeout(3*ttl)).get()
		if took := g.at.Sub(began); took < ttl/2 || took > ttl+soon(e) || dead.Err() == nil {
			e.T.Errorf("the next one had the permit after %v, when the other's session was %v", took, dead.Err())
		}
		link.Heal()
		e.Must(alive.Check(e.Ctx()))
		used(e, sem, 2, 2)
		release(e, alive, g.Session)
	})
}

// TestLateRenewal: a renewal that arrives after the end of the lease does not renew it, though others still
// hold permits.
func TestLateRenewal(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		const ttl = 2 * time.Second
		l, link := e.Linked()
		sem := e.Locker().Semaphore("x", 2)
		alive := hold(e, sem.TryAcquire)
		late := hold(e, l.Semaphore("x", 2).TryAcquire, holdfast.WithTTL(ttl))
		time.Sleep(ttl / 2) // it was renewed, so the server knows the script
		link.HoldRequests()
		<-late.Done()
		time.Sleep(ttl / 2)
		link.Heal()
		time.Sleep(ttl / 4)
		used(e, sem, 1, 2)
		release(e, alive)
	})
}

// TestLateAttempt: a request for permits that arrives after its call has given up gets none.
func TestLateAttempt(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		l, link := e.Linked()
		sem, other := l.Semaphore("x", 2), e.Locker().Semaphore("x", 2)
		release(e, hold(e, sem.Acquire))
		ctx, cancel := context.WithCancel(e.Ctx())
		defer cancel()
		link.Delay(time.Second) // of the request, and not of what takes it back
		w := waitIn(ctx, e, sem.Acquire)
		link.Delay(0)
		cancel()
		if g := <-w.done; g.err == nil {
			e.T.Fatal("it got permits without an answer")
		}
		time.Sleep(time.Second + soon(e))
		used(e, other, 0, 0)
	})
}

// TestKeyLasts: the key lasts as long as the last of its holders, and no longer.
func TestKeyLasts(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		sem := e.Locker(holdfast.WithoutRenewal()).Semaphore("x", 4)
		lasts := func(ttl time.Duration) {
			e.T.Helper()
			if left := e.Direct.PTTL(e.Ctx(), "x").Val(); left > ttl || left < ttl-5*time.Second {
				e.T.Errorf("the key ends in %v, its last holder in %v", left, ttl)
			}
		}
		short := hold(e, sem.TryAcquire, holdfast.WithTTL(20*time.Second))
		lasts(20 * time.Second)
		long := hold(e, sem.TryAcquire, holdfast.WithTTL(time.Hour))
		lasts(time.Hour)
		between := hold(e, sem.TryAcquire, holdfast.WithTTL(10*time.Minute))
		lasts(time.Hour)
		e.Must(long.SetTTL(e.Ctx(), time.Minute))
		lasts(10 * time.Minute)
		e.Must(between.Extend(e.Ctx(), 10*time.Minute))
		lasts(20 * time.Minute)
		ever := hold(e, e.Locker().Semaphore("x", 4).TryAcquire, holdfast.WithoutExpiry())
		if left := e.Direct.PTTL(e.Ctx(), "x").Val(); left >= 0 {
			e.T.Errorf("the key of a holder without expiry ends in %v", left)
		}
		release(e, ever)
		lasts(20 * time.Minute)
		release(e, short, long, between)
		if n := e.Direct.Exists(e.Ctx(), "x").Val(); n != 0 {
			e.T.Error("the key is left behind")
		}
	})
}
