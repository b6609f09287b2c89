package interop_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// The tests named TestInterop share locks with redis-py's own Lock, in a process of its
// own, on a real server.

// inspect demands what Inspect finds, its TTL up to the given one.
func (f foo) inspect(want holdfast.Info) {
	f.Helper()
	got, err := f.lock().Inspect(f.ctx())
	if err != nil || got.TTL > want.TTL || got.TTL < want.TTL*3/4 {
		f.Fatalf("Inspect = %+v, %v, want %+v", got, err, want)
	}
	if want.Fence != 0 { // which says since when
		want.Since, want.HeldFor = time.UnixMicro(want.Fence).UTC(), got.HeldFor
	}
	if got.TTL = want.TTL; got != want {
		f.Fatalf("Inspect = %+v, want %+v", got, want)
	}
}

// ended waits for the session to end, and demands why.
func (f foo) ended(s *holdfast.Session, cause error) {
	f.Helper()
	select {
	case <-s.Done():
		f.fails(s.Err(), cause)
	case <-time.After(20 * time.Second):
		f.Fatal("the session goes on")
	}
}

func TestInteropPythonHolds(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		lock := py.lock("foo", none)
		lock.acquire(0).is(t, true)
		f.is(lock.token())
		f.ttl(none)
		mu := f.lock()
		f.refused(mu)
		waiter := f.acquiring(mu)
		time.Sleep(300 * time.Millisecond)
		select {
		case got := <-waiter:
			f.Fatalf("acquired a lock that Python holds: %v, %v", got.Session, got.err)
		default:
		}
		lock.owned().is(t, true)
		lock.release().is(t, true)
		got := <-waiter
		f.ok(got.err)
		f.within(got.took, 300*time.Millisecond, 425*time.Millisecond)
		f.is(got.Token())
		lock.acquire(0).is(t, false)
		lock.owned().is(t, false)
		f.release(got.Session)
	})
}

// Python's holder does not come back: its timeout ends it.
func TestInteropPythonDies(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		const timeout = 400 * time.Millisecond
		lock := py.lock("foo", timeout)
		start := time.Now()
		lock.acquire(0).is(t, true)
		got := <-f.acquiring(f.lock(holdfast.WithRetryInterval(20 * time.Second)))
		f.ok(got.err)
		f.within(time.Since(start), timeout, timeout+20*time.Millisecond) // asked when the TTL was over
		lock.owned().is(t, false)
		lock.extend(time.Second, false).raises(t, "LockNotOwnedError")
		lock.reacquire().raises(t, "LockNotOwnedError")
		lock.release().raises(t, "LockNotOwnedError")
		f.is(got.Token())
		owned(f, got.Session, true)
	})
}

func TestInteropGoHolds(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		s := f.try(f.lock())
		lock := py.lock("foo", 10*time.Second)
		lock.locked().is(t, true)
		lock.owned().is(t, false)
		lock.acquire(0).is(t, false)
		lock.acquire(300*time.Millisecond).is(t, false)
		lock.release().raises(t, "LockError")
		f.is(s.Token())
		owned(f, s, true)
		f.release(s)
		lock.locked().is(t, false)
		lock.acquire(0).is(t, true)
		f.refused(f.lock())
		lock.release().is(t, true)

		s = f.try(f.lock())
		waiter := lock.acquiring(20 * time.Second)
		time.Sleep(200 * time.Millisecond)
		select {
		case a := <-waiter:
			f.Fatalf("Python acquired a lock that Go holds: %+v", a)
		default:
		}
		f.release(s)
		(<-waiter).is(t, true)
		f.is(lock.token())
		f.inspect(holdfast.Info{Held: true, Stranger: true, TTL: 10 * time.Second})
	})
}

// Whoever gets the lock that a dead holder leaves, Go's session was over before.
func TestInteropGoDies(t *testing.T) {
	t.Parallel()
	const ttl = 500 * time.Millisecond
	check := func(f foo, py *peer, s *holdfast.Session) {
		f.Helper()
		start := time.Now()
		lock := py.lock("foo", none)
		a := lock.acquire(20 * time.Second)
		err := s.Err()
		a.is(f.T, true)
		f.fails(err, holdfast.ErrExpired)
		f.within(time.Since(start), ttl/4, 2*ttl)
		f.is(lock.token())
	}
	t.Run("unrenewed", func(t *testing.T) {
		withPeer(t, func(f foo, py *peer) {
			py.lock("other", none).locked().is(t, false) // Python is up
			s := f.try(f.lock(holdfast.WithTTL(ttl), holdfast.WithoutRenewal()))
			check(f, py, s)
			holder, _ := f.Direct.Get(f.ctx(), "foo").Result()
			f.fails(s.Release(f.ctx()), holdfast.ErrLost)
			f.is(holder)
		})
	})
	t.Run("cutOff", func(t *testing.T) {
		withPeer(t, func(f foo, py *peer) {
			l, link := f.Linked(holdfast.WithTTL(ttl))
			s := f.try(l.Mutex("foo"))
			time.Sleep(2 * ttl) // kept by renewals
			owned(f, s, true)
			link.Cut()
			check(f, py, s)
			holder, _ := f.Direct.Get(f.ctx(), "foo").Result()
			link.Heal() // and now the renewals arrive
			f.fails(s.Release(f.ctx()), holdfast.ErrLost)
			f.is(holder)
			f.ttl(none)
		})
	})
}

// A Go session whose key was deleted, and taken by Python, ends at its next renewal.
func TestInteropTaken(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		lock := py.lock("foo", time.Minute) // the renewal that finds it comes after 3 s
		// No renewal comes between the two below: none is due soon, and a Locker that listens already
		// need not announce the lock.
		const ttl = 6 * time.Second
		lockers, _ := f.Listeners(1, holdfast.WithTTL(ttl))
		s := f.try(lockers[0].Mutex(f.name))
		start := time.Now()
		f.drop()
		lock.acquire(0).is(t, true)
		f.ended(s, holdfast.ErrTaken)
		f.within(time.Since(start), 0, ttl/2)
		f.fails(s.Check(f.ctx()), holdfast.ErrTaken)
		for name, change := range changes {
			f.Log(name)
			f.fails(change(s, f.ctx()), holdfast.ErrTaken)
		}
		f.fails(s.Release(f.ctx()), holdfast.ErrTaken)
		f.is(lock.token())
		f.ttl(time.Minute)
		lock.owned().is(t, true)
		lock.release().is(t, true)
		f.is("")
	})
}

func TestInteropForceRelease(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		f.release(f.try(f.lock())) // Holdfast has been here
		lock := py.lock("foo", 10*time.Second)
		lock.acquire(0).is(t, true)
		f.inspect(holdfast.Info{Held: true, Stranger: true, TTL: 10 * time.Second})
		f.ok(f.lock().ForceRelease(f.ctx()))
		f.is("")
		f.inspect(holdfast.Info{})
		lock.owned().is(t, false)
		s := f.try(f.lock())
		lock.extend(time.Second, false).raises(t, "LockNotOwnedError")
		lock.release().raises(t, "LockNotOwnedError")
		f.is(s.Token())
		f.release(s)

		forever := py.lock("foo", none)
		forever.acquire(0).is(t, true)
		f.inspect(holdfast.Info{Held: true, Stranger: true, NoExpiry: true})
		f.ok(f.lock().ForceRelease(f.ctx()))
		forever.release().raises(t, "LockNotOwnedError")
	})
}
