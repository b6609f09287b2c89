package holdfast

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
)

// acquireAll takes all locks, or gives back what it has.
func (l *Locker) acquireAll(ctx context.Context, op string, names []string, opts []Option, once bool) (*Sessions, error) {
	mustContext(ctx)
	a, calls, name, err := l.beginAll(ctx, names, opts)
	defer func() {
		for _, c := range calls {
			c.done()
		}
	}()
	if err != nil {
		return nil, operr.Wrap(op, name, err)
	}
	l.notify.Start()
	at, err := a.take(calls, once || calls[0].Limited && calls[0].Limit == 0)
	if err != nil {
		a.undo(ctx, err)
		return nil, operr.Wrap(op, calls[at].m.lock.Name, err)
	}
	return a, nil
}

// take takes the locks of calls, and returns of which one the error is.
func (a *Sessions) take(calls []*call, once bool) (at int, err error) {
	waiters := make([]*queue.Waiter, len(calls))
	given := calls[0].Ctx
	wait, unbind := endctx.Either(given, a.Context()) // the loss of one ends the wait for another
	defer unbind()
	began := max(a.l.clock.Now(), 1) // 0 would be the begin of each wait
	for i, c := range calls {
		c.Ctx, c.Began, waiters[i] = wait, began, &c.Waiter
	}
	told := -1
	at, err = a.l.queues.All(waiters, once, func(at int, h lease.Holder, err error) error {
		told = at
		a.all.Add(h.(*holder))
		_, err = calls[at].conclude(h, operr.Ended(given, err))
		return err
	})
	switch {
	case err == nil:
		if calls[0].conf.Drain > 0 {
			a.all.Parent().(*endctx.Delayed).Watch()
		}
		return told, a.Err() // one of them may have ended meanwhile
	case told < at:
		_, err = calls[at].conclude(nil, operr.Ended(given, err))
	}
	return at, err
}

// beginAll checks what can be checked without Redis, and makes the calls, in the order in which all who
// take several locks take them. name is what err is about.
func (l *Locker) beginAll(ctx context.Context, names []string, opts []Option) (a *Sessions, calls []*call, name string, err error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	switch {
	case len(names) == 0:
		return nil, nil, "", invalid("no names are given")
	case len(names) > MaxLocks:
		return nil, nil, names[0], invalid("%d names are given, more than %d", len(names), MaxLocks)
	}
	conf, err := *l.conf, l.confErr
	if len(opts) > 0 && err == nil {
		var with *config
		with, err = conf.with(opts)
		conf = *with
	}
	a = &Sessions{l: l}
	conf.all = a
	for _, name := range names {
		m := l.Mutex(name)
		if m.err == nil {
			m.conf, m.err = &conf, err
		}
		c, err := m.begin(ctx, nil)
		if err != nil {
			return nil, calls, name, err
		}
		calls = append(calls, c)
	}
	a.all.Init(calls[0].sessionParent(), l.clock.Now, ErrReleased)
	return a, calls, "", nil
}

// undo gives back what nobody will hear of.
func (a *Sessions) undo(ctx context.Context, why error) {
	a.all.End(why)
	releaser := &a.l.releaser
	releaser.Undo(ctx, func() {
		_ = a.each(func(s *Session) error { releaser.Discard(s.holder()); return nil })
	})
}

// each calls f for all sessions at once. Their requests go together.
func (a *Sessions) each(f func(*Session) error) error {
	return a.all.Each(func(h *holder) error { return f(h.session()) }, a.l.send.Gather)
}

// ended ends the context, since a session has ended. a is nil for a session that is not one of several.
func (a *Sessions) ended(h *holder) {
	if a != nil {
		a.all.End(h.Cause())
	}
}

// String names the locks, without tokens.
func (a *Sessions) String() string { return a.all.String() }

// GoString is String: %#v must not show the tokens either.
func (a *Sessions) GoString() string { return a.String() }

// What follows is the holder as one of several.

func (h *holder) LookAt(now time.Duration) { h.lease.LookAt(now) }

// Cause is why the session has ended.
func (h *holder) Cause() error { return h.ctx.Cause() }

// Name is the lock's.
func (h *holder) Name() string { return h.m.lock.Name }
