package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// firstTry is how long a request may take even if the wait is limited to less.
const firstTry = time.Second

// bound returns the context of one try, which ends with the wait timeout, but not before least.
func (w *Waiter) bound(least time.Duration) (context.Context, context.CancelFunc) {
	if w.deadline == trust.Forever {
		return w.Ctx, func() {}
	}
	return context.WithTimeoutCause(w.Ctx, max(w.deadline-w.qs.Now(), least), w.timeout())
}

func (w *Waiter) timeout() error {
	if w.told {
		return errOneTry
	}
	return fmt.Errorf("%w: not acquired within %v", ErrWaitTimeout, w.Limit)
}

// pause waits until the clock's time at, or the deadline, or until the waiter is notified: nil, or
// why the wait is over.
func (w *Waiter) pause(at time.Duration) error {
	var timer <-chan time.Time
	if end := min(at, w.deadline); end != trust.Forever {
		now := w.qs.Now()
		if w.lastTry || w.deadline <= now {
			return w.timeout()
		}
		t := time.NewTimer(end - now)
		defer t.Stop()
		timer = t.C
	}
	closed, over := w.whenClosed()
	if over {
		return w.qs.errClosed()
	}
	select {
	case <-timer:
		w.lastTry = w.deadline <= at
		return nil
	case <-w.wake:
		return nil
	case <-w.Ctx.Done():
		return context.Cause(w.Ctx)
	case <-closed:
		return w.qs.errClosed()
	}
}

// whenClosed returns the channel that tells a waiter when the Locker is closed, or that it is. Those in a queue
// need none, since Wake wakes them all: for many to look at one channel costs much.
func (w *Waiter) whenClosed() (tells <-chan struct{}, over bool) {
	if w.queue == nil {
		return w.qs.Closed.Done(), false
	}
	return nil, w.qs.closed() // Wake may have come before
}

// pauseGrace is pause for a call that the server refuses for so long because of its history.
func (w *Waiter) pauseGrace(left time.Duration) error {
	err := w.pause(w.qs.Now() + min(left, time.Second) + time.Millisecond)
	if err == nil && w.lastTry {
		err = w.timeout()
	}
	if err == nil {
		return nil
	}
	return operr.Join(err, w.qs.graceError(left, false))
}

// maxAgain is how many fleeting errors a waiter goes on after.
const maxAgain = 4

// fleeting reports whether an error is likely not to come again, so that it is no reason to fail at
// the first try: a late answer; a connection that had broken unnoticed, or that the client closed
// because of a failover; a server of a Cluster that has lost its part to another, of which the
// client learns only by asking, or is about to. again counts them.
func (w *Waiter) fleeting(err error, again *int) bool {
	switch sharded := w.qs.Store.Sharded(); {
	case errors.As(err, new(late)), errors.Is(err, errMoved), errors.Is(err, store.ErrReplaced), store.Broken(err), store.Moving(err),
		sharded && store.Unsent(err) && store.Transient(err):
		*again++
	case sharded && store.TimedOut(err):
		*again += maxAgain / 2 // such an error takes its time
	default:
		return false
	}
	return *again <= maxAgain
}

// again reports whether to ask again after err, if any, and pauses before that, for those who are
// not in the queue. times counts the tries.
func (w *Waiter) again(err error, times *int) bool {
	if err == nil || w.over() || !w.fleeting(err, times) {
		return false
	}
	time.Sleep(backoff.After(*times, trust.MinGap, time.Second))
	return true
}
