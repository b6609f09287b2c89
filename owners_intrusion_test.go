package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
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
	intrusion
	s     *holdfast.Session
	mu    *holdfast.Mutex // another Locker's
	ended <-chan time.Time
}

// TestOwnersNotYours: the session whose lock is another's ends at its next renewal, in
// whatever phase of its cycle that happens, and says why.
func TestOwnersNotYours(t *testing.T) {
	eachSteady(t, onRealCrowd, realNoise, func(e *env, pace time.Duration) error {
		if e.fake == nil {
			interval := pace * 450 * time.Millisecond
			var some []intrusion // at the same time
			for _, in := range intrusions {
				if in.name == "flushed" { // it would hit all the others too
					if err := e.intrude([]intrusion{in}, 4, interval, realNoise*pace, holdfast.WithTTL(2*interval)); err != nil {
						return err
					}
				} else {
					some = append(some, in)
				}
			}
			return e.intrude(some, 4, interval, realNoise*pace, holdfast.WithTTL(2*interval))
		}
		held := redistest.Rounds(e.t, 20, 2)
		for interval, opts := range map[time.Duration][]holdfast.Option{
			150 * time.Millisecond: {holdfast.WithTTL(300 * time.Millisecond)},
			700 * time.Millisecond: {holdfast.WithTTL(10 * time.Second), holdfast.WithRenewInterval(700 * time.Millisecond)},
			5 * time.Second:        {holdfast.WithoutExpiry()},
		} {
			for _, in := range intrusions {
				if err := e.intrude([]intrusion{in}, held, interval, 0, opts...); err != nil {
					return fmt.Errorf("interval %v: %w", interval, err)
				}
			}
		}
		return nil
	})
}

// intrude has intrusions befall so many sessions each, in different phases of their renewal
// interval, and returns what went wrong.
func (e *env) intrude(intrusions []intrusion, held int, interval, noise time.Duration, opts ...holdfast.Option) error {
	locks, others := e.crowded(opts...), e.crowded(opts...)
	var victims []*victim
	for i := range held {
		for _, in := range intrusions {
			name := fmt.Sprint(in.name, interval, i)
			s := e.acquire(locks.Mutex(name))
			victims = append(victims, &victim{in, s, others.Mutex(name), endOf(s)})
		}
		time.Sleep(interval / time.Duration(held))
	}
	time.Sleep(2*interval + 1234*time.Microsecond) // not when they are renewed
	for _, v := range victims {
		if err := v.s.Err(); err != nil {
			return fmt.Errorf("%s: before, %w", v.name, err)
		}
	}
	for _, v := range victims {
		if err := v.do(e, v.mu, v.s); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	intruded := time.Now()
	var wrong []error
	for _, v := range victims {
		if late := (<-v.ended).Sub(intruded); late > interval+noise {
			wrong = append(wrong, fmt.Errorf("%s: the session ended %v later; its renewal interval is %v", v.name, late, interval))
		}
		if err := v.check(e); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", v.name, err))
		}
		_ = v.mu.ForceRelease(e.ctx()) // so that it is not renewed for the rest of the test
	}
	return errors.Join(wrong...)
}

// check looks at the cause, and that releasing what was lost leaves the other's alone.
func (v *victim) check(e *env) error {
	cause := v.cause
	if v.name == "flushed and acquired" && errors.Is(v.s.Err(), holdfast.ErrGone) {
		cause = holdfast.ErrGone // a renewal came between the two
	}
	if err := v.s.Err(); !errors.Is(err, cause) || !errors.Is(err, holdfast.ErrLost) {
		return fmt.Errorf("the cause is %v", err)
	}
	if err := v.s.Release(e.ctx()); !errors.Is(err, cause) {
		return fmt.Errorf("Release returns %v", err)
	}
	locked, err := v.mu.Locked(e.ctx())
	if err != nil || locked != v.left {
		return fmt.Errorf("after the release: locked %v, %v", locked, err)
	}
	return nil
}

// TestOwnersExtendStays: renewals don't take back what Extend gave.
func TestOwnersExtendStays(t *testing.T) {
	eachSteady(t, onRealSteady, realNoise, func(e *env, pace time.Duration) error {
		ttl, more := pace*e.short(300*time.Millisecond), pace*e.short(3*time.Second)
		const rounding = 3 * time.Millisecond
		var slack time.Duration // of a busy machine: none on fake time
		if e.fake == nil {
			slack = pace * 50 * time.Millisecond
		}
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("extended"))
		if err := s.Extend(e.ctx(), more); err != nil {
			return err
		}
		start := time.Now()
		var end, until time.Time // the latest seen
		for time.Since(start) < more {
			before := time.Now()
			left, err := e.direct.PTTL(e.ctx(), "extended").Result()
			if err != nil {
				return err
			}
			if after := time.Now().Add(left + rounding); after.Before(end) {
				return fmt.Errorf("%v after Extend the key ends %v earlier than before", time.Since(start), end.Sub(after))
			}
			// What a renewal takes to arrive on a busy machine is lost: trust counts from its sending.
			if now := s.ValidUntil(); now.Before(until.Add(-rounding - slack)) {
				return fmt.Errorf("%v after Extend the lease is trusted for %v less than before", time.Since(start), until.Sub(now))
			}
			end, until = before.Add(left), s.ValidUntil()
			time.Sleep(20 * time.Millisecond)
		}
		if end.Sub(start) < more || s.Err() != nil {
			return fmt.Errorf("the key ends %v after Extend; Err is %v", end.Sub(start), s.Err())
		}
		return nil
	})
}
