package trust

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
)

// Lease is what is known of one lease's time. The zero value is believed at no time. It is not
// safe for concurrent use.
type Lease struct {
	until   time.Duration // the lease is believed before this time
	renewAt time.Duration
	asked   time.Duration // when the last renewal was sent; 0 if it was answered, or failed
	keepAt  time.Duration // when a renewal keeps the lock's aux key from expiring
	claim   bool          // the server gave less than the full TTL, and it was not renewed yet

	// The requests that set the TTL are numbered. Redis may run them late and out of order. One
	// that adds time does no harm late; one that shortens does. While a request that may shorten
	// is unanswered, the requests after it carry their number, Redis refuses smaller numbers from
	// then on, and nothing raises until before such a number is confirmed.
	last     uint32 // the number of the last request
	answered uint32 // the largest number whose answer counted
	shorten  uint32 // the number of the last request that may shorten
}

const (
	// keepEvery is how often a renewal keeps the lock's aux key from expiring. That key lives a
	// day longer than the lock.
	keepEvery = time.Hour
	// claimGrace is how soon a claim is renewed to the full TTL.
	claimGrace = 50 * time.Millisecond
)

// A renewal interval is divided into so many slots, and renewals are sent at their borders:
// together they cost less than one by one, and so do retries after an outage. With few leases
// the wake-ups cost most, so there are fewer slots.
const (
	slots    = 16
	fewSlots = 4
)

// Pace says how a Locker spreads its renewals.
type Pace struct {
	Few    bool          // one round trip renews all leases, so there is nothing to spread
	Offset time.Duration // of the slots, so that Lockers don't renew at the same time
}

// Granted is the lease that the server gave, with ttl left (negative: no expiry), in answer to a
// request sent at sent.
func Granted(t *Terms, p Pace, sent, now, ttl time.Duration) Lease {
	l := Lease{keepAt: sent + keepEvery, claim: !t.NoExpiry && ttl >= 0 && ttl < t.TTL}
	if l.claim && t.TTL > keepEvery {
		l.keepAt = sent // the claim kept the aux key for less than that and a day
	}
	l.confirm(t, p, sent, now, ttl)
	return l
}

// confirm counts the TTL that the server gave in answer to a request sent at sent.
func (l *Lease) confirm(t *Terms, p Pace, sent, now, ttl time.Duration) {
	ttl = t.Believed(ttl)
	if ttl < 0 {
		l.until = Forever
	} else {
		l.until = sent + Trusted(ttl)
	}
	l.renewAt = Forever
	switch {
	case l.claim:
		// A claim is much shorter than the TTL: it is renewed soon, unless it was given back
		// before.
		l.renewAt = now + claimGrace
	case !t.NoRenewal:
		// The first time up to a quarter of it early, so that many leases that began together
		// are not all renewed together.
		every := t.Every()
		if l.last == 0 && !p.Few {
			every -= rand.N(max(every/4, 1))
		}
		l.renewAt = p.slot(t, sent, every)
	}
	l.limit(t, now)
}

// slot returns the last border of slots before the time d after from. With a short d the slots
// are halved until one is at most d/2.
func (p Pace) slot(t *Terms, from, d time.Duration) time.Duration {
	slot := t.Every() / slots
	if p.Few {
		slot = t.Every() / fewSlots
	}
	for slot > d/2 {
		slot /= 2
	}
	at := from + d
	if slot > 0 {
		at -= (at + p.Offset) % slot
	}
	return at
}

// limit plans the renewal early enough for a TTL that was set short: with as much time left for
// further tries as otherwise, or with half of what is left.
func (l *Lease) limit(t *Terms, now time.Duration) {
	if l.renewAt != Forever && l.until != Forever {
		tries := Trusted(t.TTL) - t.Every()
		l.renewAt = min(l.renewAt, max(l.until-tries, now+(l.until-now)/2))
	}
}

// Until is the time before which the lease is believed.
func (l *Lease) Until() time.Duration { return l.until }

// Next is when something is due: a renewal, or the end.
func (l *Lease) Next() time.Duration { return min(l.renewAt, l.until) }

// Due reports whether it is time to renew.
func (l *Lease) Due(now time.Duration) bool { return now >= l.renewAt }

// Expect numbers a request that is about to be sent at sent, to give the lock the TTL ttl or,
// unless replace, to add that to it. If the request may shorten the lease, the lease is shorter
// from here on: the request may run, and its answer may not come.
func (l *Lease) Expect(t *Terms, sent, ttl time.Duration, replace bool) (number uint32) {
	l.last++
	if replace {
		l.shorten = l.last
		l.until = min(l.until, sent+Trusted(ttl))
		l.limit(t, sent)
	}
	return l.last
}

// Number numbers a request that only adds time. 0 means that Redis need not know the number.
func (l *Lease) Number() uint32 {
	l.last++
	if l.Shortening() {
		return l.last
	}
	return 0
}

// Shortening reports whether a request that may shorten the lease is unanswered.
func (l *Lease) Shortening() bool { return l.shorten > l.answered }

// Answered counts the server's answer to the request of that number, sent at sent, and reports
// whether it counted. One that a later request overtook does not count.
func (l *Lease) Answered(t *Terms, p Pace, number uint32, sent, now, ttl time.Duration) bool {
	if number <= l.answered || number < l.shorten {
		return false
	}
	l.answered, l.claim = number, false
	l.confirm(t, p, sent, now, ttl)
	return true
}

// Replied notes that the last renewal is not waited for any more.
func (l *Lease) Replied() { l.asked = 0 }

// Latest reports whether no request was sent after the one of that number, and Overtaken whether
// the answer to a later one has counted.
func (l *Lease) Latest(number uint32) bool    { return number == l.last }
func (l *Lease) Overtaken(number uint32) bool { return number <= l.answered }

// Lacking is how much of the full TTL a claim lacks.
func (l *Lease) Lacking(t *Terms) time.Duration {
	if !l.claim {
		return 0
	}
	return t.TTL - t.Claim()
}

// Passable reports whether enough of the lease is left, and certain, to pass it on.
func (l *Lease) Passable(t *Terms, now time.Duration) bool {
	return !l.Shortening() && l.until-now >= Trusted(t.Claim())/2
}

// Renewal is what to ask of Redis when it is time.
type Renewal struct {
	Sent, Bound time.Duration // when it is sent, and for how long its answer can be of use
	Number      uint32        // 0: nothing is renewed, only a loss counts
	Numbered    bool          // Redis has to know the number
	Keep        bool          // the aux key, too
	Again       bool          // the renewal before has no answer
	Silent      time.Duration // for so long
}

// Renew returns the renewal that is due, and plans the next try in case that it fails: a renewal
// without an answer does not delay those after it. patience is how long an answer of the server
// is usually waited for.
func (l *Lease) Renew(t *Terms, p Pace, now, patience time.Duration) Renewal {
	l.last++
	r := Renewal{Sent: now, Number: l.last, Numbered: l.Shortening(), Bound: l.until - now, Keep: now >= l.keepAt}
	l.renewAt = p.slot(t, now, backoff.Jitter(l.retry(t, now, patience)))
	if l.asked != 0 {
		r.Again, r.Silent = true, now-l.asked // its connection may be dead, and others, too
	}
	l.asked = now
	if r.Keep {
		l.keepAt = now + keepEvery
	}
	if t.NoExpiry {
		r.Bound = t.Every()
	}
	if t.NoRenewal && !l.claim { // asked for another reason
		l.renewAt, r.Number = Forever, 0
	}
	return r
}

// retry returns how long to wait until a renewal that is sent now is tried again. What is left of
// a claim, or of a TTL that was set short, leaves less time for tries. The second try, by another
// connection, comes earlier, unless the server is slow: a connection that was cut off without a
// word must cost little of the lease.
func (l *Lease) retry(t *Terms, now, patience time.Duration) time.Duration {
	d := min(t.retryEvery(), max((l.until-now)/4, MinGap))
	if l.asked == 0 {
		d = min(d, max(d/2, patience))
	}
	return d
}
