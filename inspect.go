package holdfast

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Info is what Inspect finds.
type Info struct {
	Held     bool
	Stranger bool          // held, but not through Holdfast: by redis-py, say
	Label    string        // the holder's; empty if free or a stranger's
	Fence    int64         // the holder's; 0 if free or a stranger's
	TTL      time.Duration // what is left; 0 without expiry
	NoExpiry bool          // held without expiry
	Waiters  int           // how many processes wait, as far as Redis knows
}

func infoOf(r store.Reply) Info {
	if r.Status == store.Gone {
		return Info{Waiters: int(r.Place)}
	}
	return Info{
		Held:     true,
		Stranger: r.Status == store.Stranger,
		Waiters:  int(r.Place),
		Label:    r.Label,
		Fence:    r.Fence,
		TTL:      max(r.TTL, 0),
		NoExpiry: r.TTL < 0,
	}
}

// Inspect looks who holds the lock.
func (m *Mutex) Inspect(ctx context.Context) (Info, error) {
	r, err := m.ask(ctx, m.l.store.Inspect)
	if err != nil {
		return Info{}, wrap("inspect", m.name, err)
	}
	return infoOf(r), nil
}

// Waiter is one process that waits for a lock.
type Waiter struct {
	Label string
	// Alive is for how long it counts as alive unless it asks again, which it does every few
	// seconds. One with 0 will be passed over.
	Alive time.Duration
}

// InspectQueue is Inspect that also tells who waits, the next holder first.
func (m *Mutex) InspectQueue(ctx context.Context) (Info, []Waiter, error) {
	r, err := m.ask(ctx, m.l.store.InspectQueue)
	if err != nil {
		return Info{}, nil, wrap("inspect", m.name, err)
	}
	var queue []Waiter
	for _, w := range r.Queue {
		queue = append(queue, Waiter(w))
	}
	return infoOf(r), queue, nil
}

// Entry is a lock that List finds.
type Entry struct {
	Name string
	Info
}

// List walks through the locks that are held or waited for and whose names match a pattern
// as Redis's KEYS has it: "jobs:*", say; "" is all. It goes by what Holdfast keeps beside a
// lock, so it shows a stranger's only if one of ours has used or asked for the same lock
// within a day. It uses SCAN, on a Cluster on each master: every key is looked at, none for
// long, and what changes meanwhile may or may not be seen.
//
// An error that comes with a name concerns that lock, and the next ones follow; one without
// ends the list.
func (l *Locker) List(ctx context.Context, pattern string) iter.Seq2[Entry, error] {
	mustContext(ctx)
	if pattern == "" {
		pattern = "*"
	}
	return func(yield func(Entry, error) bool) {
		ctx, done := l.bind(ctx)
		defer done()
		scan := l.store.Scan(pattern)
		for {
			names, err := l.page(ctx, scan)
			if err == store.ErrEndOfScan {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("holdfast: list the locks %s: %w", quote(pattern), ended(ctx, err)))
				return
			}
			if !l.infos(ctx, names, yield) {
				return
			}
		}
	}
}

// page returns the next page of a scan, or ctx's cause if ctx is done before.
func (l *Locker) page(ctx context.Context, scan *store.Scan) ([]string, error) {
	type page struct {
		names []string
		err   error
	}
	if ctx.Err() != nil { // the client may not look at it
		return nil, context.Cause(ctx)
	}
	got := make(chan page, 1)
	l.spawn(func() {
		names, err := scan.Next(ctx)
		got <- page{names, err}
	})
	select {
	case p := <-got:
		return p.names, causeOf(ctx, p.err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// infos asks about locks, all at once, and yields those in use. It reports whether to go on.
func (l *Locker) infos(ctx context.Context, names []string, yield func(Entry, error) bool) bool {
	requests := make([]*request, len(names))
	for i, name := range names {
		requests[i] = l.send(ctx, l.store.Inspect(store.NewLock(name)))
	}
	for i, name := range names {
		r, err := l.await(ctx, requests[i])
		if err != nil && ctx.Err() != nil { // it is the list that has ended
			yield(Entry{}, fmt.Errorf("holdfast: list the locks: %w", ended(ctx, err)))
			return false
		}
		if err != nil {
			if !yield(Entry{Name: name}, wrap("inspect", name, ended(ctx, err))) {
				return false
			}
			continue
		}
		if info := infoOf(r); info.Held || info.Waiters > 0 {
			if !yield(Entry{name, info}, nil) {
				return false
			}
		}
	}
	return true
}

// ForceRelease takes the lock from whoever holds it, for operators, and gives it to the
// longest waiter. The holder is told; its work goes on until its session finds out, at its
// next renewal at the latest, and ends with ErrForceReleased. A lock that is free is left as
// it is. After an error it is not known whether the lock was released; look before trying
// again, for the next holder is not spared.
func (m *Mutex) ForceRelease(ctx context.Context) error {
	_, err := m.force(ctx, 0)
	return wrap("force the release of", m.name, err)
}

// ForceReleaseFence is ForceRelease for the holder of one fence, as [Mutex.Inspect] shows
// it: if another holds the lock by then, it is left alone and the error is ErrOtherFence. So
// it can be tried again after an error. A stranger has no fence. Sessions of one process that
// pass the lock on among themselves go by one fence here until its next renewal.
func (m *Mutex) ForceReleaseFence(ctx context.Context, fence int64) error {
	if fence <= 0 {
		return wrap("force the release of", m.name, invalid("the fence %d is not positive", fence))
	}
	r, err := m.force(ctx, fence)
	switch {
	case err != nil:
	case r.Status == store.Taken:
		err = fmt.Errorf("%w: its fence is %d, not %d", ErrOtherFence, r.Fence, fence)
	case r.Status == store.Stranger:
		err = fmt.Errorf("%w: a stranger's, which has none, not %d", ErrOtherFence, fence)
	}
	return wrap("force the release of", m.name, err)
}

func (m *Mutex) force(ctx context.Context, fence int64) (store.Reply, error) {
	return m.ask(ctx, func(lock *store.Lock) store.Call { return m.l.store.Force(lock, fence) })
}
