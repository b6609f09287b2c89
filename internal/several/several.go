// Package several takes several locks and makes one of their holds: its context ends with the first of them.
package several

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/operr"
)

// Hold is one of several. Its context has the same parent as that of all.
type Hold interface {
	// LookAt ends the hold if its time is up at that time of the clock.
	LookAt(now time.Duration)
	// Ended reports whether the hold's context is done, as far as it is noted, and Cause is why.
	Ended() bool
	Cause() error
	// Value is the hold's value for a key: see [endctx.Owner].
	Value(key any) (value any, ours bool)
	Name() string
}

// All is several holds, in the order in which they were had. It is safe for concurrent use after Init and
// must not be copied.
type All[H Hold] struct {
	now      func() time.Duration
	released error
	held     atomic.Pointer[[]H]
	ctx      endctx.Context[*owner[H]]
}

// owner is All as its context sees it.
type owner[H Hold] All[H]

// Init sets the context's parent, the clock, and the cause of the end of all at once.
func (a *All[H]) Init(parent context.Context, now func() time.Duration, released error) {
	a.now, a.released = now, released
	a.held.Store(new([]H))
	a.ctx.Init(parent, (*owner[H])(a))
}

// Add adds a hold. Only one goroutine may add at a time. Who ends the hold calls End.
func (a *All[H]) Add(h H) {
	was := *a.held.Load()
	now := append(was[:len(was):len(was)], h)
	a.held.Store(&now)
}

// Held returns the holds.
func (a *All[H]) Held() []H { return *a.held.Load() }

// Find returns the hold of that name. The holds must be in the order of their names.
func (a *All[H]) Find(name string) (h H, found bool) {
	held := a.Held()
	at, found := slices.BinarySearchFunc(held, name, func(h H, name string) int { return strings.Compare(h.Name(), name) })
	if found {
		h = held[at]
	}
	return h, found
}

// String names the locks, without tokens.
func (a *All[H]) String() string {
	text := "holdfast sessions of"
	held := a.Held()
	for i, h := range held {
		switch i {
		case 0:
			text += " " + operr.Quote(h.Name())
		case 3:
			return fmt.Sprintf("%s and %d more", text, len(held)-i)
		default:
			text += ", " + operr.Quote(h.Name())
		}
	}
	return text
}

// Parent returns the context's parent.
func (a *All[H]) Parent() context.Context { return a.ctx.Parent() }

// Context is done when the parent is, or the first of the holds has ended, or End was called.
func (a *All[H]) Context() context.Context { return &a.ctx }

// Cause is why the context is done, or nil.
func (a *All[H]) Cause() error { return a.ctx.Cause() }

// End ends the context, unless it has ended. No mutex may be held.
func (a *All[H]) End(cause error) { a.ctx.End(cause) }

// Each calls f for all holds at once, waits, and joins the errors. gather is told the names before, and
// each name when its call has returned.
func (a *All[H]) Each(f func(H) error, gather func(names []string) (done func(name string))) error {
	held := a.Held()
	names, errs := make([]string, len(held)), make([]error, len(held))
	for i, h := range held {
		names[i] = h.Name()
	}
	done := gather(names)
	var calls sync.WaitGroup
	for i, h := range held {
		// It ends when f does, and is waited for below.
		calls.Go(func() {
			defer done(names[i])
			errs[i] = f(h)
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}

// Look reads the clock once, for all.
func (o *owner[H]) Look() {
	a := (*All[H])(o)
	now := a.now()
	for _, h := range a.Held() {
		if h.LookAt(now); h.Ended() {
			a.End(h.Cause())
			return
		}
	}
}

// Named says of which locks err is the cause. Those of one hold name theirs.
func (o *owner[H]) Named(err error) error {
	if err == o.released {
		return fmt.Errorf("%v: %w", o, err)
	}
	return err
}

// Value is that of the last hold that has one.
func (o *owner[H]) Value(key any) (value any, ours bool) {
	held := (*All[H])(o).Held()
	for i := len(held) - 1; i >= 0; i-- {
		v, is := held[i].Value(key)
		if v != nil {
			return v, true
		}
		ours = ours || is
	}
	return nil, ours
}

func (o *owner[H]) String() string { return (*All[H])(o).String() }
