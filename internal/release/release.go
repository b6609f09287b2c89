// Package release lets leases go when the functions that run under them have ended: to whoever waits, back
// to Redis, or to the token. A call of Release or Detach takes its turn: one at a time lets a lease go.
package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/drain"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Releaser lets the leases of a Locker go. It is safe for concurrent use.
type Releaser struct {
	Queues *queue.Queues
	Send   *send.Sender
	Store  *store.Store
	Sched  *schedule.Scheduler[*lease.Lease]
	Tasks  *task.Group
	Now    func() time.Duration
	Closed context.Context // done when the Locker is closed
}

// Holder is the session whose lease is let go.
type Holder interface {
	lease.Holder
	Lease() *lease.Lease
	// Began is from when on the Holder holds: when the lock was asked for, or passed on to it.
	Began() time.Duration
	// Drain has the functions that run under the Holder, and the turns of the calls that let its lease go.
	Drain() *drain.Drain[Ending]
	// EndAs ends the Holder, unless it has ended.
	EndAs(end *endctx.End)
	// Within reports whether ctx comes from the Holder's context.
	Within(ctx context.Context) bool
	// Released is told once that the lock was given back, or passed on within the process.
	Released(passed bool)
}

// ErrDetached: the Holder was detached. Package holdfast documents it.
var ErrDetached = errors.New("detached")

// way is the call by which a lease goes.
type way uint8

// The ways.
const (
	byRelease way = iota + 1
	byDetach
)

// ends is how the Holder ends by each way.
var ends = [...]*endctx.End{byRelease: endctx.NewEnd(lease.ErrReleased), byDetach: endctx.NewEnd(ErrDetached)}

// Ending is how a lease goes. It belongs to the call whose turn it is. The zero value has not begun.
type Ending struct {
	result    error
	over      way  // 0 until it is done
	inDoubt   bool // a request to release was sent before, its outcome unknown
	repeating bool // the release is tried again in the background
}

// Release gives the lease of h back, or leaves it in Redis for the rest of the minimum hold. ctx bounds the
// wait for the functions that run under h. Called from inside one of them, it returns at once, and the
// lease goes when they have ended.
func (r *Releaser) Release(ctx context.Context, h Holder, minHold time.Duration) error {
	if inside(ctx, h) {
		r.end(h, byRelease)
		r.Tasks.Go(func() { _ = r.release(r.Closed, h, minHold, true) })
		return nil
	}
	return r.release(ctx, h, minHold, true)
}

func (r *Releaser) release(ctx context.Context, h Holder, minHold time.Duration, mayRest bool) error {
	return r.finish(ctx, h, byRelease, func(ctx context.Context, e *Ending) error {
		return r.giveBack(ctx, h, e, minHold, mayRest)
	})
}

// Discard gives the lease of h back at once: nobody has worked under it.
func (r *Releaser) Discard(h Holder) { _ = r.release(context.Background(), h, 0, false) }

// Detach leaves the lock of h to its token, with the full TTL.
func (r *Releaser) Detach(ctx context.Context, h Holder) error {
	if inside(ctx, h) {
		return errors.New("called from inside the session's own group, which it waits for")
	}
	return r.finish(ctx, h, byDetach, func(ctx context.Context, e *Ending) error {
		return r.handOut(ctx, h, e)
	})
}

// Abandon ends h and leaves its lock to expire, or to whoever holds it by its token.
func (r *Releaser) Abandon(h Holder) {
	_ = r.finish(context.Background(), h, byDetach, func(_ context.Context, e *Ending) error {
		l := h.Lease()
		l.Stop()
		r.Queues.Dropped(l)
		return r.finished(l, e, byDetach, nil)
	})
}

// Undo runs undo, by which something goes that nobody will hear of: in the background if ctx is done or
// the Locker closed, since then there is reason to hurry.
func (r *Releaser) Undo(ctx context.Context, undo func()) {
	if ctx.Err() != nil || r.Closed.Err() != nil {
		r.Tasks.Go(undo)
		return
	}
	undo()
}

// inside reports whether ctx comes from h while a function is running under it.
func inside(ctx context.Context, h Holder) bool { return h.Within(ctx) && h.Drain().Working() }

// finish is the way from a Holder that holds to one that does not: tell the work, wait for it, then let
// the lease go by last, which gets ctx for its values. One call at a time lets it go, and those after it return what it returned.
func (r *Releaser) finish(ctx context.Context, h Holder, how way, last func(context.Context, *Ending) error) error {
	r.end(h, how)
	if err := r.await(ctx, h); err != nil {
		return err
	}
	e := h.Drain().LockTurn()
	defer h.Drain().UnlockTurn()
	switch {
	case e.over == 0:
		return last(ctx, e)
	case e.over == how || how == byRelease:
		return e.result // releasing what was detached does nothing
	default:
		return lease.ErrReleased
	}
}

// end ends h, unless its time was up before. If another goroutine is ending it, end waits until all that
// comes from its context has been told: before that the lease must not go to another.
func (r *Releaser) end(h Holder, how way) {
	if !h.Ended() {
		h.Lease().Look()
	}
	h.EndAs(ends[how])
}

// await waits for the functions that run under h while its lease is renewed.
func (r *Releaser) await(ctx context.Context, h Holder) error {
	if h.Within(ctx) {
		ctx = context.WithoutCancel(ctx) // the end of h has ended it
	}
	l := h.Lease()
	if h.Drain().Await(ctx, func() { r.Sched.By(l, r.Now()) }) { // look whether it is still to be renewed
		return nil
	}
	left := "has no expiry and stays held"
	if at := l.ValidUntilTime(); !at.IsZero() {
		left = "is left to expire, at " + at.Format(time.RFC3339Nano)
	}
	return fmt.Errorf("%w: a group is still running; the lock %s", operr.Ended(ctx, context.Cause(ctx)), left)
}
