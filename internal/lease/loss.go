package lease

import (
	"fmt"
	"time"
)

// shortSleep is what may be the noise of two clocks: too little to be named as the cause.
const shortSleep = 50 * time.Millisecond

// Look ends the Holder if its time is up. It is called whenever somebody looks at the context, and
// costs a reading of the clock, which it returns.
func (l *Lease) Look() (now time.Duration) {
	now = l.lock.Env.Clock.Now()
	l.LookAt(now)
	return now
}

// LookAt is Look for those who have read the clock for several leases.
func (l *Lease) LookAt(now time.Duration) {
	if int64(now) < l.until.Load() {
		return
	}
	l.mu.Lock()
	now = l.lock.Env.Clock.Now()
	h := l.holder
	switch {
	case l.lost != nil:
		lost := l.lost
		l.mu.Unlock()
		h.End(lost) // whoever found the loss may not have ended the Holder yet
	case l.stopped:
		l.mu.Unlock()
	case now >= l.trust.Until():
		cause := l.expired(now)
		l.mu.Unlock()
		_ = l.Lose(cause)
	case now >= h.Until():
		l.mu.Unlock()
		h.EndMaxHold()
	default:
		l.mu.Unlock()
	}
}

// expired says why the lease could not be kept. Called with mu held.
func (l *Lease) expired(now time.Duration) error {
	if slept := l.lock.Env.Clock.Asleep() - l.slept; slept > shortSleep && now-slept < l.trust.Until() {
		return fmt.Errorf("%w for %v", ErrSuspended, slept.Round(time.Millisecond))
	}
	if l.failure != nil {
		return fmt.Errorf("%w (last renewal: %w)", ErrExpired, l.failure)
	}
	return ErrExpired
}

// Lose ends the Holder of a lease that is known not to be ours, or can't be believed to be, and
// returns the first reason given.
func (l *Lease) Lose(cause error) error {
	l.mu.Lock()
	if l.stopped { // on its way back already: what is found there is no loss
		l.mu.Unlock()
		return cause
	}
	first, h := l.lost == nil, l.holder
	if first {
		l.lost = h.Named(cause)
	}
	cause = l.lost
	l.mu.Unlock()
	h.End(cause) // not only the first time: the caller relies on it, and the first may not be there yet
	if first {
		l.lock.Env.Sched.Remove(l)
		l.lock.Env.Events.Dropped(l)
		h.Lost(cause)
	}
	return cause
}

// End ends the Holder with a cause that is not a loss, unless its time was up before.
func (l *Lease) End(cause error) {
	if h := l.Holder(); !h.Ended() {
		l.Look()
		h.End(cause)
	}
}
