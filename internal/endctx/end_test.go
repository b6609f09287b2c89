package endctx_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestEnds: the first end counts, whatever it is and whenever the standard context is made. Err,
// Done and the cause then say the same to all who ask.
func TestEnds(t *testing.T) {
	type how struct {
		o      *owner
		cancel context.CancelCauseFunc // of the parent
	}
	end := func(h how) { h.o.ctx.End(errEnded) }
	endAs := func(h how) { h.o.ctx.EndAs(endShared) }
	over := func(h how) { h.o.over.Store(true); _ = h.o.ctx.Err() }
	parent := func(h how) { h.cancel(errParent); _ = h.o.ctx.Err() }
	poll := func(h how) { h.cancel(errParent); h.o.ctx.Poll() }
	deadline := func(how) { time.Sleep(2 * time.Hour) }
	for _, c := range []struct {
		name       string
		steps      []func(how)
		err, cause error
	}{
		{"End", []func(how){end}, context.Canceled, errEnded},
		{"EndAs", []func(how){endAs}, context.Canceled, errShared},
		{"its time", []func(how){over}, context.Canceled, errOver},
		{"the parent", []func(how){parent}, context.Canceled, errParent},
		{"the parent, by Poll", []func(how){poll}, context.Canceled, errParent},
		{"the parent, without a cause", []func(how){func(h how) { h.cancel(nil); h.o.ctx.Poll() }},
			context.Canceled, context.Canceled},
		{"the parent's deadline", []func(how){deadline, func(h how) { h.o.ctx.Poll() }},
			context.DeadlineExceeded, context.DeadlineExceeded},
		{"End, then another End", []func(how){end, endAs, over}, context.Canceled, errEnded},
		{"EndAs, then End", []func(how){endAs, end}, context.Canceled, errShared},
		{"End, then the parent", []func(how){end, parent}, context.Canceled, errEnded},
		{"EndAs, then the parent", []func(how){endAs, parent, deadline}, context.Canceled, errShared},
		{"End, then the parent, then EndAs", []func(how){end, parent, endAs}, context.Canceled, errEnded},
		{"the parent, then End", []func(how){parent, end}, context.Canceled, errParent},
		{"the parent unnoticed, then End", []func(how){func(h how) { h.cancel(errParent) }, end},
			context.Canceled, errParent},
		{"the parent's deadline unnoticed, then EndAs", []func(how){deadline, endAs},
			context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		for needed := -1; needed <= len(c.steps); needed++ {
			name := c.name + ", the standard context is "
			switch needed {
			case -1:
				name += "not needed before"
			case 0:
				name += "needed first"
			case len(c.steps):
				name += "needed last"
			default:
				name += "needed between"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					parent, stop := context.WithDeadline(parent, time.Now().Add(time.Hour))
					defer stop()
					h := how{newOwner("a", parent), cancel}
					for i, step := range c.steps {
						if i == needed {
							h.o.ctx.Done()
						}
						step(h)
					}
					if needed == len(c.steps) {
						h.o.ctx.Done()
					}
					h.o.check(t, c.err, c.cause)
				})
			})
		}
	}
}

// TestNotEnded: a Context that goes on says so.
func TestNotEnded(t *testing.T) {
	parent, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	o := newOwner("a", parent)
	for _, what := range []string{"before", "after"} {
		if o.ctx.Noted() != nil || o.ctx.Err() != nil || o.ctx.Cause() != nil {
			t.Errorf("%s the standard context was needed, it has ended with %v", what, o.ctx.Cause())
		}
		select {
		case <-o.ctx.Done():
			t.Errorf("%s: Done is closed", what)
		default:
		}
	}
	want, _ := parent.Deadline()
	if got, ok := o.ctx.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("Deadline is %v, %v, not the parent's", got, ok)
	}
	if o.ctx.Parent() != parent {
		t.Error("Parent is another")
	}
}

// TestSharedNamed: Contexts that share an end name each its own owner.
func TestSharedNamed(t *testing.T) {
	a, b := newOwner("a", t.Context()), newOwner("b", t.Context())
	a.ctx.EndAs(endShared)
	b.ctx.EndAs(endShared)
	for _, o := range []*owner{a, b, a} {
		o.check(t, context.Canceled, errShared)
		if n, ok := o.ctx.Cause().(*named); ok && n.o != o {
			t.Errorf("the cause of %v names %v", o, n.o)
		}
	}
}

// TestErrLooks: whoever asks whether the Context is done has its owner look first; Noted does not.
func TestErrLooks(t *testing.T) {
	for _, needed := range []bool{false, true} {
		for name, done := range map[string]func(*owner) bool{
			"Err":   func(o *owner) bool { return o.ctx.Err() != nil },
			"Cause": func(o *owner) bool { return o.ctx.Cause() != nil },
			"Done": func(o *owner) bool {
				select {
				case <-o.ctx.Done():
					return true
				default:
					return false
				}
			},
		} {
			o := newOwner("a", t.Context())
			if needed {
				o.ctx.Done()
			}
			if done(o) {
				t.Errorf("%s: it is done before its time", name)
			}
			o.over.Store(true)
			if looks := o.looks.Load(); o.ctx.Noted() != nil || o.looks.Load() != looks {
				t.Errorf("%s: Noted has looked", name)
			}
			if !done(o) {
				t.Errorf("%s: it is not done after its time", name)
			}
			if looks := o.looks.Load(); !done(o) || o.looks.Load() != looks {
				t.Errorf("%s: the owner had to look again after the end", name)
			}
		}
	}
}

// TestParentLooks: a parent that has its owner look is made to.
func TestParentLooks(t *testing.T) {
	for _, needed := range []bool{false, true} {
		outer := newOwner("outer", t.Context())
		inner := newOwner("inner", &outer.ctx)
		if needed {
			inner.ctx.Done()
		}
		outer.over.Store(true)
		if inner.ctx.Err() == nil {
			t.Errorf("standard context made: %v: the parent's time is up, and Err is nil", needed)
		}
		if cause, ok := inner.ctx.Cause().(*named); !ok || cause.o != outer {
			t.Errorf("standard context made: %v: the cause is %v", needed, inner.ctx.Cause())
		}
	}
}
