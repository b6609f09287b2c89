package holdfast

import (
	"context"
	"time"
)

// Observer is told what a Locker's locks go through: see [WithObserver]. Any function may be
// nil. They are called from the goroutine in which it happens, often the one that looks after
// all leases, so they must be quick and must not block, and several may run at once: a lease
// may be Renewed before its session is Acquired. No token is among what they are told.
// Released and Lost are told, too, of a session that came just when its call had to fail, and
// of which Acquired is not.
type Observer struct {
	// Acquired: a session began, waited after the call. ctx is the session's.
	Acquired func(ctx context.Context, name string, how Acquisition, waited time.Duration)
	// NotAcquired: the call failed. TryAcquire's [ErrHeld] is one way to. ctx is the call's.
	NotAcquired func(ctx context.Context, name string, err error, waited time.Duration)
	// Renewed: Redis confirmed the lease when margin of it was left; a margin that shrinks
	// tells of trouble before a session is lost. Not called for a lock without expiry.
	Renewed func(name string, margin time.Duration)
	// NotRenewed: a renewal failed, with margin left for further tries.
	NotRenewed func(name string, err error, margin time.Duration)
	// Lost: a session ended with an [ErrLost], held after it began. ctx is the session's, done.
	Lost func(ctx context.Context, name string, cause error, held time.Duration)
	// Released: a session gave its lock back, or passed it on within the process, held after
	// it began. ctx is the session's, done.
	Released func(ctx context.Context, name string, passed bool, held time.Duration)
	// Sent: a round trip to Redis, for so many locks, has ended.
	Sent func(what Traffic, locks int, took time.Duration)
}

// Acquisition is how a session came by its lock.
type Acquisition string

// The ways to a lock.
const (
	Asked   Acquisition = "asked"   // Redis gave it in answer to a request
	Granted Acquisition = "granted" // its holder handed it over, by the script that released it
	Passed  Acquisition = "passed"  // by a session of the same process
	Resumed Acquisition = "resumed" // by its token
)

// Traffic is what a round trip was for.
type Traffic string

// What round trips are for.
const (
	Calls    Traffic = "calls"    // what callers ask for
	Renewals Traffic = "renewals" // what keeps their leases
)

// WithObserver has what happens to the locks reported. Default: to nobody. As an option of
// [New] it is told of all of a Locker's; round trips, which locks share, are told only to
// that one.
func WithObserver(o *Observer) Option { return func(c *config) { c.observer = o } }

// The functions below are called with o nil where nobody observes.

func (o *Observer) acquired(s *Session, c *call) {
	if o != nil && o.Acquired != nil {
		o.Acquired(&s.ctx, c.m.name, c.how, c.m.l.clock.Now()-c.began)
	}
}

func (o *Observer) notAcquired(c *call, err error) {
	if o != nil && o.NotAcquired != nil {
		o.NotAcquired(c.parent, c.m.name, err, c.m.l.clock.Now()-c.began)
	}
}

func (o *Observer) renewed(l *lease, margin time.Duration) {
	if o != nil && o.Renewed != nil {
		o.Renewed(l.m.name, margin)
	}
}

func (o *Observer) notRenewed(l *lease, err error) {
	if o != nil && o.NotRenewed != nil {
		o.NotRenewed(l.m.name, err, l.left())
	}
}

func (o *Observer) lost(s *Session, cause error) {
	if o != nil && o.Lost != nil {
		o.Lost(&s.ctx, s.lease.m.name, cause, s.held())
	}
}

func (o *Observer) released(s *Session, passed bool) {
	if o != nil && o.Released != nil {
		o.Released(&s.ctx, s.lease.m.name, passed, s.held())
	}
}

func (o *Observer) sent(what Traffic, locks int, took time.Duration) {
	if o != nil && o.Sent != nil {
		o.Sent(what, locks, took)
	}
}
