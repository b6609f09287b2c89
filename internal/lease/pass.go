package lease

import (
	"time"
)

// Others of a process get their turn after so many passes, or so long. The number grows with the
// number of those who wait in the process, so that the waits differ little.
const (
	fewestPasses = 8
	passesEach   = 2
	passTime     = 10 * time.Millisecond
)

// Beside is what a process knows from its leases of the same name, those that hold permits beside one.
type Beside struct {
	Fence int64   // the largest of any session
	Clock Reading // of the newest grant
}

// Reading is what a grant said of the server's clock.
type Reading struct {
	fence int64 // the clock said no less; 0 if it is not known
	at    time.Duration
}

// Newer reports whether the grant was received after that of o.
func (r Reading) Newer(o Reading) bool { return r.at > o.at }

// least is what the clock says by now, in microseconds, or less: 2% of the time are taken off, since clocks
// run at different rates.
func (r Reading) least(now time.Duration) int64 {
	held := now - r.at
	return r.fence + (held - held/50).Microseconds()
}

// Reading is what the lease's grant said of the server's clock: nothing if its fence was ahead of that.
func (l *Lease) Reading() (r Reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.notPassable {
		r = Reading{l.grantFence, l.grantedAt}
	}
	return r
}

// Pass gives the lease of h, whose work has ended, to another call of this process and returns its
// Holder; nil if the lease may not be passed on. waiting is how many wait in the process.
//
// The new fence is the grant's plus the microseconds since the grant was received, less 2% since
// clocks run at different rates. So it is below what the server's clock says by then, hence below
// every later grant's. The longer ago the grant, the more are taken off: so that fences of those beside it do
// not overtake it, it goes by the newest grant of them. If they have used that up, too, the lease is not passed
// on.
func (l *Lease) Pass(h Holder, to Taker, waiting int, beside Beside) Holder {
	env, terms := l.lock.Env, to.Terms()
	now := env.Clock.Now()
	channel, epoch := env.Channel()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.mayStay(h, now), !l.passable(terms):
		return nil
	case l.terms.TurnEvery > 0 && now-l.grantedAt >= l.terms.TurnEvery:
		return nil // it is time to leave the lock to strangers
	case (l.others || channel == "" || epoch != l.epoch) &&
		(int(l.passes) >= max(fewestPasses, passesEach*waiting) || now-l.grantedAt >= passTime):
		return nil
	}
	clock := Reading{l.grantFence, l.grantedAt}.least(now)
	if beside.Clock.fence != 0 {
		clock = max(clock, beside.Clock.least(now))
	}
	if beside.Fence > l.fence && beside.Fence >= clock {
		return nil
	}
	l.passes++
	l.resting = false
	l.fence = max(l.fence+1, beside.Fence+1, clock)
	l.holder = to.Take(l, now, l.fence)
	l.bound()
	return l.holder
}

// mayStay reports whether the lease of h, whose work has ended, may be the next call's of this process without
// a request, be it at once or after a rest. Called with mu held.
func (l *Lease) mayStay(h Holder, now time.Duration) bool {
	switch {
	case l.holder != h, l.lost != nil, l.stopped, l.notPassable:
		return false
	case l.terms.Replicas > 0 && !l.replicated:
		return false
	}
	return l.trust.Passable(&l.terms.Terms, now)
}

// MayPass reports whether the lease may ever be passed to a call with these terms.
func (l *Lease) MayPass(terms *Terms) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost == nil && !l.stopped && l.passable(terms)
}

func (l *Lease) passable(terms *Terms) bool { return !l.notPassable && l.terms.Same(terms) }

// Passable reports whether nothing was done to the lease that would concern the Holders after h.
func (l *Lease) Passable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.notPassable
}

// KeepFrom sees to it that the lease is never passed on: what h does to it, or who may know its
// token, would concern the Holders after h. False if h does not hold the lease any more.
func (l *Lease) KeepFrom(h Holder) bool {
	l.mu.Lock()
	mine, was := l.holder == h, l.notPassable
	if mine {
		l.notPassable = true
	}
	l.mu.Unlock()
	if mine && !was {
		l.lock.Env.Events.NotPassable(l)
	}
	return mine
}

// Replicated notes that enough replicas have the lease: then it may be passed on.
func (l *Lease) Replicated() {
	l.mu.Lock()
	l.replicated = true
	l.mu.Unlock()
}

// Others notes whether others wait, as an answer said to a request that was made in that epoch of the
// subscription, when so many messages had said that others wait. If there was one since, they do.
func (l *Lease) Others(wait bool, epoch uint64, told uint32) {
	l.mu.Lock()
	l.others = wait || l.told != told
	if l.hasChannel.Load() {
		l.epoch = epoch
	}
	over := l.others && l.resting
	l.mu.Unlock()
	if over {
		l.lock.Env.Events.RestOver(l)
	}
}

// OthersWait notes that others wait, as a message said.
func (l *Lease) OthersWait() {
	l.mu.Lock()
	l.others = true
	l.told++
	l.mu.Unlock()
}
