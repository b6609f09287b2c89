package interop_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// ten is a lock with the timeout that redis-py's tests have.
func (f foo) ten(opts ...holdfast.Option) *holdfast.Session {
	f.Helper()
	s := f.try(f.lock(append(opts, holdfast.WithTTL(10*time.Second))...))
	f.ttl(10 * time.Second)
	return s
}

func (f foo) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// trusts demands that the session counts on a TTL, less its margin.
func (f foo) trusts(s *holdfast.Session, ttl time.Duration) {
	f.Helper()
	left := time.Until(s.ValidUntil())
	if left >= ttl || left < ttl*7/10 {
		f.Fatalf("the session is valid for %v of a TTL of %v", left, ttl)
	}
	if s.Err() != nil {
		f.Fatal(s.Err())
	}
}

// changes are what extend, extend with replace_ttl and reacquire are here.
var changes = map[string]func(*holdfast.Session, context.Context) error{
	"Extend":    func(s *holdfast.Session, ctx context.Context) error { return s.Extend(ctx, 10*time.Second) },
	"SetTTL":    func(s *holdfast.Session, ctx context.Context) error { return s.SetTTL(ctx, 10*time.Second) },
	"Reacquire": func(s *holdfast.Session, ctx context.Context) error { return s.Reacquire(ctx) },
}

func TestRedisPyExtendLock(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.ten()
		f.trusts(s, 10*time.Second)
		f.ok(s.Extend(f.ctx(), 10*time.Second))
		f.ttl(20 * time.Second)
		f.trusts(s, 20*time.Second)
		if f.Fake != nil { // renewals, due each 5 s, do not take it back
			time.Sleep(6 * time.Second)
			f.ttlLess(14*time.Second, time.Millisecond) // what the renewal rounds down there
			f.trusts(s, 14*time.Second)
			f.ok(s.Extend(f.ctx(), time.Second))
			f.ttlLess(15*time.Second, 2*time.Millisecond)
		}
		f.release(s)
		f.is("")
	})
}

func TestRedisPyExtendLockReplaceTTL(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.ten()
		for _, d := range []time.Duration{10 * time.Second, 40 * time.Second, 20 * time.Second} {
			f.ok(s.SetTTL(f.ctx(), d))
			f.ttl(d)
			f.trusts(s, d)
		}
		f.ok(s.SetTTL(f.ctx(), 4*time.Second))
		f.ttl(4 * time.Second)
		f.trusts(s, 4*time.Second)
		if f.Fake != nil { // less than the timeout: restored half-way
			time.Sleep(1900 * time.Millisecond)
			f.ttl(2100 * time.Millisecond)
			time.Sleep(100 * time.Millisecond)
			f.trusts(s, 10*time.Second)
			f.ttlLess(10*time.Second, 100*time.Millisecond)
		}
		f.release(s)
		f.is("")
	})
}

func TestRedisPyExtendLockFloat(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.ten()
		f.ok(s.Extend(f.ctx(), 2500*time.Millisecond))
		f.ttl(12500 * time.Millisecond)
		f.ok(s.Extend(f.ctx(), 1999*time.Microsecond))
		f.ttl(12501 * time.Millisecond)
		f.ok(s.SetTTL(f.ctx(), 9*time.Second+500999*time.Microsecond))
		f.ttl(9500 * time.Millisecond)
		f.release(s)
	})
}

// Without renewal, extend is what keeps a lock, and no longer than it says.
func TestRedisPyExtendKeeps(t *testing.T) {
	eachFoo(t, func(f foo) {
		ttl := f.Short(400 * time.Millisecond)
		start := time.Now()
		s := f.try(f.lock(holdfast.WithTTL(ttl), holdfast.WithoutRenewal()))
		f.ok(s.Extend(f.ctx(), ttl))
		<-s.Done()
		f.within(time.Since(start), ttl, 2*ttl-time.Millisecond)
		f.fails(s.Err(), holdfast.ErrExpired)
		f.acquire(f.lock())
		f.within(time.Since(start), 2*ttl-20*time.Millisecond, 2*ttl+10*time.Millisecond)
	})
}

func TestRedisPyReacquireLock(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.ten(holdfast.WithoutRenewal())
		f.ok(f.Direct.PExpire(f.ctx(), f.name, 5*time.Second).Err())
		f.ttl(5 * time.Second)
		f.ok(s.Reacquire(f.ctx()))
		f.ttl(10 * time.Second)
		f.trusts(s, 10*time.Second)
		f.ok(s.Extend(f.ctx(), 10*time.Second))
		f.ttl(20 * time.Second)
		f.ok(s.Reacquire(f.ctx())) // the configured timeout, and not the extended one
		f.ttl(10 * time.Second)
		f.trusts(s, 10*time.Second)
		f.release(s)
		f.is("")
	})
}

// The counterparts of test_extending_unlocked_lock_raises_error and
// test_reacquiring_unlocked_lock_raises_error: a session that is over.
func TestRedisPyExtendingUnlockedLock(t *testing.T) {
	eachFoo(t, func(f foo) {
		released := f.ten()
		f.release(released)
		detached := f.ten()
		token, err := detached.Detach(f.ctx())
		f.ok(err)
		f.ok(f.Direct.PExpire(f.ctx(), f.name, 5*time.Second).Err())
		for name, change := range changes {
			f.Log(name)
			f.fails(change(released, f.ctx()), holdfast.ErrReleased)
			f.fails(change(detached, f.ctx()), holdfast.ErrDetached)
			f.is(token)
			f.ttl(5 * time.Second)
		}
		f.drop()
		_, err = f.lock().Resume(f.ctx(), token) // a lock that is free is nobody's to extend
		f.fails(err, holdfast.ErrGone)
		f.is("")
	})
}

// With test_reacquiring_lock_with_no_timeout_raises_error, and its context-manager form.
func TestRedisPyExtendingLockWithNoTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		mu := f.lock(holdfast.WithoutExpiry())
		err := mu.Do(f.ctx(), func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			for name, change := range changes {
				f.Log(name)
				err := change(s, ctx)
				f.fails(err, holdfast.ErrNoExpiry)
				if errors.Is(err, holdfast.ErrLost) {
					f.Error(err)
				}
				f.is(s.Token())
				f.ttl(none)
				owned(f, s, true)
				if until := s.ValidUntil(); !until.IsZero() {
					f.Fatalf("what was refused put an end to the session, at %v", until)
				}
			}
			return ctx.Err()
		})
		f.ok(err)
		f.is("")
	})
}

// A lock with a timeout that somebody persisted: for redis-py's extend it is "no longer
// owned", and its reacquire gives it its timeout back.
func TestRedisPyExtendingPersistedLock(t *testing.T) {
	t.Parallel()
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			eachFoo(t, func(f foo) {
				s := f.ten()
				f.ok(f.Direct.Persist(f.ctx(), f.name).Err())
				f.fails(change(s, f.ctx()), holdfast.ErrNoExpiry)
				f.is(s.Token())
				f.ttl(none)
				owned(f, s, true)
				f.release(s)
				f.is("")
			})
		})
	}
}

// With test_reacquiring_lock_no_longer_owned_raises_error.
func TestRedisPyExtendingLockNoLongerOwned(t *testing.T) {
	t.Parallel()
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			eachFoo(t, func(f foo) {
				s := f.ten()
				f.take("a")
				f.fails(change(s, f.ctx()), holdfast.ErrTaken)
				f.is("a")
				f.ttl(none)
				<-s.Done()
				f.fails(s.Err(), holdfast.ErrTaken)
				f.fails(change(s, f.ctx()), holdfast.ErrLost) // over for good
				f.fails(s.Release(f.ctx()), holdfast.ErrTaken)
				f.is("a")
				f.drop()

				s = f.ten()
				f.drop()
				f.fails(change(s, f.ctx()), holdfast.ErrGone)
				f.is("") // nothing brought it back
				<-s.Done()
			})
		})
	}
}

// There is no unlocked lock to release: what comes next to it is a session that was
// released, whose second Release must not take the next holder's lock, and the release
// function of a Lock that failed (TestRedisPyContextManagerRaises...).
func TestRedisPyReleasingUnlockedLock(t *testing.T) {
	eachFoo(t, func(f foo) {
		same := holdfast.WithToken("same")
		s := f.try(f.lock(same))
		f.release(s)
		f.is("")
		f.ok(s.Release(f.ctx())) // redis-py raises; it was given back, so no error
		next := f.try(f.lock(same))
		f.ok(s.Release(f.ctx()))
		f.is("same")
		owned(f, next, true)
	})
}

func TestRedisPyReleasingLockNoLongerOwned(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock())
		f.take("a")
		for range 2 { // the second finds it over, and says the same
			err := s.Release(f.ctx())
			f.fails(err, holdfast.ErrTaken)
			f.fails(err, holdfast.ErrLost)
			f.is("a")
			<-s.Done()
		}
		f.drop()
		s = f.try(f.lock())
		f.drop()
		err := s.Release(f.ctx())
		f.fails(err, holdfast.ErrGone)
		f.fails(err, holdfast.ErrLost)
		if errors.Is(err, holdfast.ErrTaken) {
			f.Error(err)
		}
	})
}

// The counterpart of
// test_context_manager_reacquiring_lock_no_longer_owned_raises_error.
func TestRedisPyContextManagerNoLongerOwned(t *testing.T) {
	eachFoo(t, func(f foo) {
		oops := errors.New("oops")
		for _, result := range []error{nil, oops} {
			err := f.lock().Do(f.ctx(), func(ctx context.Context) error {
				f.take("a")
				return result
			})
			f.fails(err, holdfast.ErrTaken)
			if !errors.Is(err, result) && result != nil {
				f.Errorf("Do = %v, without fn's %v", err, result)
			}
			f.is("a")
			f.drop()
		}
		ctx, release := f.lock().Lock(f.ctx())
		f.ok(ctx.Err())
		f.take("a")
		release()
		f.is("a")
	})
}
