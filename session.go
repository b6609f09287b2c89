package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// forever is later than any time of the clock.
const forever = time.Duration(math.MaxInt64)

// Session is one hold of a lock, from its acquisition to its release or loss. Its
// context is derived from the one given to Acquire, and is done before the lock can
// expire in Redis. It is safe for concurrent use and must not be copied.
type Session struct {
	l      *Locker
	m      *Mutex
	conf   config
	id     store.ID
	fence  int64
	open   bool // a request of the attempt may be under way yet: leave a tombstone
	ctx    *sessionContext
	cancel context.CancelCauseFunc
	turn   chan struct{} // held by the one that releases or detaches
	until  atomic.Int64  // clock time at which the context is due to end
	askNow atomic.Bool   // the clock gave reason to ask Redis at the next tick

	slot slot // the watchdog's

	mu         sync.Mutex
	validUntil time.Duration // clock time up to which the lease can be trusted
	holdUntil  time.Duration // of the maximum hold
	renewAt    time.Duration // when the watchdog renews next
	keepAt     time.Duration // when a renewal keeps aux from expiring
	slept      time.Duration // what the machine had slept when the lease was last confirmed
	requests   requests
	failure    error         // of the last renewal, if it failed
	lost       error         // why the lease is known not to be ours
	stopped    bool          // it is given back or out of our hands: nothing is renewed again
	releasing  int           // calls of Release or Detach that wait for the groups
	working    int           // functions of groups that are running
	drained    chan struct{} // closed when none is; nil unless somebody waits

	// Of the release, under turn.
	over   error // ErrReleased or ErrDetached when that is done
	result error
	asked  bool // a request to release was sent before, its outcome unknown
}

func newSession(parent context.Context, a *attempt, sent time.Duration, r store.Reply) *Session {
	l := a.m.l
	s := &Session{
		l: l, m: a.m, conf: a.conf, id: a.id, fence: r.Fence, open: a.open,
		turn:      make(chan struct{}, 1),
		holdUntil: forever,
		keepAt:    sent + keepEvery,
	}
	inner, cancel := context.WithCancelCause(parent)
	s.ctx, s.cancel = &sessionContext{inner, s}, cancel
	if a.conf.hasMax {
		s.holdUntil = sent + a.conf.maxHold // far from overflow: see maxDuration
	}
	s.trust(sent, r.TTL)
	return s
}

// Context returns the session's context: derived from the one given to Acquire, and done
// when the session ends, whatever the reason; [context.Cause] tells it.
func (s *Session) Context() context.Context { return s.ctx }

// Done is Context().Done().
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns nil while the session holds its lock, and then the cause of its end.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// Token returns the token, the secret by which the lock is released, extended or taken
// up. Whoever knows it can do so.
func (s *Session) Token() string { return s.id.Token }

// Fence returns the fencing token: larger than that of every earlier acquisition of this
// name. A store that remembers the largest it has seen, and refuses a smaller one, is
// safe from a holder that does not know yet that it has been replaced (Kleppmann, "How to
// do distributed locking", 2016).
func (s *Session) Fence() int64 { return s.fence }

// ValidUntil returns the time up to which the lease is trusted by now, on this process's
// clock; renewals move it. It is zero for a lock without expiry.
func (s *Session) ValidUntil() time.Time {
	s.mu.Lock()
	until := s.validUntil
	s.mu.Unlock()
	if until == forever {
		return time.Time{}
	}
	return time.Now().Add(until - s.l.clock.Now())
}

// String names the session without its token.
func (s *Session) String() string {
	return fmt.Sprintf("holdfast session of %s, fence %d", quote(s.m.name), s.fence)
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
	r, err := s.l.ask(ctx, func(ctx context.Context) (store.Reply, error) {
		return s.l.store.Check(ctx, s.id)
	})
	switch {
	case err != nil:
		return ended(ctx, err)
	case r.Status != store.Held:
		return s.lose(lossOf(r.Status))
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
	sent := s.l.clock.Now()
	seq := s.expect(sent, d.Truncate(time.Millisecond), replace)
	r, err := s.l.ask(ctx, func(ctx context.Context) (store.Reply, error) {
		return s.l.store.Extend(ctx, s.id, d, replace, seq)
	})
	if err != nil {
		return ended(ctx, err)
	}
	switch r.Status {
	case store.Stale:
		return errors.New("a later request overtook it; the TTL is that one's")
	case store.Persistent:
		return ErrNoExpiry
	}
	return s.answered(seq, sent, r)
}

func (s *Session) wrap(op string, err error) error { return wrap(op, s.m.name, err) }
