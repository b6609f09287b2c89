package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// intrusion takes locks from their holders.
type intrusion struct {
	name  string
	do    func(e *env, other *holdfast.Mutex, s *holdfast.Session) error
	cause error
	left  bool // somebody has the lock afterwards
}

var intrusions = []intrusion{
	{"overwritten", func(e *env, other *holdfast.Mutex, _ *holdfast.Session) error {
		return e.direct.Set(e.ctx(), other.Name(), "stranger", time.Minute).Err()
	}, holdfast.ErrTaken, true},
	{"deleted", func(e *env, other *holdfast.Mutex, _ *holdfast.Session) error {
		return e.direct.Del(e.ctx(), other.Name()).Err()
	}, holdfast.ErrGone, false},
	{"flushed", func(e *env, _ *holdfast.Mutex, _ *holdfast.Session) error {
		return e.direct.FlushAll(e.ctx()).Err()
	}, holdfast.ErrGone, false},
	{"flushed and acquired", func(e *env, other *holdfast.Mutex, _ *holdfast.Session) error {
		if err := e.direct.Del(e.ctx(), other.Name(), auxOf(other.Name())).Err(); err != nil {
			return err
		}
		_, err := other.Acquire(context.Background())
		return err
	}, holdfast.ErrTaken, true},
	{"forced", func(e *env, other *holdfast.Mutex, _ *holdfast.Session) error {
		return other.ForceRelease(e.ctx())
	}, holdfast.ErrForceReleased, false},
	{"forced and acquired", func(e *env, other *holdfast.Mutex, _ *holdfast.Session) error {
		if err := other.ForceRelease(e.ctx()); err != nil {
			return err
		}
		_, err := other.Acquire(context.Background())
		return err
	}, holdfast.ErrForceReleased, true},
	{"resumed", func(e *env, other *holdfast.Mutex, s *holdfast.Session) error {
		_, err := other.Resume(context.Background(), s.Token())
		return err
	}, holdfast.ErrTaken, true},
}

// victim is a session whose lock is taken from it.
type victim struct {
	s     *holdfast.Session
	mu    *holdfast.Mutex // another Locker's
	ended <-chan time.Time
}

// TestOwnersNotYours: the session whose lock is another's ends at its next renewal, in
// whatever phase of its cycle that happens, and says why.
func TestOwnersNotYours(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		held, noise := 20, time.Duration(0)
		leases := map[time.Duration][]holdfast.Option{ // by the renewal interval
			150 * time.Millisecond: {holdfast.WithTTL(300 * time.Millisecond)},
			700 * time.Millisecond: {holdfast.WithTTL(10 * time.Second), holdfast.WithRenewInterval(700 * time.Millisecond)},
			5 * time.Second:        {holdfast.WithoutExpiry()},
		}
		if e.fake == nil {
			held, noise = 4, realNoise
			delete(leases, 5*time.Second)
			delete(leases, 700*time.Millisecond)
		}
		for interval, opts := range leases {
			locks, others := e.crowded(opts...), e.crowded(opts...)
			for _, in := range intrusions {
				var victims []*victim
				for i := range held {
					name := fmt.Sprint(in.name, interval, i)
					s := e.acquire(locks.Mutex(name))
					victims = append(victims, &victim{s, others.Mutex(name), endOf(s)})
					time.Sleep(interval / time.Duration(held))
				}
				time.Sleep(2*interval + 1234*time.Microsecond) // not when they are renewed
				for _, v := range victims {
					if err := v.s.Err(); err != nil {
						t.Fatalf("%s: before, %v", in.name, err)
					}
				}
				for _, v := range victims {
					if err := in.do(e, v.mu, v.s); err != nil {
						t.Fatalf("%s: %v", in.name, err)
					}
				}
				intruded := time.Now()
				for _, v := range victims {
					if late := (<-v.ended).Sub(intruded); late > interval+noise {
						t.Errorf("%s: the session ended %v later; its renewal interval is %v", in.name, late, interval)
					}
					if err := in.check(e, v); err != nil {
						t.Errorf("%s (interval %v): %v", in.name, interval, err)
					}
					_ = v.mu.ForceRelease(e.ctx()) // so that it is not renewed for the rest of the test
				}
			}
		}
	})
}

// check looks at the cause, and that releasing what was lost leaves the other's alone.
func (in intrusion) check(e *env, v *victim) error {
	cause := in.cause
	if in.name == "flushed and acquired" && errors.Is(v.s.Err(), holdfast.ErrGone) {
		cause = holdfast.ErrGone // a renewal came between the two
	}
	if err := v.s.Err(); !errors.Is(err, cause) || !errors.Is(err, holdfast.ErrLost) {
		return fmt.Errorf("the cause is %v", err)
	}
	if err := v.s.Release(e.ctx()); !errors.Is(err, cause) {
		return fmt.Errorf("Release returns %v", err)
	}
	locked, err := v.mu.Locked(e.ctx())
	if err != nil || locked != in.left {
		return fmt.Errorf("after the release: locked %v, %v", locked, err)
	}
	return nil
}

// TestOwnersExtendStays: renewals don't take back what Extend gave.
func TestOwnersExtendStays(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl, more = 300 * time.Millisecond, 3 * time.Second
		const rounding = 3 * time.Millisecond
		var slack time.Duration // of a busy machine: none on fake time
		if e.fake == nil {
			slack = 50 * time.Millisecond
		}
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("extended"))
		if err := s.Extend(e.ctx(), more); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var end, until time.Time // the latest seen
		for time.Since(start) < more {
			before := time.Now()
			left, err := e.direct.PTTL(e.ctx(), "extended").Result()
			if err != nil {
				t.Fatal(err)
			}
			if after := time.Now().Add(left + rounding); after.Before(end) {
				t.Fatalf("%v after Extend the key ends %v earlier than before", time.Since(start), end.Sub(after))
			}
			// What a renewal takes to arrive on a busy machine is lost: trust counts from its sending.
			if now := s.ValidUntil(); now.Before(until.Add(-rounding - slack)) {
				t.Fatalf("%v after Extend the lease is trusted for %v less than before", time.Since(start), until.Sub(now))
			}
			end, until = before.Add(left), s.ValidUntil()
			time.Sleep(20 * time.Millisecond)
		}
		if end.Sub(start) < more || s.Err() != nil {
			t.Errorf("the key ends %v after Extend; Err is %v", end.Sub(start), s.Err())
		}
	})
}
