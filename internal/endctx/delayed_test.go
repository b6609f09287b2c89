package endctx_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
)

var errLate = errors.New("the delay is over")

// TestDelayed: it ends a while after its parent, with both causes, or with its owner.
func TestDelayed(t *testing.T) {
	for _, watched := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			d := endctx.NewDelayed(parent, nil, time.Minute, errLate)
			o := newOwner("a", d)
			if watched {
				d.Watch()
			}
			time.Sleep(time.Hour)
			if o.ctx.Err() != nil || begun(d) {
				t.Fatal("it ends before its parent")
			}
			cancel(errParent)
			synctest.Wait()
			if !watched && o.ctx.Err() != nil {
				t.Error("it ends with its parent")
			}
			time.Sleep(time.Minute - 1)
			if o.ctx.Err() != nil || !begun(d) {
				t.Errorf("before the delay is over: Err = %v, begun %v", o.ctx.Err(), begun(d))
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if cause := o.ctx.Cause(); !errors.Is(cause, errLate) || !errors.Is(cause, errParent) {
				t.Errorf("it ended with %v", cause)
			}
			o.ctx.End(errEnded)
			if cause := context.Cause(&o.ctx); !errors.Is(cause, errLate) {
				t.Errorf("and then with %v", cause)
			}
		})
	}
}

func begun(d *endctx.Delayed) bool {
	select {
	case <-d.Begun(false):
		return true
	default:
		return false
	}
}

// remembering is a context that counts who waits for its end. It is not known for a standard one.
type remembering struct {
	context.Context
	waiting int
}

func (r *remembering) Value(any) any { return nil }

func (r *remembering) AfterFunc(func()) (stop func() bool) {
	r.waiting++
	return func() bool { r.waiting--; return true }
}

// TestDelayedIsForgotten: once the owner's Context has ended, nothing is left with the parent, nor
// with the outer one, and no timer.
func TestDelayedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, begins := range []bool{false, true} {
			ended, cancel := context.WithCancel(t.Context())
			defer cancel()
			parent, outer := &remembering{Context: ended}, &remembering{Context: t.Context()}
			d := endctx.NewDelayed(parent, outer, time.Minute, errLate)
			o := newOwner("a", d)
			d.Watch()
			if begins {
				cancel()
			}
			if begun(d) != begins || parent.waiting != 1 || outer.waiting == 1 != begins {
				t.Errorf("begun %v: %d wait for the parent, %d for outer", begun(d), parent.waiting, outer.waiting)
			}
			o.ctx.End(errEnded)
			if parent.waiting != 0 || outer.waiting != 0 {
				t.Errorf("after the end %d wait for the parent, %d for outer", parent.waiting, outer.waiting)
			}
			time.Sleep(time.Hour)
			if !begun(d) || d.Err() != nil {
				t.Errorf("after the end: begun %v, Err = %v", begun(d), d.Err())
			}
			if o.check(t, context.Canceled, errEnded); t.Failed() {
				return
			}
			d.Watch() // too late
			if parent.waiting != 0 {
				t.Error("it waits for its parent though it is over")
			}
		}
	})
}

// TestEither: whichever ends first says with what, and nothing is left with the other.
func TestEither(t *testing.T) {
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel()
	ended, end := context.WithCancelCause(t.Context())
	end(errParent)
	for name, c := range map[string]struct {
		ctx, other context.Context
		err, cause error
	}{
		"none":            {t.Context(), t.Context(), nil, nil},
		"the first":       {ended, t.Context(), context.Canceled, errParent},
		"the first, late": {past, t.Context(), context.DeadlineExceeded, context.DeadlineExceeded},
		"the other":       {t.Context(), ended, context.Canceled, errParent},
		"the other, late": {t.Context(), past, context.DeadlineExceeded, context.DeadlineExceeded},
		"both":            {past, ended, context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		ctx, done := endctx.Either(context.WithValue(c.ctx, otherKey{}, name), c.other)
		if ctx.Err() != c.err || context.Cause(ctx) != c.cause || ctx.Value(otherKey{}) != name {
			t.Errorf("%s: %v, %v", name, ctx.Err(), context.Cause(ctx))
		}
		if done(); ctx.Err() == nil {
			t.Errorf("%s: it goes on", name)
		}
	}
	other := &remembering{Context: t.Context()}
	_, done := endctx.Either(t.Context(), other)
	if done(); other.waiting != 0 {
		t.Error("it still waits for the other")
	}
}
