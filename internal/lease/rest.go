package lease

import "time"

// A lease rests when the work of its Holder has ended and nobody waits for the lock: it is renewed on, and
// the next call of this process has it without a request. It is given back as soon as others ask for the
// lock, and so it rests only while Redis can tell us that they do.

// mayRest returns until when the lease of h, whose work has ended, may rest; 0 if it may not.
func (l *Lease) mayRest(h Holder, now time.Duration) (until time.Duration) {
	channel, epoch := l.lock.Env.Channel()
	terms := l.terms
	switch {
	case !l.mayStay(h, now):
		return 0
	case l.others, channel == "", epoch != l.epoch, !l.hasChannel.Load():
		return 0
	}
	until = now + terms.Linger
	if terms.TurnEvery > 0 { // then it is left to strangers
		until = min(until, l.grantedAt+terms.TurnEvery)
	}
	return until
}

// Rest lets the lease of h, whose work has ended, rest, and reports whether it may. rest makes the Holder
// that it has meanwhile, which gives the lease back when the maximum hold is over, at until.
func (l *Lease) Rest(h Holder, rest func(until time.Duration) Holder) bool {
	now := l.lock.Env.Clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.mayRest(h, now)
	if until <= now {
		return false
	}
	l.holder, l.resting = rest(until), true
	l.bound()
	return l.lock.Env.Sched.By(l, l.next())
}

// EndRest ends the lease's rest, and reports whether it rested: then it is the caller's to give back, and
// is passed to nobody.
func (l *Lease) EndRest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.resting || l.lost != nil || l.stopped {
		return false
	}
	l.stopped = true
	return true
}

// InUse reports whether a session holds the lease.
func (l *Lease) InUse() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.resting && l.kept()
}

// GivenBack reports whether the lease is on its way back.
func (l *Lease) GivenBack() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped && l.lost == nil
}
