// Package trust decides until when a lease is believed and when it is renewed. It only
// calculates: no I/O, no mutex, no clock. Times are readings of the caller's clock.
//
// A lease is believed from the moment at which its request was sent, since the server's clock
// started on the TTL later than that, and up to a margin before the TTL ends. So the holder stops
// before the key can expire, whatever became of the answer.
package trust

import (
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/scripts"
)

// Forever is later than any time of the clock.
const Forever = clock.Forever

// MaxDuration bounds every duration that is accepted, so that no sum of two overflows.
const MaxDuration = 100 * 365 * 24 * time.Hour

const (
	// ClaimTTL is what a waiter is granted the lock for until it has confirmed the grant, and what
	// a lock without expiry is first taken for.
	ClaimTTL = scripts.Claim
	// MinGap is the least time in which it makes sense to try a renewal.
	MinGap = 10 * time.Millisecond

	// idleCheck is how often a session without expiry asks whether it is still the holder.
	idleCheck = 5 * time.Second
	// fewestTries to renew fit between the first renewal and the end of the lease, the first
	// included.
	fewestTries = 2
)

// Terms are for how long a lease is taken and how often it is renewed.
type Terms struct {
	TTL       time.Duration
	NoExpiry  bool          // the key has no TTL, and TTL does not count
	Interval  time.Duration // from one renewal to the next; 0 is half the TTL
	NoRenewal bool
	Longest   time.Duration // for how long a lease is believed at most, whatever its key's TTL; 0: that
}

// margin is how much earlier than Redis a lease is held to end: 2% since clocks run at different
// rates (quartz differs by 0.01%; the rest allows for a server's clock that is slewed or stepped a
// little) and 20 ms for a timer that fires late.
func margin(ttl time.Duration) time.Duration { return ttl/50 + 20*time.Millisecond }

// Trusted is how long a TTL is believed, counted from when its request was sent.
func Trusted(ttl time.Duration) time.Duration { return ttl - margin(ttl) }

// Believed is the part of a key's TTL (negative: no expiry) for which a lease is believed.
func (t *Terms) Believed(ttl time.Duration) time.Duration {
	if t.Longest > 0 && (ttl < 0 || ttl > t.Longest) {
		return t.Longest
	}
	return ttl
}

// NearlyOver reports whether too little of a lease is left to begin work under it. It is
// confirmed first.
func NearlyOver(left, ttl time.Duration) bool { return left <= 0 || left < Trusted(ttl)/5 }

// Every is the time from one renewal to the next.
func (t *Terms) Every() time.Duration {
	switch {
	case t.Interval != 0:
		return t.Interval
	case t.NoExpiry:
		return idleCheck
	default:
		return t.TTL / 2
	}
}

// retryEvery is the time from one try of a renewal to the next: a quarter of the time that the
// lease leaves after the first.
func (t *Terms) retryEvery() time.Duration {
	if t.NoExpiry {
		return t.Every()
	}
	return min(max((Trusted(t.TTL)-t.Every())/4, MinGap), 5*time.Second)
}

// Claim is the TTL that a waiter is granted the lock for.
func (t *Terms) Claim() time.Duration {
	if t.NoExpiry {
		return ClaimTTL
	}
	return min(t.TTL, ClaimTTL)
}

// Validate refuses a TTL that does not outlast its margin, and an interval that leaves room for
// too few tries to renew.
func (t *Terms) Validate() error {
	if t.Interval != 0 && t.Interval < time.Millisecond {
		return fmt.Errorf("renew interval %v is under 1ms", t.Interval)
	}
	if t.NoExpiry {
		return nil
	}
	if err := t.Fits(t.TTL); err != nil {
		return err
	}
	if t.NoRenewal {
		return nil
	}
	if most := Trusted(t.TTL) - fewestTries*MinGap; t.Every() > most {
		return fmt.Errorf("renew interval %v leaves fewer than %d tries in a TTL of %v: %v at most",
			t.Every(), fewestTries, t.TTL, most)
	}
	return nil
}

// Fits refuses a TTL that is too short to hold a session for.
func (t *Terms) Fits(ttl time.Duration) error {
	switch {
	case ttl < time.Millisecond:
		return fmt.Errorf("TTL %v is under 1ms", ttl)
	case ttl > MaxDuration:
		return fmt.Errorf("TTL %v is over %v", ttl, MaxDuration)
	}
	need := MinGap
	if !t.NoRenewal {
		need = 2 * fewestTries * MinGap // half of it goes by before the first renewal
	}
	if Trusted(ttl) < need {
		return fmt.Errorf("TTL %v less its safety margin of %v leaves %v, and a session needs %v",
			ttl, margin(ttl), Trusted(ttl), need)
	}
	return nil
}
