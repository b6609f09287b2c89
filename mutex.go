package holdfast

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/term"
)

// Mutex is one lock. Its name identifies it to all users of the same Redis. A Mutex has no
// state but its options: two Mutexes of one name are the same lock. It is safe for
// concurrent use and must not be copied.
type Mutex struct{ handle }

// handle is what the kinds of locks have in common.
type handle struct {
	_      noCopy
	l      *Locker
	lock   lease.Lock
	conf   *config
	err    error // what is wrong with the name or the options
	limit  int32 // of permits; 0 of a mutex
	weight int32 // how many permits each session takes; 0 if options may say it
}

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Mutex returns the lock of that name, which is the Redis key: any bytes, at least one and
// at most [MaxNameLen]. Names that start with "holdfast:" and a digit are reserved; on a
// Cluster, a name with a } and no {hash tag} is refused. Mutex does no I/O. If the name or
// an option is refused, [Mutex.Err] and every use return an ErrInvalid that says why.
func (l *Locker) Mutex(name string, opts ...Option) *Mutex {
	m := new(Mutex)
	m.limit = mutexPermits
	m.init(l, name, opts)
	return m
}

// mutexPermits is 0, a mutex. Tests set it to 1: what is said of a mutex holds for a semaphore of one
// permit, too.
var mutexPermits int32

// init makes it the lock of that name, a mutex if the limit is 0.
func (m *handle) init(l *Locker, name string, opts []Option) {
	m.l, m.lock.Env, m.lock.Name = l, &l.engine.Env, name
	if m.limit != 0 {
		m.lock.Kind = store.Permits
	}
	if err := l.engine.Store.Validate(name); err != nil && m.err == nil {
		m.err = invalid("%w", err)
	}
	conf, err := l.conf, l.confErr
	if len(opts) > 0 || m.limit != 0 || conf.HasWeight {
		conf, err = l.defaults().with(append(l.opts[:len(l.opts):len(l.opts)], opts...))
		if err == nil {
			err = m.fit(conf)
		}
		conf = l.shared(conf)
	}
	if m.conf = conf; m.err == nil {
		m.err = err
	}
}

// fit refuses settings that are for another kind of lock, and completes the others.
func (m *handle) fit(conf *config) error {
	if err := conf.Share(int(m.limit), int(m.weight)); err != nil {
		return invalid("%w", err)
	}
	return nil
}

// Name returns the lock's name.
func (m *handle) Name() string { return m.lock.Name }

// String names the lock. Without it, fmt would show a token that the options give.
func (m *handle) String() string { return "holdfast lock " + operr.Quote(m.lock.Name) }

// GoString is String, for the same reason.
func (m *handle) GoString() string { return m.String() }

// Err returns what is wrong with the lock's name or options, as an ErrInvalid, or nil.
func (m *handle) Err() error { return operr.Wrap("lock", m.lock.Name, m.err) }

// Acquire takes the lock and returns the session that holds it. While others hold it,
// Acquire waits; waiters are served in the order in which they came. ctx bounds the wait and,
// as the parent of the session's context, the hold. The caller must call [Session.Release].
// A helper that bounds the wait by a context of its own gives it to [WithWaitContext], since the
// session of a context that is cancelled when the helper returns is over by then.
//
// The error is ErrWaitTimeout, ErrNested, ErrInvalid or ErrClosed, or the cause of ctx's end
// (and its Err). A Redis or network error at the first try is returned, after a few more tries
// if a connection had just broken or a Cluster fails over; while the lock's slot moves to
// another node, Acquire waits. Once another is known to hold the lock, errors that may pass are
// retried with back-off until ctx or the wait timeout ends; the last is joined to the result.
//
// If Acquire fails, it leaves nothing behind in Redis: a request that may have run is undone in
// the background, until Redis answers or what it took has expired. If the server does not
// answer, the end of ctx may be noticed 50 ms late.
func (m *handle) Acquire(ctx context.Context, opts ...Option) (*Session, error) {
	s, err := m.acquire(ctx, opts, false)
	return s, operr.Wrap("acquire", m.lock.Name, err)
}

// TryAcquire tries once to take the lock, and returns ErrHeld if another holds it or waits
// for it. If the server hangs, it waits for the answer until the client's time-outs end,
// 5 s by default, or until ctx is done, which also bounds the hold; Acquire with a
// [WithWaitTimeout] of 0 waits for the answer at most 1 s. Otherwise it is like
// [Mutex.Acquire], and a helper's own context belongs into [WithWaitContext] here, too.
func (m *handle) TryAcquire(ctx context.Context, opts ...Option) (*Session, error) {
	s, err := m.acquire(ctx, opts, true)
	return s, operr.Wrap("try to acquire", m.lock.Name, err)
}

// Lock acquires the lock as [Mutex.Acquire] does. It returns the session's context, and a
// function that waits for the session's groups and releases the lock:
//
//	ctx, release := mu.Lock(ctx)
//	defer release()
//	if ctx.Err() != nil {
//		return context.Cause(ctx)
//	}
//
// If the lock was not acquired, the context is already done, and context.Cause(ctx) says why.
// [FromContext] of the context returns the session.
//
// release returns nil only if the lock was held from Lock's return until release gave it back.
// Otherwise it returns why the lock was not acquired, or the ErrLost, ErrMaxHold or ErrClosed
// that ended the session, even if nobody had looked at the context by then, or what
// [Session.Release] returns. After a loss, context.Cause(ctx) stays the loss. A program that
// must know whether its work was alone to the end uses release's error:
//
//	defer func() { err = errors.Join(err, release()) }()
//
// release may be called again, and concurrently.
func (m *handle) Lock(ctx context.Context, opts ...Option) (_ context.Context, release func() error) {
	s, err := m.Acquire(ctx, opts...)
	if err != nil {
		failed, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return failed, func() error { return err }
	}
	return s.Context(), func() error {
		cause, released := term.Conclude(ctx, s)
		return operr.Join(cause, released)
	}
}

// Do acquires the lock as [Mutex.Acquire] does, calls fn with the session's context, and releases
// the lock when fn returns or panics. It returns fn's error. If the session ended before fn
// returned (ErrLost, ErrMaxHold, ErrClosed), that cause is joined. If errors.Is(err, ErrLost), fn
// may have overlapped with another holder's work for as long as it ignored its context.
func (m *handle) Do(ctx context.Context, fn func(context.Context) error, opts ...Option) error {
	s, err := m.Acquire(ctx, opts...)
	if err != nil {
		return err
	}
	return term.Run(ctx, s, fn)
}

// Resume makes a session of a lock that is held by its token: after [Session.Detach], or after
// another process, in any language, acquired it with SET NX. The session has an attempt of its
// own, a new fence, and at least the full TTL; a lock without expiry stays one, as if by
// [WithoutExpiry]. A session that held the lock until now is notified, and ends at its next
// renewal at the latest. If the token does not hold the lock, the error is ErrGone or ErrTaken, both of
// which are ErrLost. WithToken has no effect here. ctx is as in [Mutex.Acquire].
func (m *handle) Resume(ctx context.Context, token string, opts ...Option) (*Session, error) {
	s, err := m.resume(ctx, opts, token)
	return s, operr.Wrap("resume", m.lock.Name, err)
}

// Locked asks Redis whether anybody holds the lock. ctx bounds the request.
func (m *handle) Locked(ctx context.Context) (bool, error) {
	r, err := m.ask(ctx, m.l.engine.Store.Inspect, false)
	return err == nil && r.Status != store.Gone, operr.Wrap("look at", m.lock.Name, err)
}

// ask sends a request about the lock that is nobody's in particular. once: its second run would not spare
// the next holder or, with a fence, would find only that one.
func (m *handle) ask(ctx context.Context, request func(*store.Lock) store.Call, once bool) (store.Reply, error) {
	mustContext(ctx)
	if m.err != nil {
		return store.Reply{}, m.err
	}
	return m.l.engine.Ask(ctx, request(m.lock.Keys()), once)
}

func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("holdfast: nil context")
	}
}
