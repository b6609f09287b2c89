package holdfast

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Mutex is one lock, known by its name to everybody on the same Redis. It holds no state
// but its options: two Mutexes of one name are the same lock. It is safe for concurrent
// use and must not be copied.
type Mutex struct {
	_    noCopy
	l    *Locker
	name string
	conf *config
	err  error // what is wrong with the name or the options
	keys atomic.Pointer[store.Lock]
}

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Mutex returns the lock of that name: any bytes, at most [MaxNameLen], the Redis key
// itself. Names that start with "holdfast:" and a digit are reserved; on a Cluster, a
// name with a } and no {hash tag} is refused. It does no I/O. What is wrong with the name
// or the options is the error of [Mutex.Err] and of every use.
func (l *Locker) Mutex(name string, opts ...Option) *Mutex {
	m := &Mutex{l: l, name: name}
	switch {
	case name == "":
		m.err = invalid("the name is empty")
	case len(name) > MaxNameLen:
		m.err = invalid("the name has %d bytes, more than %d", len(name), MaxNameLen)
	}
	if m.err == nil {
		if err := l.store.Validate(name); err != nil {
			m.err = invalid("%w", err)
		}
	}
	conf, err := l.conf, l.confErr
	if len(opts) > 0 {
		conf, err = defaults().with(append(l.opts[:len(l.opts):len(l.opts)], opts...))
	}
	if m.conf = conf; m.err == nil {
		m.err = err
	}
	return m
}

// lock returns the lock's keys, which most often its last request had, too.
func (m *Mutex) lock() *store.Lock {
	keys := m.keys.Load()
	if keys == nil {
		keys = store.NewLock(m.name)
		m.keys.Store(keys)
	}
	return keys
}

// Name returns the lock's name.
func (m *Mutex) Name() string { return m.name }

// String names the lock. Without it, fmt would show a token that the options give.
func (m *Mutex) String() string { return "holdfast lock " + quote(m.name) }

// GoString is String, for the same reason.
func (m *Mutex) GoString() string { return m.String() }

// Err returns what is wrong with the lock's name or options, as an ErrInvalid, or nil.
func (m *Mutex) Err() error { return wrap("lock", m.name, m.err) }

// Acquire takes the lock, waiting in line while others hold it, first come, first served,
// and returns the session that holds it. The session's context is derived from ctx, which
// so bounds the wait and the hold; the caller must call [Session.Release].
//
// ErrWaitTimeout, ErrNested, ErrInvalid and ErrClosed are reported as such, the end of
// ctx as its cause and its Err. An error of Redis or of the network at the first try is
// returned at once, or after a few more if it may be of a connection that had broken unnoticed or of
// a failover of a Cluster; once the lock is known to be held by another, those that may pass are
// tried again, with back-off, until ctx or the wait timeout ends, and the last one is
// joined to the result. When Acquire fails it leaves nothing behind in Redis: a request
// whose outcome is unknown is taken back in the background, for 5 s at most. While a request
// is on its way to a server that does not answer, it may be 50 ms until the end of ctx is noticed.
func (m *Mutex) Acquire(ctx context.Context, opts ...Option) (*Session, error) {
	s, err := m.acquire(ctx, opts, campaign{})
	return s, wrap("acquire", m.name, err)
}

// TryAcquire tries once to take the lock, and returns ErrHeld if another holds it or waits
// for it. For all else see [Mutex.Acquire].
func (m *Mutex) TryAcquire(ctx context.Context, opts ...Option) (*Session, error) {
	s, err := m.acquire(ctx, opts, campaign{once: true})
	return s, wrap("try to acquire", m.name, err)
}

// Lock acquires the lock and returns its session's context, and the function that
// releases it, which waits for the session's groups:
//
//	ctx, release := mu.Lock(ctx)
//	defer release()
//	if ctx.Err() != nil {
//		return context.Cause(ctx)
//	}
//
// If the lock can't be had, the context is already done, context.Cause(ctx) says why, and
// release does nothing. The session is [FromContext] of the context.
func (m *Mutex) Lock(ctx context.Context, opts ...Option) (context.Context, func()) {
	s, err := m.Acquire(ctx, opts...)
	if err != nil {
		failed, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return failed, func() {}
	}
	// What release could report is in the log: a lock that was lost has told its context,
	// and one that can't be given back expires.
	return s.Context(), func() { _ = s.Release(context.WithoutCancel(ctx)) }
}

// Do acquires the lock, runs fn under it, waits for fn and releases the lock, also if fn
// panics. It returns fn's error. If the session ended before fn returned, because the
// lock was lost or its maximum hold reached, that cause is joined: with
// errors.Is(err, ErrLost) the work may have overlapped with another's, as far as it
// ignored its context.
func (m *Mutex) Do(ctx context.Context, fn func(context.Context) error) error {
	s, err := m.Acquire(ctx)
	if err != nil {
		return err
	}
	return s.term(ctx, fn)
}

// term runs fn under the session and ends the session.
func (s *Session) term(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() { // also when fn panics or calls runtime.Goexit
		cause := s.Err()
		released := s.Release(context.WithoutCancel(ctx))
		if errors.Is(cause, ErrLost) || errors.Is(cause, ErrMaxHold) || errors.Is(cause, ErrClosed) {
			err = join(err, cause)
		}
		if errors.Is(released, ErrLost) {
			err = join(err, released)
		}
	}()
	return fn(s.Context())
}

// Resume takes up a lease by its token: one that another session detached, or that
// another process, in whatever language, acquired with SET NX. The new session has its
// own attempt and a new fence, and at least the full TTL; a session that held the lease
// until now is told, and ends at its next renewal at the latest. If the token does not hold
// the lock, the error is ErrGone or ErrTaken, both of which are ErrLost. WithToken has no
// effect here.
func (m *Mutex) Resume(ctx context.Context, token string, opts ...Option) (*Session, error) {
	s, err := m.resume(ctx, opts, token)
	return s, wrap("resume", m.name, err)
}

// Locked reports whether anybody holds the lock.
func (m *Mutex) Locked(ctx context.Context) (bool, error) {
	r, err := m.ask(ctx, m.l.store.Inspect)
	return err == nil && r.Status != store.Gone, wrap("look at", m.name, err)
}

// ask sends a request about the lock that is nobody's in particular.
func (m *Mutex) ask(ctx context.Context, request func(*store.Lock) store.Call) (store.Reply, error) {
	mustContext(ctx)
	if m.err != nil {
		return store.Reply{}, m.err
	}
	ctx, done := m.l.bind(ctx)
	defer done()
	r, err := m.l.ask(ctx, request(m.lock()))
	return r, ended(ctx, err)
}

// bind returns a context that ends with ctx or, with ErrClosed, with the Locker.
func (l *Locker) bind(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(ErrClosed) })
	if l.ctx.Err() != nil {
		cancel(ErrClosed) // at once
	}
	return ctx, func() { stop(); cancel(nil) }
}

// ended adds a done context's Err to its cause, so that errors.Is finds both.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, ctx.Err())
}

func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("holdfast: nil context")
	}
}
