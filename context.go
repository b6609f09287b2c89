package holdfast

import "context"

// sessionContext is a standard cancel context whose methods look at the clock first. A
// process that was stopped (SIGSTOP, a debugger, a starved machine) runs on for up to
// milliseconds before the runtime fires a timer; code that looks at its context in that
// time must already find it done. Children made by the context package attach to the
// cancel context inside, so they cost no goroutine.
type sessionContext struct {
	context.Context
	s *Session
}

func (c *sessionContext) Done() <-chan struct{} {
	_ = c.Err()
	return c.Context.Done()
}

func (c *sessionContext) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	c.s.lease.look()
	return c.Context.Err()
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
	case withinKey:
		if k.s == c.s {
			return c.s
		}
	}
	return c.Context.Value(key)
}

// FromContext returns the session that ctx comes from, the innermost if several: where
// [Mutex.Lock], [Mutex.Do] and [Mutex.Lead] hand out a context alone, it gives the fence.
func FromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}
