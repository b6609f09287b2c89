package holdfast

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// holder is a Session as its lease and its context see it.
type holder Session

func (s *Session) holder() *holder { return (*holder)(s) }

// sessionOf returns the session that holds a lease.
func sessionOf(h lease.Holder) *Session { return (*Session)(h.(*holder)) }

func (h *holder) session() *Session { return (*Session)(h) }

// Ended reports whether the context is done, as far as it is noted.
func (h *holder) Ended() bool { return h.ctx.Noted() != nil }

// Until is the end of the maximum hold. A session that has ended needs no end.
func (h *holder) Until() time.Duration {
	if !h.conf.HasMax || h.Ended() {
		return trust.Forever
	}
	return h.began + h.conf.MaxHold // far from overflow: see trust.MaxDuration
}

// KeepRenewing reports whether a call of Release or Detach waits for the groups.
func (h *holder) KeepRenewing() bool { return h.drain.Waiting() }

func (h *holder) Poll() { h.ctx.Poll() }

func (h *holder) End(cause error) {
	h.ctx.End(cause)
	h.conf.all.ended(h)
}

func (h *holder) EndMaxHold() { h.End(fmt.Errorf("%w: %v", ErrMaxHold, h.conf.MaxHold)) }

// Named says of which lock err is the cause.
func (h *holder) Named(err error) error { return h.session().wrap("hold", err) }

// Look ends the context if its time is up.
func (h *holder) Look() { h.lease.Look() }

// String names the session without its token.
func (h *holder) String() string { return h.session().String() }

// Lost reports the loss in a goroutine of its own: a handler that blocks must not hold up the
// watchdog.
func (h *holder) Lost(cause error) {
	s := h.session()
	s.m.l.tasks.Go(func() {
		s.conf.warn("holdfast: lock lost", s.attrs(cause)...)
		s.conf.observer.lost(s, cause)
	})
}

// Renewed reports a renewal that was confirmed when margin was left.
func (h *holder) Renewed(margin time.Duration) { h.conf.observer.renewed(h.m.lock.Name, margin) }

// NotRenewed reports a renewal that failed, with margin left for further tries.
func (h *holder) NotRenewed(err error, margin time.Duration) {
	if h.conf.log != nil {
		h.conf.log.Info("holdfast: renewal failed", h.session().attrs(err)...)
	}
	h.conf.observer.notRenewed(h.m.lock.Name, err, margin)
}

// Rest is how much is left of a minimum hold. It is counted from when the lock was known to be
// held, or was passed on: Redis has given it no later.
func (h *holder) Rest(minHold time.Duration) time.Duration {
	if minHold == 0 {
		return 0
	}
	return minHold - (h.m.l.clock.Now() - max(h.began, h.lease.GrantedAt()))
}

// Released reports that the lock was given back, or passed on.
func (h *holder) Released(passed bool) { h.conf.observer.released(h.session(), passed) }

// Retry lets the lock go by try, in a turn of its own.
func (h *holder) Retry(try func(context.Context, *release.Ending) error) error {
	return h.session().finish(context.Background(), release.ByRelease, try)
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

// Value answers for the keys above: only sessions have values for them.
func (h *holder) Value(key any) (value any, ours bool) {
	s := h.session()
	switch key {
	case sessionKey{}, nestKey{h.m.l, h.m.lock.Name}, withinKey{s}:
		return s, true
	}
	switch key.(type) {
	case nestKey, withinKey:
		return nil, true
	}
	return nil, false
}
