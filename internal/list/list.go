// Package list walks over the locks of a deployment: it scans for their names and asks about each. What
// Redis says of a lock it makes a State of.
//
// It has no mutex. A page is scanned in a goroutine, which Tasks joins, since go-redis ignores the
// end of a context while it waits for an answer; it ends with the client's time-outs.
package list

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Walker walks over locks. It is safe for concurrent use.
type Walker struct {
	Store *store.Store
	Send  *send.Sender
	Tasks *task.Group
}

// Each calls found for each lock whose name matches a pattern of Redis's KEYS, with what Inspect
// replied or the error that the lock had, until found returns false. An error of Each is one that
// ended the walk, ctx's cause if ctx is done.
func (w Walker) Each(ctx context.Context, pattern string, found func(lock store.Found, r store.Reply, err error) bool) error {
	scan := w.Store.Scan(pattern)
	for {
		locks, err := w.page(ctx, scan)
		if err == store.ErrEndOfScan {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := w.ask(ctx, locks, found); !more {
			return err
		}
	}
}

// page returns the next page of a scan, or ctx's cause if ctx is done before.
func (w Walker) page(ctx context.Context, scan *store.Scan) ([]store.Found, error) {
	type page struct {
		locks []store.Found
		err   error
	}
	if ctx.Err() != nil { // the client may not look at it
		return nil, context.Cause(ctx)
	}
	got := make(chan page, 1)
	w.Tasks.Go(func() {
		locks, err := scan.Next(ctx)
		got <- page{locks, err}
	})
	select {
	case p := <-got:
		return p.locks, send.CauseOf(ctx, p.err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ask asks about locks, all at once, and reports whether to go on.
func (w Walker) ask(ctx context.Context, locks []store.Found, found func(store.Found, store.Reply, error) bool) (more bool, _ error) {
	asked := make([]send.InFlight, len(locks))
	for i, lock := range locks {
		asked[i] = w.Send.Prepare(ctx, w.Store.Inspect(w.Store.Lock(lock.Kind, lock.Name)))
		asked[i].Send(false)
	}
	for i, lock := range locks {
		r, err := asked[i].Await()
		if err != nil && ctx.Err() != nil { // it is the walk that has ended
			return false, err
		}
		if !found(lock, r, err) {
			return false, nil
		}
	}
	return true, nil
}
