package release

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
)

// giveBack passes the lease on, to a call that waits in this process or by way of Redis, or leaves it in
// Redis for the rest of the minimum hold. If nobody waits, and it may, the lease rests.
func (r *Releaser) giveBack(ctx context.Context, h Holder, e *Ending, minHold time.Duration, mayRest bool) error {
	l := h.Lease()
	var passed, wanted bool
	if r.rest(h, minHold) <= 0 {
		passed, wanted = r.Queues.Pass(l, h)
		passed = passed || mayRest && !wanted && r.Queues.Rest(l, h)
	}
	if passed {
		e.over = byRelease
		h.Released(true)
		return nil
	}
	left, fence, lost := l.Stop()
	if lost != nil && !l.InDoubt() && !errors.Is(lost, lease.ErrExpired) && !errors.Is(lost, lease.ErrSuspended) {
		return r.released(h, e, lost) // Redis has said so
	}
	var next *queue.Attempt
	if wanted {
		next = r.Queues.Successor(l)
	}
	got, inDoubt, err := r.send(ctx, l, left, fence, next, func() time.Duration { return r.rest(h, minHold) })
	e.inDoubt = e.inDoubt || inDoubt
	switch {
	case err != nil:
		r.repeat(h, e, err, minHold)
		return errors.Join(err, lost)
	case got.Status == store.Held, got.Status == store.Granted:
		return r.released(h, e, nil)
	case lost != nil:
		return r.released(h, e, lost)
	case e.inDoubt && got.Status != store.Forced:
		return r.released(h, e, nil) // an earlier request of ours did it
	}
	return r.released(h, e, lease.LossOf(got.Status))
}

// send sends the release of a lease that has been stopped, with that much left and that fence. next is who is
// to have the lock next, and rest what is left of the minimum hold.
func (r *Releaser) send(ctx context.Context, l *lease.Lease, left time.Duration, fence int64, next *queue.Attempt,
	rest func() time.Duration) (got store.Reply, inDoubt bool, err error) {
	// After the end of the lease the key is likely gone; one quick question tells.
	bound := min(max(left, time.Second), send.CleanupTime)
	sent := r.Now()
	release := l.Release(fence, next.Request())
	got, inDoubt, err = r.Send.UntilAnswered(ctx, bound, func(last error) store.Call {
		return release.Try(last, rest())
	})
	r.Queues.Released(l, next, sent, got, inDoubt, err)
	return got, inDoubt, err
}

// Return gives back a lease that rested. Who has asked this process for the lock meanwhile asks Redis.
func (r *Releaser) Return(l *lease.Lease) {
	defer r.Sched.Remove(l)
	try := func() error {
		left, fence, _ := l.Stop()
		_, _, err := r.send(context.Background(), l, left, fence, nil, func() time.Duration { return 0 })
		return err
	}
	end := l.ValidUntil()
	if err := try(); err != nil && store.Transient(err) && r.Now() < end {
		r.Send.Repeat(r.Closed, end, func() (over bool) {
			err := try()
			return err == nil || !store.Transient(err)
		})
	}
}

// rest is how much is left of a minimum hold. It is counted from when the lock was known to be held, or
// was passed on: Redis has given it no later.
func (r *Releaser) rest(h Holder, minHold time.Duration) time.Duration {
	if minHold == 0 {
		return 0
	}
	return minHold - (r.Now() - max(h.Began(), h.Lease().GrantedAt()))
}

func (r *Releaser) released(h Holder, e *Ending, result error) error {
	_ = r.finished(h.Lease(), e, byRelease, result)
	if result == nil {
		h.Released(false)
	}
	return result
}

// finished notes how the lease has gone.
func (r *Releaser) finished(l *lease.Lease, e *Ending, over way, result error) error {
	e.over, e.result = over, result
	r.Sched.Remove(l)
	return result
}

// repeat goes on giving the lease back, after a release that failed with err though the lease may last
// on, with the same minimum hold.
func (r *Releaser) repeat(h Holder, e *Ending, err error, minHold time.Duration) {
	end := h.Lease().ValidUntil()
	if e.repeating || !store.Transient(err) || r.Now() >= end {
		return
	}
	e.repeating = true
	r.Send.Repeat(r.Closed, end, func() (over bool) {
		err := r.Release(context.Background(), h, minHold)
		return err == nil || !store.Transient(err)
	})
}

// handOut leaves the lock to its token, with the full TTL.
func (r *Releaser) handOut(ctx context.Context, h Holder, e *Ending) error {
	l := h.Lease()
	l.KeepFrom(h)
	left, fence, lost := l.Stop()
	defer r.Queues.Dropped(l)
	if lost != nil {
		return r.finished(l, e, byDetach, lost)
	}
	number := l.Number()
	got, _, err := r.Send.UntilAnswered(ctx, min(left, send.CleanupTime), func(error) store.Call {
		return r.Store.Renew(l.ID(), l.Terms().RedisTTL(), number, true, fence)
	})
	switch {
	case err != nil:
		return err
	case got.Status != store.Held:
		return r.finished(l, e, byDetach, lease.LossOf(got.Status))
	}
	if l.InDoubt() {
		r.Send.TakeBack(r.Closed, 0, r.Store.Withdraw(l.ID(), lease.TombstoneTTL))
	}
	return r.finished(l, e, byDetach, nil)
}
