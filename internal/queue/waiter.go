package queue

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// How is the way in which a lock was had.
type How string

// The ways to a lock.
const (
	Asked   How = "asked"   // Redis gave it in answer to a request
	Granted How = "granted" // its holder handed it over, by the script that released it
	Passed  How = "passed"  // by a session of the same process
	Resumed How = "resumed" // by its token
)

// Taker is the call that a lock is for.
type Taker interface {
	lease.Taker
	// NoExpiry is told that the lock has no expiry, though the terms give one.
	NoExpiry()
}

// Waiter is one call that wants a lock. Init sets To, and the caller sets the other exported fields
// but How, which tells afterwards how the lock was had. It can be used again after Reset.
type Waiter struct {
	To      Taker
	Lock    *lease.Lock
	Ctx     context.Context // bounds the wait
	Retry   time.Duration   // the pause between tries if nobody can tell it of a release
	Limit   time.Duration   // how long to wait, if Limited
	Began   time.Duration   // the clock's time from which Limit counts; if 0, it counts from Wait
	Limited bool
	How     How

	qs       *Queues
	deadline time.Duration // the clock's time at which Limit ends
	lastTry  bool          // the next try is the one at the deadline
	watching bool          // the key: see notify.Subscription
	tries    bool          // it does not wait if the lock is in use
	told     bool          // and its holder is to say whether it is

	// Under the mutex of Queues.
	queue      *queue
	prev, next *Waiter
	asker      bool
	aside      bool          // it may ask once beside the asker: see spread
	busy       bool          // it is between a request and what it does with the answer
	given      lease.Holder  // which now holds the lock
	failed     error         // what Redis said to the asker, and would say to this one
	wake       chan struct{} // capacity 1: something of the above, or of the attempt, changed
}

// Init makes the Waiter of a call.
func (w *Waiter) Init(to Taker) { w.To, w.wake = to, make(chan struct{}, 1) }

// Reset makes a Waiter that nobody knows any more ready to be used again.
func (w *Waiter) Reset() {
	select {
	case <-w.wake:
	default:
	}
	*w = Waiter{To: w.To, wake: w.wake}
}

func (w *Waiter) terms() *lease.Terms { return w.To.Terms() }

// notify wakes the waiter, to look at what changed.
func (w *Waiter) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// over reports whether there is a reason not to wait any longer.
func (w *Waiter) over() bool { return w.Ctx.Err() != nil || w.qs.closed() }

func (qs *Queues) errClosed() error { return context.Cause(qs.Closed) }

// begin starts the clock of the wait.
func (w *Waiter) begin(qs *Queues) {
	w.qs, w.How, w.deadline = qs, Asked, trust.Forever
	if w.Limited { // else the clock need not be read
		from := w.Began
		if from == 0 {
			from = qs.Now()
		}
		w.deadline = from + min(w.Limit, trust.Forever-from)
	}
}

// Once asks once, outside of the queue: it gets the lock only if nobody waits.
func (qs *Queues) Once(w *Waiter) (lease.Holder, error) {
	w.begin(qs)
	h, inUse := qs.wakeFor(w)
	if h != nil {
		return h, nil
	}
	w.tries = !inUse // else the holder, here, need not be asked whether it is
	a := newAttempt(w)
	defer qs.asksOutside(a)()
	ctx, done := w.bound(firstTry)
	defer done()
	l, r, err := qs.try(ctx, w, a, false)
	for again := 0; ctx.Err() == nil && w.again(err, &again); {
		l, r, err = qs.try(ctx, w, a, false)
	}
	if l != nil {
		return l.Holder(), nil
	}
	if err == nil && r.Status == store.Busy && r.Place > 0 {
		return qs.tryOn(w, a)
	}
	qs.withdraw(a)
	if err == nil {
		err = qs.notHad(r)
	}
	return nil, err
}

// Wait waits in the queue until the lock is had, or there is a reason to stop. If it returns an
// error and a Holder, the lock came just then, and the caller gives it back.
func (qs *Queues) Wait(w *Waiter) (lease.Holder, error) {
	w.begin(qs)
	if h := qs.enqueue(w); h != nil {
		return h, nil
	}
	return qs.waitIn(w)
}

// waitIn is Wait for a call that is in the queue.
func (qs *Queues) waitIn(w *Waiter) (lease.Holder, error) {
	h, err := w.wait()
	if w.watching {
		qs.Notify.Unwatch(w.Lock.Name)
	}
	if err == nil {
		return h, nil
	}
	given, a := qs.leave(w)
	switch {
	case given != nil && !w.over() && errors.Is(err, ErrWaitTimeout):
		return given, nil // both at once
	case a != nil:
		qs.withdraw(a)
	}
	return given, err
}

// wait waits in the queue, and asks Redis while the waiter is the asker.
func (w *Waiter) wait() (lease.Holder, error) {
	qs, answered := w.qs, false
	var last error // of the tries since Redis last answered
	for again := 0; ; {
		h, a, at, err := qs.nextStep(w)
		switch {
		case h != nil || err != nil:
			return h, err
		case a == nil || at != 0 && at > qs.Now() && !w.lastTry:
			if err := w.pause(at); err != nil {
				return nil, operr.Join(err, qs.graceOf(w, last))
			}
			if !w.lastTry || a == nil {
				continue
			}
		case a.aside:
			qs.askAside(w, a)
			continue
		}
		ctx, done := w.bound(firstTry)
		l, r, err := qs.try(ctx, w, a, !w.lastTry || qs.followed(w))
		done()
		if h, err = qs.onReply(w, a, l, err); h != nil {
			return h, nil
		}
		switch {
		case err == nil:
			answered, last = true, nil
			if w.told && r.Place == 0 {
				return nil, qs.notHad(r)
			}
			if r.Status == store.Unsettled {
				last = qs.graceError(r.TTL, false)
			}
			w.watchStranger(r)
		case w.over(), errors.Is(err, ErrWaitTimeout):
			return nil, operr.Join(err, last)
		case store.Moving(err), w.fleeting(err, &again):
			last = err
		case !store.Transient(err) || !answered && !qs.hasAnswered(w):
			qs.fail(w.queue, err)
			return nil, err
		default:
			last = err
		}
		if w.lastTry {
			return nil, operr.Join(w.timeout(), last)
		}
	}
}

// graceOf returns last, what the waiter has met itself, or that there is a grace if it has asked nothing
// because another one asks.
func (qs *Queues) graceOf(w *Waiter, last error) error {
	qs.mu.Lock()
	asks := w.asker || !w.queue.leases.none()
	qs.mu.Unlock()
	if asks || last != nil {
		return last
	}
	if left := qs.Grace.Left(qs.Store.Server(w.Lock.Name)); left > 0 {
		return qs.graceError(left, false)
	}
	return nil
}

// watchStranger has the queue poked when the key of a stranger goes.
func (w *Waiter) watchStranger(r store.Reply) {
	if r.Status == store.Stranger && !w.watching {
		w.watching = true
		w.qs.Notify.Watch(w.Lock.Name)
	}
}

// nextStep returns what a waiter is to do: it has the lock, or has failed; or it asks by the
// attempt, not before at; or, without one, waits.
func (qs *Queues) nextStep(w *Waiter) (h lease.Holder, a *Attempt, at time.Duration, err error) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.claim(w)
	switch {
	case w.given != nil:
		return w.given, nil, 0, nil
	case w.failed != nil && (!w.asker || w.told):
		return nil, nil, 0, w.failed
	case !w.asker && w.aside:
		w.aside = false
		a = newAttempt(w)
		a.aside = true
		return nil, a, 0, nil
	case !w.asker:
		return nil, nil, trust.Forever, nil
	}
	if w.queue.attempt == nil {
		w.queue.attempt = newAttempt(w)
	}
	a = w.queue.attempt
	if a.inFlight > 0 { // with the release of the lease before
		return nil, nil, trust.Forever, nil
	}
	if !a.askNow {
		at = a.next
	}
	return nil, a, at, nil
}
