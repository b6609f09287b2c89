package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// forever is later than any time of the clock.
const forever = time.Duration(math.MaxInt64)

// Session is one hold of a lock, from its acquisition to its release or loss. Its
// context is derived from the one given to Acquire, and is done before the lock can
// expire in Redis. It is safe for concurrent use and must not be copied.
type Session struct {
	lease *lease
	conf  *config
	fence int64
	began time.Duration // clock time of the acquisition
	ctx   sessionContext

	// Under the lease's mu.
	holdUntil time.Duration // clock time of the maximum hold
	releasing int32         // calls of Release or Detach that wait for the groups
	working   int32         // functions of groups that are running
	drained   chan struct{} // closed when none is; nil unless somebody waits
	last      *last         // once it is to be released or detached
}

// newSession makes the session of a call that holds the lease from the clock's time from.
func newSession(c *call, l *lease, from time.Duration, fence int64) *Session {
	s := &Session{
		lease: l, conf: c.conf, fence: fence, began: from, holdUntil: forever,
	}
	s.ctx.parent, s.ctx.s = c.parent, s
	if c.conf.hasMax {
		s.holdUntil = from + c.conf.maxHold // far from overflow: see maxDuration
	}
	return s
}

// held is how long ago the session began.
func (s *Session) held() time.Duration { return s.lease.m.l.clock.Now() - s.began }

// ended reports whether the context is done, as far as it is noted: see sessionContext.
func (s *Session) ended() bool { return s.ctx.noted() != nil }

// end ends the context with a cause that is not a loss, unless its time was up before.
func (s *Session) end(cause error) {
	if s.ended() {
		return
	}
	s.lease.look()
	s.ctx.end(cause)
}

// Context returns the session's context: derived from the one given to Acquire, and done
// when the session ends, whatever the reason; [context.Cause] tells it.
func (s *Session) Context() context.Context { return &s.ctx }

// Done is Context().Done().
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns nil while the session holds its lock, and then the cause of its end.
func (s *Session) Err() error { return s.ctx.cause() }

// Token returns the token, the secret by which the lock is released, extended or taken
// up. Whoever knows it can do so; therefore the lease of a session that was asked for it
// is given back to Redis at the end, and not passed on to another call of this process.
// Of a session that was passed on already it is empty: it is its successor's by then.
func (s *Session) Token() string {
	if !s.lease.keepPrivate(s) {
		return ""
	}
	return s.lease.ident().Token()
}

// Fence returns the fencing token: larger than that of every earlier acquisition of this
// name. A store that remembers the largest it has seen, and refuses a smaller one, is
// safe from a holder that does not know yet that it has been replaced (Kleppmann, "How to
// do distributed locking", 2016).
func (s *Session) Fence() int64 { return s.fence }

// ValidUntil returns the time up to which the lease is trusted by now, on this process's
// clock; renewals move it. It is zero for a lock without expiry.
func (s *Session) ValidUntil() time.Time {
	l := s.lease
	l.mu.Lock()
	until := l.validUntil
	l.mu.Unlock()
	if until == forever {
		return time.Time{}
	}
	return time.Now().Add(until - l.m.l.clock.Now())
}

// String names the session without its token.
func (s *Session) String() string {
	return fmt.Sprintf("holdfast session of %s, fence %d", quote(s.lease.m.name), s.fence)
}

// GoString is String: %#v must not show the token either.
func (s *Session) GoString() string { return s.String() }

// Check asks Redis whether the lock is still this session's: nil if so. If it is not,
// the session ends with the ErrLost that is returned. Other errors leave the question
// open. ctx bounds the request.
func (s *Session) Check(ctx context.Context) error {
	mustContext(ctx)
	return s.wrap("check", s.check(ctx))
}

func (s *Session) check(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	l := s.lease
	r, err := l.m.l.ask(ctx, l.m.l.store.Check(l.ident()))
	switch {
	case err != nil:
		return ended(ctx, err)
	case r.Status != store.Held:
		return l.lose(lossOf(r.Status))
	}
	return s.Err() // a late answer does not bring a session back
}

// Owned asks Redis whether the lock is still this session's. It is [Session.Check] in
// redis-py's form: false, and no error, if the session has ended.
func (s *Session) Owned(ctx context.Context) (bool, error) {
	mustContext(ctx)
	err := s.check(ctx)
	if s.Err() != nil {
		return false, nil
	}
	return err == nil, s.wrap("look at", err)
}

// Extend adds d to what is left of the TTL, as redis-py's extend does. The renewals go
// on and never shorten it. d is at least 1 ms; a fraction of that is dropped.
// ErrNoExpiry, ErrLost, or the cause of the session's end are reported as such.
func (s *Session) Extend(ctx context.Context, d time.Duration) error {
	mustContext(ctx)
	if d < time.Millisecond || d > maxDuration {
		return s.wrap("extend", invalid("%v to add is not between 1ms and %v", d, maxDuration))
	}
	return s.wrap("extend", s.extend(ctx, d, false))
}

// SetTTL replaces what is left of the TTL, as redis-py's extend does with replace_ttl.
// If that is less than the configured TTL, the next renewal, due in half of it, restores
// the configured TTL. A d that a session could not be held for is refused, as by
// [WithTTL]. For errors see [Session.Extend].
func (s *Session) SetTTL(ctx context.Context, d time.Duration) error {
	mustContext(ctx)
	if err := s.conf.fits(d); err != nil {
		return s.wrap("set the TTL of", err)
	}
	return s.wrap("set the TTL of", s.extend(ctx, d, true))
}

// Reacquire sets what is left of the TTL back to the configured TTL, as redis-py's does.
func (s *Session) Reacquire(ctx context.Context) error {
	mustContext(ctx)
	return s.wrap("reacquire", s.extend(ctx, s.conf.ttl, true))
}

func (s *Session) extend(ctx context.Context, d time.Duration, replace bool) error {
	if err := s.Err(); err != nil {
		return err
	}
	if s.conf.noExpiry {
		return ErrNoExpiry
	}
	l := s.lease
	l.keepPrivate(s)
	if !replace {
		d += l.unsettled()
	}
	sent := l.m.l.clock.Now()
	seq, err := l.expect(s, sent, d.Truncate(time.Millisecond), replace)
	if err != nil {
		return err
	}
	r, err := l.m.l.ask(ctx, l.m.l.store.Extend(l.ident(), d, replace, seq))
	if err != nil {
		return ended(ctx, err)
	}
	switch r.Status {
	case store.Stale:
		return errors.New("a later request overtook it; the TTL is that one's")
	case store.Persistent:
		return ErrNoExpiry
	}
	return l.answered(seq, sent, l.m.l.clock.Now(), r)
}

func (s *Session) attrs(err error) []any {
	return []any{slog.String("lock", s.lease.m.name), slog.Int64("fence", s.fence), slog.Any("error", err)}
}

func (s *Session) wrap(op string, err error) error { return wrap(op, s.lease.m.name, err) }
