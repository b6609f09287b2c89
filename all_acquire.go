package holdfast

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/several"
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
	l.engine.Notify.Start()
	at, err := a.take(calls, once || calls[0].Limited && calls[0].Limit == 0)
	if err != nil {
		a.undo(ctx, err)
		return nil, operr.Wrap(op, calls[at].m.lock.Name, err)
	}
	return a, nil
}

// beginAll checks what can be checked without Redis, and makes the calls, in the order in which all who
// take several locks take them. name is what err is about.
func (l *Locker) beginAll(ctx context.Context, names []string, opts []Option) (a *Sessions, calls []*call, name string, err error) {
	names, err = several.Order(names)
	if err != nil {
		return nil, nil, names[0], invalid("%w", err)
	}
	conf, err := *l.conf, l.confErr
	if len(opts) > 0 && err == nil {
		var with *config
		if with, err = conf.with(opts); err == nil {
			err = new(Mutex).fit(with)
		}
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
	a.all.Init(calls[0].sessionParent(), l.engine.Clock.Now, ErrReleased)
	return a, calls, "", nil
}

// take takes the locks of calls, and returns of which one the error is.
func (a *Sessions) take(calls []*call, once bool) (at int, err error) {
	waiters := make([]*queue.Waiter, len(calls))
	for i, c := range calls {
		waiters[i] = &c.Waiter
	}
	return a.all.Take(a.l.engine.Queues, waiters, once, func(at int, h lease.Holder, err error) error {
		_, err = calls[at].conclude(h, err)
		return err
	})
}

// undo gives back what nobody will hear of.
func (a *Sessions) undo(ctx context.Context, why error) {
	a.all.End(why)
	releaser := &a.l.engine.Releaser
	releaser.Undo(ctx, func() {
		_ = a.each(func(s *Session) error { releaser.Discard(s.holder()); return nil })
	})
}

// each calls f for all sessions at once. Their requests go together.
func (a *Sessions) each(f func(*Session) error) error {
	return a.all.Each(func(h *holder) error { return f(h.session()) }, a.l.engine.Send.Gather)
}

// String names the locks, without tokens.
func (a *Sessions) String() string { return a.all.String() }

// GoString is String: %#v must not show the tokens either.
func (a *Sessions) GoString() string { return a.String() }
