// Package endctx has a cancel context whose methods look at the clock before they answer.
//
// A process that was stopped (SIGSTOP, a debugger, a starved machine) runs on for up to
// milliseconds before the runtime fires a timer. Code that looks at its context in that time must
// already find it done.
package endctx

import (
	"context"
	"sync/atomic"
	"time"
)

// Owner is what a Context belongs to.
type Owner interface {
	// Look ends the Context if its time is up.
	Look()
	// Named says of which owner err is the cause. An error that it returned it returns unchanged.
	Named(err error) error
	// Value returns the owner's value for a key, or nil. ours is whether only owners have values for
	// such keys: the parent is asked without the need of a standard context.
	Value(key any) (value any, ours bool)
	// String is part of the Context's own String.
	String() string
}

// Context is derived from a parent and ends by End. Inside is a standard cancel context, to which
// children made by package context attach at the cost of no goroutine. It is made when somebody
// first needs it: a lock that is held and given back without that costs neither it nor its place
// among the children of the parent. The parent's end is found by looking, and then noted for good.
//
// It is safe for concurrent use after Init and must not be copied.
type Context[O Owner] struct {
	parent context.Context
	owner  O
	state  atomic.Pointer[state] // nil: not ended, and nobody has needed the standard context
}

// state is either a standard context, which is all that counts from then on, or an end without
// one.
type state struct {
	std    context.Context
	cancel context.CancelCauseFunc
	err    error // of an end without a standard context
	cause  error // of such an end; nil if the end was the parent's
	shared bool  // the cause does not name the owner yet
}

// End is an end that many Contexts share, so that it costs no memory. Its owner is named in the
// cause only if somebody asks for it.
type End struct{ state }

// NewEnd returns the end with that cause.
func NewEnd(cause error) *End { return &End{state{err: context.Canceled, cause: cause, shared: true}} }

// Init sets the parent and the owner, before all else.
func (c *Context[O]) Init(parent context.Context, owner O) { c.parent, c.owner = parent, owner }

// Parent returns the parent.
func (c *Context[O]) Parent() context.Context { return c.parent }

// Deadline returns the parent's.
func (c *Context[O]) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done looks at the clock, and returns the standard context's channel.
func (c *Context[O]) Done() <-chan struct{} {
	_ = c.Err()
	return c.standard().Done()
}

// Err looks at the clock and at the parent.
func (c *Context[O]) Err() error { return c.look(true) }

// peek is Err that waits for nobody: it may miss the end of a context of package context between this one and the
// Context that has ended.
func (c *Context[O]) peek() error { return c.look(false) }

func (c *Context[O]) look(mayWait bool) error {
	if err := c.Noted(); err != nil {
		return err
	}
	c.owner.Look()
	if c.poll(mayWait) && mayWait {
		settle(c.parent)
	}
	return c.Noted()
}

// Value returns the owner's values, and the parent's.
func (c *Context[O]) Value(key any) any {
	switch v, ours := c.owner.Value(key); {
	case v != nil:
		return v
	case ours:
		return c.parent.Value(key)
	case key == any(aboveKey{}):
		return c
	}
	// Among the other keys is the one by which package context finds the standard context, to
	// attach a child to it or to ask for the cause.
	return c.standard().Value(key)
}

// Cause is context.Cause of it.
func (c *Context[O]) Cause() error {
	if c.Err() == nil {
		return nil
	}
	switch st := c.state.Load(); {
	case st.std != nil:
		return context.Cause(st.std)
	case st.shared:
		c.state.CompareAndSwap(st, &state{err: st.err, cause: c.owner.Named(st.cause)})
		return c.Cause() // the same to all who ask
	case st.cause != nil:
		return st.cause
	default:
		return context.Cause(c.parent)
	}
}

// Noted is Err as far as it is known, without a look at the clock or the parent. It may be called
// with mutexes held.
func (c *Context[O]) Noted() error {
	switch st := c.state.Load(); {
	case st == nil:
		return nil
	case st.std != nil:
		return st.std.Err()
	default:
		return st.err
	}
}

// Poll notes the parent's end. The parent may be anybody's, and look at an owner of its own: so no
// mutex may be held. It waits for nobody: the watchdog, which serves all, calls it.
func (c *Context[O]) Poll() { c.poll(false) }

// poll is Poll, or with mayWait one that waits as a look at the parent does. It reports whether the parent has
// ended and it is left to whoever ended that to tell the standard context inside.
func (c *Context[O]) poll(mayWait bool) (told bool) {
	st := c.state.Load()
	if st != nil && st.std == nil {
		return false
	}
	err := errOf(c.parent, mayWait) // one that looks at a clock of its own ends by being asked
	switch {
	case err == nil:
		return false
	case st == nil && c.state.CompareAndSwap(nil, &state{err: err}):
		return false
	}
	return c.state.Load().std != nil
}

// End ends the context with a cause, if it has not ended. No mutex may be held: see Poll.
func (c *Context[O]) End(cause error) {
	c.end(&state{err: context.Canceled, cause: c.owner.Named(cause)})
}

// EndAs is End with a cause that many share.
func (c *Context[O]) EndAs(end *End) { c.end(&end.state) }

func (c *Context[O]) end(end *state) {
	c.Poll()
	if !c.state.CompareAndSwap(nil, end) {
		if st := c.state.Load(); st.std != nil {
			st.cancel(c.owner.Named(end.cause))
		}
	}
	if d, ok := c.parent.(*Delayed); ok {
		d.stop()
	}
}

// errOf is the Err of a context, of one of this package without a wait unless it may wait.
func errOf(ctx context.Context, mayWait bool) error {
	if c, ours := ctx.(interface{ peek() error }); ours && !mayWait {
		return c.peek()
	}
	return ctx.Err()
}

type aboveKey struct{}

// Above returns the next Context that ctx comes from, or is; nil if there is none.
func Above(ctx context.Context) context.Context {
	c, _ := ctx.Value(aboveKey{}).(context.Context)
	return c
}

// settle waits, if the next Context above has ended, until whoever ended it has told all that comes from it:
// one who looks in between must not find that live. Package context tells them with a mutex held, and
// calls nothing of others meanwhile.
func settle(ctx context.Context) {
	if c, ok := Above(ctx).(interface{ settle() }); ok {
		c.settle()
	}
}

func (c *Context[O]) settle() {
	if st := c.state.Load(); st != nil && st.std != nil && st.std.Err() != nil {
		st.cancel(nil) // takes the mutex, and changes nothing
	}
}

// standard returns the standard context inside.
func (c *Context[O]) standard() context.Context {
	for {
		was := c.state.Load()
		if was != nil && was.std != nil {
			return was.std
		}
		parent := c.parent
		if was != nil && was.cause != nil {
			parent = context.WithoutCancel(parent) // its end would be another than the noted one
		}
		is := new(state)
		is.std, is.cancel = context.WithCancelCause(parent)
		if was != nil {
			is.cancel(c.owner.Named(was.cause))
		}
		if c.state.CompareAndSwap(was, is) {
			return is.std
		}
		is.cancel(nil)
	}
}

// String is what fmt prints; by itself fmt would look at fields that change.
func (c *Context[O]) String() string { return "context of " + c.owner.String() }

// GoString is what fmt prints for %#v: the same.
func (c *Context[O]) GoString() string { return c.String() }
