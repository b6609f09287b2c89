// Package list walks over the locks of a deployment: it scans for their names and asks about each. What
// Redis says of a lock it makes a State of.
//
// It has no mutex. A page is scanned in a goroutine, which Tasks joins, since go-redis ignores the
// end of a context while it waits for an answer; it ends with the client's time-outs.
package list

import (
	"context"
	"slices"

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
//
// A name may have been used for both kinds of locks, and to each the other is a stranger. Such a stranger
// is left out, unless somebody waits for it.
func (w Walker) Each(ctx context.Context, pattern string, found func(lock store.Found, r store.Reply, err error) bool) error {
	scan, strangers := w.Store.Scan(pattern), make(map[string]bool)
	for {
		locks, err := w.page(ctx, scan)
		if err == store.ErrEndOfScan {
			return nil
		}
		if err != nil {
			return err
		}
		doubtful, more, err := w.ask(ctx, locks, found)
		if more {
			more, err = w.askAgain(ctx, doubtful, strangers, found)
		}
		if !more {
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

// ask asks about locks, all at once, and reports whether to go on. Those that a stranger holds, and nobody
// waits for, are returned.
func (w Walker) ask(ctx context.Context, locks []store.Found, found func(store.Found, store.Reply, error) bool) (
	doubtful []store.Found, more bool, _ error) {
	asked := w.inspect(ctx, locks)
	for i, lock := range locks {
		r, err := asked[i].Await()
		if err != nil && ctx.Err() != nil { // it is the walk that has ended
			return nil, false, err
		}
		if err == nil && r.Status == store.Stranger && r.Place == 0 {
			doubtful = append(doubtful, lock)
			continue
		}
		if !found(lock, r, err) {
			return nil, false, nil
		}
	}
	return doubtful, true, nil
}

// askAgain asks about the locks as the other kind, to which they may be no stranger's. If they are, too,
// each name is found once in a walk. It reports whether to go on.
func (w Walker) askAgain(ctx context.Context, locks []store.Found, strangers map[string]bool,
	found func(store.Found, store.Reply, error) bool) (more bool, _ error) {
	others := slices.Clone(locks)
	for i := range others {
		others[i].Kind = others[i].Kind.Other()
	}
	asked := w.inspect(ctx, others)
	for i, lock := range locks {
		r, err := asked[i].Await()
		if err != nil && ctx.Err() != nil {
			return false, err
		}
		if strangers[lock.Name] || err == nil && r.Status != store.Stranger {
			continue
		}
		strangers[lock.Name] = true
		if r.Place = 0; !found(lock, r, err) { // who waits as the other kind is found with that
			return false, nil
		}
	}
	return true, nil
}

// inspect sends a question about each lock.
func (w Walker) inspect(ctx context.Context, locks []store.Found) []send.InFlight {
	asked := make([]send.InFlight, len(locks))
	for i, lock := range locks {
		asked[i] = w.Send.Prepare(ctx, w.Store.Inspect(w.Store.Lock(lock.Kind, lock.Name)))
		asked[i].Send(false)
	}
	return asked
}
