package holdfast

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/drain"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/internal/within"
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

func (h *holder) Lease() *lease.Lease { return h.lease }

func (h *holder) Began() time.Duration { return h.began }

func (h *holder) Drain() *drain.Drain[release.Ending] { return &h.drain }

// KeepRenewing reports whether a call of Release or Detach waits for the groups.
func (h *holder) KeepRenewing() bool { return h.drain.Waiting() }

func (h *holder) Poll() { h.ctx.Poll() }

func (h *holder) End(cause error) {
	h.ctx.End(cause)
	h.endAll()
}

// EndAs ends the context by Release or Detach.
func (h *holder) EndAs(end *endctx.End) {
	h.ctx.EndAs(end)
	h.endAll()
}

// endAll ends the context of all, if the session is one of several.
func (h *holder) endAll() {
	if all := h.conf.all; all != nil {
		all.all.End(h.Cause())
	}
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
	s.m.l.engine.Tasks.Go(func() {
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

// Released reports that the lock was given back, or passed on.
func (h *holder) Released(passed bool) { h.conf.observer.released(h.session(), passed) }

// Within reports whether ctx comes from the session's.
func (h *holder) Within(ctx context.Context) bool { return within.Is(ctx, h.session()) }

// Value answers for the session: only sessions have values for the keys of package within.
func (h *holder) Value(key any) (value any, ours bool) {
	return within.Value(key, h.session(), h.m.l, h.m.lock.Name)
}

// The three below are the holder as one of several.

func (h *holder) LookAt(now time.Duration) { h.lease.LookAt(now) }

// Cause is why the session has ended.
func (h *holder) Cause() error { return h.ctx.Cause() }

// Name is the lock's.
func (h *holder) Name() string { return h.m.lock.Name }
