package endctx

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Delayed ends a while after its parent, or when the owner's Context that it is the parent of ends.
// If there is an outer Context, the delay is only for an end of the parent that is not the outer's:
// once both have ended, so has the Delayed.
//
// Its values are the parent's. It is safe for concurrent use after Watch and must not be copied.
type Delayed struct {
	context.Context // a standard one, which knows nothing of the parent's end
	cancel          context.CancelCauseFunc
	parent, outer   context.Context // outer may be nil
	delay           time.Duration
	over            error

	mu    sync.Mutex // with it held, nothing of the parent or of outer is called
	begun chan struct{}
	phase phase
	timer *time.Timer
	stops []func() bool
}

type phase int

const (
	going phase = iota
	delaying
	stopped
)

// NewDelayed makes a Delayed. Its cause is over and the parent's cause, or outer's cause. Neither
// context is looked at before Watch or Err.
func NewDelayed(parent, outer context.Context, delay time.Duration, over error) *Delayed {
	d := &Delayed{parent: parent, outer: outer, delay: delay, over: over, begun: make(chan struct{})}
	d.Context, d.cancel = context.WithCancelCause(context.WithoutCancel(parent))
	return d
}

// Watch begins to wait for the parent's end. Without it, the end is found by Err only.
func (d *Delayed) Watch() { d.onEnd(d.parent) }

// onEnd has a goroutine look when ctx ends. It ends by itself; stop ends the wait for it.
func (d *Delayed) onEnd(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { d.look(true) })
	d.mu.Lock()
	over := d.phase == stopped
	if !over {
		d.stops = append(d.stops, stop)
	}
	d.mu.Unlock()
	if over {
		stop()
	}
}

// Begun is closed when the parent has ended, or the Delayed; over says that the owner's Context has.
func (d *Delayed) Begun(over bool) <-chan struct{} {
	if over {
		d.stop() // whoever ended that may not have come to it yet
	}
	d.look(true)
	return d.begun
}

// Deadline is when it ends at the latest, as far as the deadlines of others say so.
func (d *Delayed) Deadline() (time.Time, bool) {
	at, ok := d.parent.Deadline()
	if !ok {
		return at, false
	}
	at = at.Add(d.delay)
	if d.outer != nil {
		if outer, ok := d.outer.Deadline(); ok && outer.Before(at) {
			at = outer
		}
	}
	return at, true
}

// Err looks at the parent and at outer.
func (d *Delayed) Err() error {
	d.look(true)
	return d.Context.Err()
}

func (d *Delayed) peek() error {
	d.look(false)
	return d.Context.Err()
}

func (d *Delayed) look(mayWait bool) {
	d.mu.Lock()
	over := d.phase == stopped
	d.mu.Unlock()
	if over {
		return
	}
	outerOver := d.outer != nil && errOf(d.outer, mayWait) != nil // first: this look may end the parent
	if outerOver && mayWait {
		settle(d.outer)
	}
	if errOf(d.parent, mayWait) == nil {
		return
	}
	if outerOver {
		d.end(context.Cause(d.outer))
		return
	}
	if d.begin() && d.outer != nil {
		d.onEnd(d.outer)
	}
}

// begin begins the delay, unless it has begun.
func (d *Delayed) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phase != going {
		return false
	}
	d.phase = delaying
	close(d.begun)
	d.timer = time.AfterFunc(d.delay, func() {
		d.end(fmt.Errorf("%w: %v after %w", d.over, d.delay, context.Cause(d.parent)))
	})
	return true
}

func (d *Delayed) end(cause error) {
	d.cancel(cause)
	d.stop()
}

// stop has the parent forget the Delayed, which is not needed any more.
func (d *Delayed) stop() {
	d.mu.Lock()
	if d.phase == going {
		close(d.begun)
	}
	d.phase = stopped
	stops := d.stops
	d.stops = nil
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}
