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

// Pass gives the lease of h, whose work has ended, to another call of this process and returns its
// Holder; nil if the lease may not be passed on. waiting is how many wait in the process, and fence the
// largest of those that have permits beside it.
//
// The new fence is the grant's plus the microseconds since the grant was received, less 2% since
// clocks run at different rates. So it is below what the server's clock says by then, hence below
// every later grant's. If those beside it have used it up, the lease is not passed on.
func (l *Lease) Pass(h Holder, to Taker, waiting int, fence int64) Holder {
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
	held := now - l.grantedAt
	clock := l.grantFence + (held - held/50).Microseconds()
	if fence > l.fence && fence >= clock {
		return nil
	}
	l.passes++
	l.resting = false
	l.fence = max(l.fence+1, fence+1, clock)
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

// Others notes whether others wait, as an answer said to a request that was sent in that epoch of
// the subscription.
func (l *Lease) Others(wait bool, epoch uint64) {
	l.mu.Lock()
	l.others = wait
	if l.hasChannel.Load() {
		l.epoch = epoch
	}
	over := wait && l.resting
	l.mu.Unlock()
	if over {
		l.lock.Env.Events.RestOver(l)
	}
}

// OthersWait notes that others wait, as a message said.
func (l *Lease) OthersWait() {
	l.mu.Lock()
	l.others = true
	l.mu.Unlock()
}
