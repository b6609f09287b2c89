// Package drain waits for the functions that run under something before it ends, and lets one
// caller at a time end it.
//
// A Drain's mutex guards its own fields only and is never held while another is taken.
package drain

import (
	"context"
	"sync"
	"sync/atomic"
)

// Drain counts the functions that run under its owner; T is what those who end the owner tell
// each other. The zero value is ready for use. It is safe for concurrent use and must not be
// copied.
type Drain[T any] struct {
	mu      sync.Mutex
	working int32
	waiting atomic.Int32
	more    *more[T] // what is needed late, or never
}

type more[T any] struct {
	drained chan struct{} // closed when no function is running; nil unless somebody waits

	taken bool          // it is somebody's turn
	next  chan struct{} // closed when that turn is over; nil unless somebody waits
	told  T
}

// Enter and Leave enclose a function that runs.
func (d *Drain[T]) Enter() {
	d.mu.Lock()
	d.working++
	d.mu.Unlock()
}

// Leave ends what Enter began.
func (d *Drain[T]) Leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.working--; d.working == 0 && d.more != nil && d.more.drained != nil {
		close(d.more.drained)
		d.more.drained = nil
	}
}

// Leaving returns f as a function that leaves when it ends.
func (d *Drain[T]) Leaving(f func() error) func() error {
	return func() error {
		defer d.Leave()
		return f()
	}
}

// Working reports whether a function is running.
func (d *Drain[T]) Working() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.working > 0
}

// Drained returns a channel that is closed when no function is running; nil if none is now.
func (d *Drain[T]) Drained() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.working == 0 {
		return nil
	}
	if d.the().drained == nil {
		d.more.drained = make(chan struct{})
	}
	return d.more.drained
}

// Wait and Waited enclose the wait for Drained.
func (d *Drain[T]) Wait() { d.waiting.Add(1) }

// Waited ends what Wait began.
func (d *Drain[T]) Waited() { d.waiting.Add(-1) }

// Waiting reports whether somebody waits for Drained. It takes no mutex.
func (d *Drain[T]) Waiting() bool { return d.waiting.Load() > 0 }

// Await waits until no function is running; false if ctx is done before. look is called when the wait
// has begun, and when it was given up, unless there is nothing to wait for.
func (d *Drain[T]) Await(ctx context.Context, look func()) bool {
	drained := d.Drained()
	if drained == nil {
		return true
	}
	d.Wait()
	look()
	over := ended(ctx, drained)
	d.Waited()
	if !over {
		look()
	}
	return over
}

// ended waits until drained is closed; false if ctx is done before.
func ended(ctx context.Context, drained <-chan struct{}) bool {
	select {
	case <-drained:
		return true
	case <-ctx.Done():
		select {
		case <-drained:
			return true // both at once
		default:
		}
		return false
	}
}

// the returns the late part. Called with mu held.
func (d *Drain[T]) the() *more[T] {
	if d.more == nil {
		d.more = new(more[T])
	}
	return d.more
}

// LockTurn waits for the turn to end the owner. What it returns is the caller's until UnlockTurn.
func (d *Drain[T]) LockTurn() *T {
	d.mu.Lock()
	defer d.mu.Unlock()
	for m := d.the(); m.taken; {
		if m.next == nil {
			m.next = make(chan struct{})
		}
		next := m.next
		d.mu.Unlock()
		<-next
		d.mu.Lock()
	}
	d.more.taken = true
	return &d.more.told
}

// UnlockTurn ends the turn.
func (d *Drain[T]) UnlockTurn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.more.taken = false
	if d.more.next != nil {
		close(d.more.next)
		d.more.next = nil
	}
}
