package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast/internal/drain"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/internal/within"
)

// Session is one hold of a lock, from its acquisition to its release or loss. Its
// context is derived from the one given to Acquire, and is done before the lock can
// expire in Redis. A Session is safe for concurrent use and must not be copied.
type Session struct {
	m     *handle
	lease *lease.Lease
	conf  *config
	fence int64
	began time.Duration // clock time of the acquisition
	ctx   endctx.Context[*holder]
	drain drain.Drain[release.Ending]
}

// FromContext returns the session that ctx is derived from, the innermost if there are several.
// [Mutex.Lock], [Mutex.Do] and [Mutex.Lead] give out only a context: FromContext returns the
// session behind it, for its fence.
func FromContext(ctx context.Context) (*Session, bool) {
	s := within.Innermost[Session](ctx)
	return s, s != nil
}

// held is how long ago the session began.
func (s *Session) held() time.Duration { return s.m.l.engine.Clock.Now() - s.began }

// Context returns the session's context. It is derived from the one given to Acquire, and is
// done when the session ends; [context.Cause] returns the reason. A process that was frozen finds that at its
// first look at this context, or a group's; at one that the caller made of it, up to milliseconds later.
func (s *Session) Context() context.Context { return &s.ctx }

// Draining returns a channel that is closed when the work shall start nothing new: with
// [WithDrain], the context given to Acquire has ended, or the session has. Without WithDrain that
// is the same, and it is Done.
func (s *Session) Draining() <-chan struct{} {
	if d, ok := s.ctx.Parent().(*endctx.Delayed); ok {
		return d.Begun(s.ctx.Err() != nil)
	}
	return s.Done()
}

// Done is Context().Done().
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns nil while the session holds its lock, and after that the cause of its end.
func (s *Session) Err() error { return s.ctx.Cause() }

// Token returns the token, the secret by which anybody can release, extend or resume the
// lock. Since others may know it from then on, the lock is given back to Redis at the end,
// not passed on to another call of this process. If it has been passed on already, the token
// belongs to the next session, and Token returns "".
func (s *Session) Token() string {
	if !s.lease.KeepFrom(s.holder()) {
		return ""
	}
	return s.lease.ID().Token()
}

// Fence returns the fencing token, a number larger than that of every earlier acquisition of
// this name. A store that remembers the largest it has seen, and refuses smaller ones, is
// safe from a holder that has not noticed its loss (Kleppmann, "How to do distributed
// locking", 2016).
func (s *Session) Fence() int64 { return s.fence }

// Label returns the session's label: see [WithLabel].
func (s *Session) Label() string { return s.conf.Label }

// ValidUntil returns the time until which the lease is trusted, by this process's clock;
// each confirmed renewal makes it later. It is zero for a lock without expiry.
func (s *Session) ValidUntil() time.Time { return s.lease.ValidUntilTime() }

// String names the session without its token.
func (s *Session) String() string {
	return fmt.Sprintf("holdfast session of %s, fence %d", operr.Quote(s.m.lock.Name), s.fence)
}

// GoString is String: %#v must not show the token either.
func (s *Session) GoString() string { return s.String() }

// Check asks Redis whether this session still holds the lock, and returns nil if so. If not,
// the session ends with the ErrLost that is returned. After other errors it is not known.
// ctx bounds the request.
func (s *Session) Check(ctx context.Context) error {
	mustContext(ctx)
	return s.wrap("check", s.check(ctx))
}

func (s *Session) check(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	err := s.lease.Check(s.asker(ctx))
	if cause := s.Err(); cause != nil { // which matters more than an answer that may be late
		return cause
	}
	return err
}

// asker sends requests that are safe to repeat: see [send.Sender.AskWhile].
func (s *Session) asker(ctx context.Context) func(store.Call) (store.Reply, error) {
	return func(call store.Call) (store.Reply, error) {
		r, err := s.m.l.engine.Send.AskWhile(ctx, call, func() bool { return s.Err() == nil })
		return r, operr.Ended(ctx, err)
	}
}

// Owned is [Session.Check] in redis-py's form: it returns false, and no error, if the session
// has ended. ctx bounds the request.
func (s *Session) Owned(ctx context.Context) (bool, error) {
	mustContext(ctx)
	err := s.check(ctx)
	if s.Err() != nil {
		return false, nil
	}
	return err == nil, s.wrap("look at", err)
}

// Extend adds d to what is left of the TTL, as redis-py's extend does. Renewals go on, and
// never shorten it. d is at least 1 ms; fractions of a millisecond are dropped. The error is
// ErrInvalid, ErrNoExpiry, an ErrLost that ended the session, the cause of its end if it had
// ended before, or that of Redis. ctx bounds the request.
func (s *Session) Extend(ctx context.Context, d time.Duration) error {
	mustContext(ctx)
	if d < time.Millisecond || d > trust.MaxDuration {
		return s.wrap("extend", invalid("%v to add is not between 1ms and %v", d, trust.MaxDuration))
	}
	return s.wrap("extend", s.extend(ctx, d, false))
}

// SetTTL replaces what is left of the TTL by d, as redis-py's extend does with replace_ttl.
// If d is less than the configured TTL, the next renewal, by default after half of d, restores
// the configured TTL. A d that is too short is refused, as by [WithTTL]. Errors and ctx are
// those of [Session.Extend].
func (s *Session) SetTTL(ctx context.Context, d time.Duration) error {
	mustContext(ctx)
	if err := s.conf.Fits(d); err != nil {
		return s.wrap("set the TTL of", invalid("%w", err))
	}
	return s.wrap("set the TTL of", s.extend(ctx, d, true))
}

// Reacquire sets what is left of the TTL back to the configured TTL, as redis-py's reacquire
// does. Errors and ctx are those of [Session.Extend].
func (s *Session) Reacquire(ctx context.Context) error {
	mustContext(ctx)
	return s.wrap("reacquire", s.extend(ctx, s.conf.TTL, true))
}

func (s *Session) extend(ctx context.Context, d time.Duration, replace bool) error {
	if err := s.Err(); err != nil {
		return err
	}
	if s.conf.NoExpiry {
		return ErrNoExpiry
	}
	err := s.lease.Extend(s.holder(), d, replace, s.asker(ctx))
	if cause := s.Err(); err != nil && cause != nil {
		return cause // the end matters more: what was found may be a release of ours
	}
	return err
}

func (s *Session) attrs(err error) []any {
	return []any{slog.String("lock", s.m.lock.Name), slog.Int64("fence", s.fence), slog.Any("error", err)}
}

func (s *Session) wrap(op string, err error) error { return operr.Wrap(op, s.m.lock.Name, err) }
