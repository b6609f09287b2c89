package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
)

// firstTry is what a request may take even if the wait timeout is shorter.
const firstTry = time.Second

// waiter is the time side of a call that waits: the wait timeout.
type waiter struct {
	clock    *clock.Clock
	conf     *config
	deadline time.Duration // of the wait timeout
	last     bool          // the next try is the one at the deadline
}

func newWaiter(c *clock.Clock, conf *config) waiter {
	w := waiter{clock: c, conf: conf, deadline: forever}
	if conf.hasWait && conf.wait < forever-c.Now() {
		w.deadline = c.Now() + conf.wait
	}
	return w
}

// bound returns the context of one try, which ends with the wait timeout.
func (w *waiter) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.deadline == forever {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, max(w.deadline-w.clock.Now(), firstTry), w.timeout())
}

func (w *waiter) timeout() error {
	return fmt.Errorf("%w: not acquired within %v", ErrWaitTimeout, w.conf.wait)
}

// pause waits until the clock's time at, or the deadline, or a message: nil, or why the
// wait is over.
func (c *call) pause(w *waiter, at time.Duration) error {
	var timer <-chan time.Time
	if end := min(at, w.deadline); end != forever {
		now := c.m.l.clock.Now()
		if w.last || w.deadline <= now {
			return w.timeout()
		}
		t := time.NewTimer(end - now)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		w.last = w.deadline <= at
		return nil
	case <-c.wake:
		return nil
	case <-c.parent.Done():
		return context.Cause(c.parent)
	case <-c.m.l.ctx.Done():
		return ErrClosed
	}
}

// wait stands in line until the call has the lock, or there is a reason to stop.
func (c *call) wait(camp campaign) (*Session, error) {
	ls := c.m.l.lines
	w := newWaiter(c.m.l.clock, c.conf)
	ls.join(c)
	s, err := c.stand(&w, camp)
	if c.watching {
		c.m.l.hints.unwatch(c.m.name)
	}
	if err == nil {
		return s, nil
	}
	given, a := ls.leave(c)
	switch {
	case given != nil && !c.over() && errors.Is(err, ErrWaitTimeout):
		return given, nil // both at once
	case given != nil:
		c.m.l.spawn(func() { _ = given.Release(context.Background()) })
	case a != nil:
		ls.takeBack(a)
	}
	return nil, err
}

// stand waits as one of the line, and asks Redis while it is its front.
func (c *call) stand(w *waiter, camp campaign) (*Session, error) {
	ls := c.m.l.lines
	told := camp.patient
	var last error // of the tries since Redis last answered
	for again := 0; ; {
		s, a, at, err := ls.turn(c)
		switch {
		case s != nil:
			return s, nil
		case err != nil:
			return nil, err
		case a == nil || at != 0 && at > c.m.l.clock.Now() && !w.last:
			if err := c.pause(w, at); err != nil {
				return nil, join(err, last)
			}
			if !w.last || a == nil {
				continue
			}
		}
		try, done := w.bound(c.parent)
		s, r, err := c.try(try, a, !w.last || ls.followed(c))
		done()
		if s, err = ls.tried(c, a, s, err); s != nil {
			return s, nil
		}
		switch {
		case err == nil:
			told, last = true, nil
			if r.Status == store.Stranger && !c.watching {
				c.watching = true
				c.m.l.hints.watch(c.m.name)
			}
		case c.over(), errors.Is(err, ErrWaitTimeout):
			return nil, join(err, last)
		case c.fleeting(err, &again):
			last = err
		case !store.Transient(err) || !told && !ls.told(c):
			ls.fail(c.line, err)
			return nil, err
		default:
			last = err
		}
		if w.last {
			return nil, join(w.timeout(), last)
		}
	}
}

// againMost is how many fleeting errors a call bears.
const againMost = 4

// fleeting reports whether an error is likely not to come again, so that it is no reason to
// fail at the first try: a late answer; a connection that had broken unnoticed, or that the
// client closed because of a failover; a server of a Cluster that has lost its part to
// another, of which the client hears only by asking. again counts them.
func (c *call) fleeting(err error, again *int) bool {
	switch sharded := c.m.l.store.Sharded(); {
	case errors.As(err, new(late)), errors.Is(err, errMoved), store.Broken(err),
		sharded && store.Unsent(err) && store.Transient(err):
		*again++
	case sharded && store.TimedOut(err):
		*again += againMost / 2 // that took its time
	default:
		return false
	}
	return *again <= againMost
}

// again reports whether to ask again after err, if any, and pauses before that. It is for those
// who don't stand in line, which pauses by itself.
func (c *call) again(err error, times *int) bool {
	if err == nil || c.over() || !c.fleeting(err, times) {
		return false
	}
	time.Sleep(minGap << *times)
	return true
}

// turn returns what a call of a line is to do: it has a session, or has failed; or it
// asks with the attempt, not before at; or, without one, waits.
func (ls *lines) turn(c *call) (s *Session, a *attempt, at time.Duration, err error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if s := ls.claimed(c); s != nil {
		return s, nil, 0, nil
	}
	switch {
	case c.given != nil:
		return c.given, nil, 0, nil
	case c.failed != nil && !c.front:
		return nil, nil, 0, c.failed
	case !c.front:
		return nil, nil, forever, nil
	}
	ln := c.line
	if ln.attempt == nil {
		ln.attempt = newAttempt(c.m, c.conf)
	}
	a = ln.attempt
	if a.flying > 0 { // with the release of the lease before
		return nil, nil, forever, nil
	}
	if !a.poked {
		at = a.next
	}
	return nil, a, at, nil
}

// tried takes what came of a try of the front: the session, or when to ask again.
func (ls *lines) tried(c *call, a *attempt, s *Session, err error) (*Session, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := c.line
	switch {
	case c.given != nil: // by a message, or by the release that brought the attempt along
		return c.given, nil
	case s != nil:
		ln.answered = true
		ln.serve(s)
		return s, nil
	case err != nil:
		// Back off to a second: many waiters must not keep a server down.
		d := a.conf.retry
		if d < time.Second {
			d = min(d<<min(a.refused, 10), time.Second)
		}
		a.refused++
		a.next = ls.l.clock.Now() + jitter(d)
	default:
		ln.answered = true
	}
	return nil, err
}

// followed reports whether the next in line can use the front's attempt, which then keeps
// its place in the queue when the front leaves.
func (ls *lines) followed(c *call) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return c.line.attempt != nil && c.next != nil && c.line.attempt.conf.alike(c.next.conf)
}

// told reports whether Redis has answered to the line.
func (ls *lines) told(c *call) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return c.line.answered
}

// interval is how long the attempt waits to ask again, after an answer: it is told when
// it gets the lock, but may be told in vain. The first in the queue asks every third of
// the claim TTL, those behind it every two thirds: so a grant that they don't hear of is
// found before it ends, and one that they do hear of has a third left at least. All ask
// when the holder's TTL runs out. Those who can't be told, because the holder does not
// know of the queue or they don't listen, ask every retry interval.
func (a *attempt) interval(r store.Reply) time.Duration {
	d := a.conf.claim() / 3
	if r.Place != 1 {
		d *= 2
	}
	d -= rand.N(d/10 + 1)
	if r.Status == store.Stranger || a.Channel == "" {
		d = min(d, jitter(a.conf.retry))
	}
	if r.TTL >= 0 {
		d = min(d, r.TTL+time.Millisecond)
	}
	return d
}

// jitter varies d by up to a quarter either way, so that those who began together don't
// go on together.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}
