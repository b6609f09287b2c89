// Package release lets leases go: to whoever waits, back to Redis, or to the token.
package release

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Releaser lets the leases of a Locker go. It is safe for concurrent use.
type Releaser struct {
	Queues *queue.Queues
	Send   *send.Sender
	Store  *store.Store
	Sched  *schedule.Scheduler[*lease.Lease]
	Now    func() time.Duration
	Closed context.Context // done when the Locker is closed
}

// Holder has the lease that is let go.
type Holder interface {
	lease.Holder
	// Rest is how much is left of a minimum hold.
	Rest(minHold time.Duration) time.Duration
	// Released is told once that the lock was given back, or passed on within the process.
	Released(passed bool)
	// Retry has try called in a turn of its own, and returns what it returns; or what Over says if the
	// lease has gone by then.
	Retry(try func(context.Context, *Ending) error) error
}

// Way is the call by which a lease goes.
type Way uint8

// The ways.
const (
	ByRelease Way = iota + 1
	ByDetach
)

// Ending is how a lease goes. It belongs to the call whose turn it is. The zero value has not begun.
type Ending struct {
	result    error
	over      Way  // 0 until it is done
	inDoubt   bool // a request to release was sent before, its outcome unknown
	repeating bool // the release is tried again in the background
}

// Over returns how the lease has gone, 0 if it has not, and with what result.
func (e *Ending) Over() (how Way, result error) { return e.over, e.result }

// GiveBack passes the lease on, to a call that waits in this process or by way of Redis, or leaves it in
// Redis for the rest of the minimum hold.
func (r *Releaser) GiveBack(ctx context.Context, l *lease.Lease, h Holder, e *Ending, minHold time.Duration) error {
	var passed, wanted bool
	if h.Rest(minHold) <= 0 {
		passed, wanted = r.Queues.Pass(l, h)
	}
	if passed {
		e.over = ByRelease
		h.Released(true)
		return nil
	}
	left, fence, lost := l.Stop()
	if lost != nil && !l.InDoubt() && !errors.Is(lost, lease.ErrExpired) && !errors.Is(lost, lease.ErrSuspended) {
		return r.released(l, h, e, lost) // Redis has said so
	}
	var next *queue.Attempt
	if wanted {
		next = r.Queues.Successor(l)
	}
	// After the end of the lease the key is likely gone; one quick question tells.
	bound := min(max(left, time.Second), send.CleanupTime)
	sent := r.Now()
	release := l.Release(fence, next.Request())
	got, inDoubt, err := r.Send.UntilAnswered(ctx, bound, func(last error) store.Call {
		return release.Try(last, h.Rest(minHold))
	})
	r.Queues.Released(l, next, sent, got, inDoubt, err)
	e.inDoubt = e.inDoubt || inDoubt
	switch {
	case err != nil:
		r.repeat(l, h, e, err, minHold)
		return errors.Join(err, lost)
	case got.Status == store.Held, got.Status == store.Granted:
		return r.released(l, h, e, nil)
	case lost != nil:
		return r.released(l, h, e, lost)
	case e.inDoubt && got.Status != store.Forced:
		return r.released(l, h, e, nil) // an earlier request of ours did it
	}
	return r.released(l, h, e, lease.LossOf(got.Status))
}

func (r *Releaser) released(l *lease.Lease, h Holder, e *Ending, result error) error {
	_ = r.finished(l, e, ByRelease, result)
	if result == nil {
		h.Released(false)
	}
	return result
}

// finished notes how the lease has gone.
func (r *Releaser) finished(l *lease.Lease, e *Ending, over Way, result error) error {
	e.over, e.result = over, result
	r.Sched.Remove(l)
	return result
}

// repeat goes on giving the lease back, after a release that failed with err though the lease may last
// on, with the same minimum hold.
func (r *Releaser) repeat(l *lease.Lease, h Holder, e *Ending, err error, minHold time.Duration) {
	end := l.ValidUntil()
	if e.repeating || !store.Transient(err) || r.Now() >= end {
		return
	}
	e.repeating = true
	r.Send.Repeat(r.Closed, end, func() (over bool) {
		err := h.Retry(func(ctx context.Context, e *Ending) error {
			return r.GiveBack(ctx, l, h, e, minHold)
		})
		return err == nil || !store.Transient(err)
	})
}

// HandOut leaves the lock to its token, with the full TTL.
func (r *Releaser) HandOut(ctx context.Context, l *lease.Lease, h Holder, e *Ending) error {
	l.KeepFrom(h)
	left, fence, lost := l.Stop()
	defer r.Queues.Dropped(l)
	if lost != nil {
		return r.finished(l, e, ByDetach, lost)
	}
	number := l.Number()
	got, _, err := r.Send.UntilAnswered(ctx, min(left, send.CleanupTime), func(error) store.Call {
		return r.Store.Renew(l.ID(), l.Terms().RedisTTL(), number, true, fence)
	})
	switch {
	case err != nil:
		return err
	case got.Status != store.Held:
		return r.finished(l, e, ByDetach, lease.LossOf(got.Status))
	}
	if l.InDoubt() {
		r.Send.TakeBack(r.Closed, 0, r.Store.Withdraw(l.ID(), lease.TombstoneTTL))
	}
	return r.finished(l, e, ByDetach, nil)
}

// Abandon leaves the lock to expire, or to who holds it by its token.
func (r *Releaser) Abandon(l *lease.Lease, e *Ending) error {
	l.Stop()
	r.Queues.Dropped(l)
	return r.finished(l, e, ByDetach, nil)
}
