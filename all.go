package holdfast

import (
	"context"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/internal/several"
	"github.com/holdfast-go/holdfast/internal/term"
)

// MaxLocks is how many locks [Locker.AcquireAll] takes at most.
const MaxLocks = several.MaxLocks // 256

// Sessions is one hold of several locks, each by a session of its own. Its context is done as soon as
// the first of them ends. The others are still held, and renewed, until Release, so work that notices
// can end in order. Sessions are safe for concurrent use and must not be copied.
type Sessions struct {
	l   *Locker
	all several.All[*holder]
}

// AcquireAll takes the locks of all these names and returns when it has them all. The order of names does
// not matter, and a name that comes twice counts once; there are at most [MaxLocks]. The caller must
// call [Sessions.Release].
//
// It takes what is free in one request, up to the first lock that another holds or waits for, in the
// order of the names' bytes. For that lock it waits in line, while it holds those before it. Everybody
// who uses AcquireAll does so, so two calls never wait for each other, whatever their names. A call within
// another session, of a lock that comes later in the order, is not protected so: take all locks in
// one call. On a Cluster a request is for neighbours in the order that have the same {hash tag}.
//
// Options count for each lock as in [Mutex.Acquire]; [WithWaitTimeout] bounds the whole wait, and
// [WithToken] gives all keys the same token. ctx bounds the wait and, as the parent, the hold. The
// errors are those of [Mutex.Acquire], each of which names its lock, and the ErrLost or ErrMaxHold of a
// lock that ended while AcquireAll waited for another. Then what it had is given back, and nothing is
// left behind in Redis.
func (l *Locker) AcquireAll(ctx context.Context, names []string, opts ...Option) (*Sessions, error) {
	return l.acquireAll(ctx, "acquire", names, opts, false)
}

// TryAcquireAll tries once to take all these locks, or none: if another holds one of them or waits for
// it, the error is ErrHeld and names the first such lock. Others never see some of the locks taken for a
// moment, except on a Cluster if the names don't have the same {hash tag}. Otherwise it is like
// [Locker.AcquireAll], with the bounds of [Mutex.TryAcquire].
func (l *Locker) TryAcquireAll(ctx context.Context, names []string, opts ...Option) (*Sessions, error) {
	return l.acquireAll(ctx, "try to acquire", names, opts, true)
}

// DoAll acquires all these locks, calls fn with the context of the Sessions, and releases them when fn
// returns or panics. Errors are those of [Mutex.Do].
func (l *Locker) DoAll(ctx context.Context, names []string, fn func(context.Context, *Sessions) error, opts ...Option) error {
	a, err := l.AcquireAll(ctx, names, opts...)
	if err != nil {
		return err
	}
	return term.Run(ctx, a, func(ctx context.Context) error { return fn(ctx, a) })
}

// Context returns the context, which is derived from the one given to AcquireAll. It is done when that
// is, when the first of the sessions ends, before its lock can expire, or when Release is called.
// [context.Cause] returns the reason, which names the lock. An errgroup of the caller's on this context
// must end before Release is called.
func (a *Sessions) Context() context.Context { return a.all.Context() }

// Done is Context().Done().
func (a *Sessions) Done() <-chan struct{} { return a.all.Context().Done() }

// Err returns nil while all locks are held, and after that why the first of them is not.
func (a *Sessions) Err() error { return a.all.Cause() }

// All yields the sessions by name, in the order of the names' bytes.
func (a *Sessions) All() iter.Seq2[string, *Session] {
	return func(yield func(string, *Session) bool) {
		for _, h := range a.all.Held() {
			if !yield(h.Name(), h.session()) {
				return
			}
		}
	}
}

// Session returns the session of that name; nil if it is not one of the names.
func (a *Sessions) Session(name string) *Session {
	if h, found := a.all.Find(name); found {
		return h.session()
	}
	return nil
}

// Fence returns the fence of that name's session: see [Session.Fence]. It is 0 if the name is not one of
// the names.
func (a *Sessions) Fence(name string) int64 {
	if s := a.Session(name); s != nil {
		return s.fence
	}
	return 0
}

// ValidUntil returns the earliest [Session.ValidUntil] of all; zero if no lock has an expiry.
func (a *Sessions) ValidUntil() (first time.Time) {
	for _, s := range a.All() {
		if until := s.ValidUntil(); first.IsZero() || !until.IsZero() && until.Before(first) {
			first = until
		}
	}
	return first
}

// Check is [Session.Check] of all, at once. The errors are joined.
func (a *Sessions) Check(ctx context.Context) error {
	mustContext(ctx)
	return a.each(func(s *Session) error { return s.Check(ctx) })
}

// Release ends the context, with ErrReleased, and gives all locks back, in one round trip as far as they
// are at one server. It is [Session.Release] of all at once; the errors are joined, and each names its
// lock.
func (a *Sessions) Release(ctx context.Context) error {
	mustContext(ctx)
	_ = a.all.Cause() // unless it has ended
	a.all.End(ErrReleased)
	return a.each(func(s *Session) error { return s.Release(ctx) })
}
