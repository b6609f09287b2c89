package holdfast

import (
	"context"
	"time"
)

// Observer has functions that a Locker calls when something happens to its locks: see
// [WithObserver]. Any of them may be nil. They are called in the goroutine in which the event
// happens, often the one that serves all leases, so they must be quick and must not block.
// Several may run at once: Renewed may be called before Acquired of the same session. They are
// given no token. A session that came just when its call had to fail is reported by Released
// or Lost, without Acquired.
type Observer struct {
	// Acquired: a session began, waited after the call. ctx is the session's.
	Acquired func(ctx context.Context, name string, how Acquisition, waited time.Duration)
	// NotAcquired: the call failed, for example with TryAcquire's [ErrHeld]. ctx is the call's.
	NotAcquired func(ctx context.Context, name string, err error, waited time.Duration)
	// Renewed: Redis confirmed a renewal when margin was left of the time for which the lease
	// was trusted. A margin that shrinks shows trouble before a session is lost. Not called for
	// a lock without expiry.
	Renewed func(name string, margin time.Duration)
	// NotRenewed: a renewal failed, with margin left for further tries.
	NotRenewed func(name string, err error, margin time.Duration)
	// Lost: a session ended with an [ErrLost], held after it began. ctx is the session's, done.
	Lost func(ctx context.Context, name string, cause error, held time.Duration)
	// Released: a session gave its lock back, or passed it on within the process, held after
	// it began. ctx is the session's, done.
	Released func(ctx context.Context, name string, passed bool, held time.Duration)
	// HistoryChanged: with [WithFailoverGrace], Redis goes on from other data than before, after a crash,
	// a restart or a failover, and gives no lock for so long. Only that of [New] is called.
	HistoryChanged func(grace time.Duration)
	// Sent: a round trip to Redis that served so many locks has ended.
	Sent func(what Traffic, locks int, took time.Duration)
}

// Acquisition is how a session got its lock.
type Acquisition string

// How a session can get its lock.
const (
	Asked   Acquisition = "asked"   // Redis gave it in answer to a request
	Granted Acquisition = "granted" // the script that released it gave it to this waiter
	Passed  Acquisition = "passed"  // a session of the same process passed it on
	Resumed Acquisition = "resumed" // Resume took it by its token
)

// Traffic is what a round trip was for.
type Traffic string

// What round trips are for.
const (
	Calls    Traffic = "calls"    // requests of callers
	Renewals Traffic = "renewals" // renewals of leases
)

// WithObserver makes o's functions be called when something happens to the locks. Default:
// none. Given to [New] it observes all locks of a Locker; only that observer's Sent is called,
// since locks share round trips.
func WithObserver(o *Observer) Option { return func(c *config) { c.observer = o } }

// The functions below are called with o nil where nobody observes.

func (o *Observer) acquired(s *Session, c *call) {
	if o != nil && o.Acquired != nil {
		o.Acquired(&s.ctx, c.m.lock.Name, Acquisition(c.How), c.m.l.engine.Clock.Now()-c.began)
	}
}

func (o *Observer) notAcquired(c *call, err error) {
	if o != nil && o.NotAcquired != nil {
		o.NotAcquired(c.parent, c.m.lock.Name, err, c.m.l.engine.Clock.Now()-c.began)
	}
}

func (o *Observer) renewed(name string, margin time.Duration) {
	if o != nil && o.Renewed != nil {
		o.Renewed(name, margin)
	}
}

func (o *Observer) notRenewed(name string, err error, margin time.Duration) {
	if o != nil && o.NotRenewed != nil {
		o.NotRenewed(name, err, margin)
	}
}

func (o *Observer) lost(s *Session, cause error) {
	if o != nil && o.Lost != nil {
		o.Lost(&s.ctx, s.m.lock.Name, cause, s.held())
	}
}

func (o *Observer) released(s *Session, passed bool) {
	if o != nil && o.Released != nil {
		o.Released(&s.ctx, s.m.lock.Name, passed, s.held())
	}
}

func (o *Observer) historyChanged(grace time.Duration) {
	if o != nil && o.HistoryChanged != nil {
		o.HistoryChanged(grace)
	}
}

func (o *Observer) sent(what Traffic, locks int, took time.Duration) {
	if o != nil && o.Sent != nil {
		o.Sent(what, locks, took)
	}
}
