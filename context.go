package holdfast

import (
	"context"
	"sync/atomic"
	"time"
)

// sessionContext is a cancel context whose methods look at the clock first. A process
// that was stopped (SIGSTOP, a debugger, a starved machine) runs on for up to milliseconds
// before the runtime fires a timer; code that looks at its context in that time must
// already find it done.
//
// Inside is a standard cancel context, to which children made by the context package
// attach at the cost of no goroutine. It is made when somebody first needs it: a lock that
// is held and given back without that costs neither it nor its place among the children of
// the parent. The parent's end is found by looking, and then noted for good.
type sessionContext struct {
	parent context.Context // the caller's
	s      *Session
	state  atomic.Pointer[contextState] // nil: not ended, and nobody has needed the standard one
}

// contextState is either a standard context, which is all that counts from then on, or an
// end without one.
type contextState struct {
	std    context.Context
	cancel context.CancelCauseFunc
	err    error // of the end without
	cause  error // likewise; nil if the end was the parent's
}

func (c *sessionContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

func (c *sessionContext) Done() <-chan struct{} {
	_ = c.Err()
	return c.standard().Done()
}

func (c *sessionContext) Err() error {
	if err := c.noted(); err != nil {
		return err
	}
	c.s.lease.look()
	c.poll()
	return c.noted()
}

// cause is context.Cause of it.
func (c *sessionContext) cause() error {
	if c.Err() == nil {
		return nil
	}
	switch st := c.state.Load(); {
	case st.std != nil:
		return context.Cause(st.std)
	case st == endReleased:
		c.state.CompareAndSwap(st, &contextState{err: st.err, cause: c.named(st.cause)})
		return c.cause() // the same to all who ask
	case st.cause != nil:
		return st.cause
	default:
		return context.Cause(c.parent)
	}
}

// noted is Err as far as it is known, without a look at the clock or the parent. It may be
// called with locks held.
func (c *sessionContext) noted() error {
	switch st := c.state.Load(); {
	case st == nil:
		return nil
	case st.std != nil:
		return st.std.Err()
	default:
		return st.err
	}
}

// poll notes the parent's end. The parent may be anybody's, and look at its own lease: so
// it must not be called with locks held.
func (c *sessionContext) poll() {
	if c.state.Load() != nil {
		return
	}
	if err := c.parent.Err(); err != nil {
		c.state.CompareAndSwap(nil, &contextState{err: err})
	}
}

// endReleased is the end of most. The lock is named if somebody asks.
var endReleased = &contextState{err: context.Canceled, cause: ErrReleased}

// end ends the context, if it has not ended. Not to be called with locks held: see poll.
func (c *sessionContext) end(cause error) {
	end := endReleased
	if cause != ErrReleased {
		end = &contextState{err: context.Canceled, cause: c.named(cause)}
	}
	c.poll()
	if c.state.CompareAndSwap(nil, end) {
		return
	}
	if st := c.state.Load(); st.std != nil {
		st.cancel(c.named(end.cause))
	}
}

// String is what fmt prints; by itself it would look at fields that change.
func (c *sessionContext) String() string { return "context of " + c.s.String() }

// GoString is what fmt prints for %#v: the same.
func (c *sessionContext) GoString() string { return c.String() }

// named says of which lock it is the cause.
func (c *sessionContext) named(cause error) error { return c.s.wrap("hold", cause) }

// standard returns the standard context inside.
func (c *sessionContext) standard() context.Context {
	for {
		was := c.state.Load()
		if was != nil && was.std != nil {
			return was.std
		}
		parent := c.parent
		if was != nil && was.cause != nil {
			parent = context.WithoutCancel(parent) // whose end would be another than the noted one
		}
		is := new(contextState)
		is.std, is.cancel = context.WithCancelCause(parent)
		if was != nil {
			is.cancel(c.named(was.cause))
		}
		if c.state.CompareAndSwap(was, is) {
			return is.std
		}
		is.cancel(nil)
	}
}

// The keys under which a session's context answers.
type (
	// sessionKey: the innermost session.
	sessionKey struct{}
	// nestKey: the session of this lock.
	nestKey struct {
		l    *Locker
		name string
	}
	// withinKey: this session.
	withinKey struct{ s *Session }
)

func (c *sessionContext) Value(key any) any {
	switch k := key.(type) {
	case sessionKey:
		return c.s
	case nestKey:
		if k.l == c.s.lease.m.l && k.name == c.s.lease.m.name {
			return c.s
		}
		return c.parent.Value(key)
	case withinKey:
		if k.s == c.s {
			return c.s
		}
		return c.parent.Value(key)
	}
	// Among the other keys is the one by which the context package finds the standard context,
	// to attach a child to it or to ask for the cause.
	return c.standard().Value(key)
}

// FromContext returns the session that ctx comes from, the innermost if several: where
// [Mutex.Lock], [Mutex.Do] and [Mutex.Lead] hand out a context alone, it gives the fence.
func FromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}
