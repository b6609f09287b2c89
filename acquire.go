package holdfast

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/settings"
	"github.com/holdfast-go/holdfast/internal/within"
)

// call is one Acquire, TryAcquire or Resume. It is used again when it is over.
type call struct {
	queue.Waiter
	m     *handle
	conf  *config
	began time.Duration // if somebody observes

	parent context.Context // of the session's context; Ctx may end earlier
	outer  context.Context // the context of the session that parent comes from, if any
	unbind func()          // undoes what makes Ctx another than parent; nil if they are the same
}

// Terms are those of the lease that the call takes.
func (c *call) Terms() *lease.Terms { return &c.conf.Terms }

// NoExpiry changes the terms: the lock that the call resumed has no expiry.
func (c *call) NoExpiry() {
	conf := *c.conf
	conf.NoExpiry = true
	c.conf = &conf
}

// Take makes the session of the call, which holds the lease from the clock's time from.
func (c *call) Take(l *lease.Lease, from time.Duration, fence int64) lease.Holder {
	s := &Session{m: c.m, lease: l, conf: c.conf, fence: fence, began: from}
	s.ctx.Init(c.sessionParent(), s.holder())
	return s.holder()
}

// sessionParent makes the parent of the session's context.
func (c *call) sessionParent() context.Context {
	parent := c.parent
	if c.conf.Drain > 0 {
		parent = endctx.NewDelayed(parent, c.outer, c.conf.Drain, ErrDrainOver)
	}
	return parent
}

// begin checks what can be checked without Redis, and makes the call, which lasts until done.
func (m *handle) begin(ctx context.Context, opts []Option) (c *call, err error) {
	mustContext(ctx)
	if m.err != nil {
		return nil, m.err
	}
	conf := m.conf
	if len(opts) > 0 {
		if conf, err = conf.with(opts); err == nil {
			err = m.fit(conf)
		}
		if err != nil {
			return nil, err
		}
		conf = m.l.shared(conf)
	}
	outer := endctx.Above(ctx)
	if outer != nil {
		if same := within.Of[Session](ctx, m.l, m.lock.Name); same != nil && same.Err() == nil {
			return nil, ErrNested
		}
	}
	if m.l.engine.Ctx.Err() != nil {
		return nil, ErrClosed
	}
	m.l.engine.Tasks.Enter() // Close waits for what this call leaves to be taken back
	c = m.l.calls.Get().(*call)
	c.m, c.conf = m, conf
	c.Lock, c.Ctx, c.parent = &m.lock, ctx, ctx
	if conf.waitCtx != nil {
		c.Ctx, c.unbind = endctx.Either(ctx, conf.waitCtx)
	}
	if outer != nil && outer.Err() == nil { // one that has ended and ctx has not: they are apart
		c.outer = outer
	}
	c.Retry, c.Limit, c.Limited = conf.Retry, conf.Wait, conf.HasWait
	if conf.observer != nil {
		c.began = m.l.engine.Clock.Now()
	}
	return c, nil
}

// done ends a call, which nobody knows any more.
func (c *call) done() {
	l := c.m.l
	if c.unbind != nil {
		c.unbind()
	}
	*c = call{Waiter: c.Waiter}
	c.Reset()
	l.calls.Put(c)
	l.engine.Tasks.Leave()
}

func (m *handle) acquire(ctx context.Context, opts []Option, once bool) (*Session, error) {
	c, err := m.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer c.done()
	if m.limit > mutexPermits && c.conf.HasToken {
		return nil, invalid("%w", settings.ErrToken)
	}
	m.l.engine.Notify.Start()
	var h lease.Holder
	if once || c.Limited && c.Limit == 0 {
		h, err = m.l.engine.Queues.Once(&c.Waiter)
	} else {
		h, err = m.l.engine.Queues.Wait(&c.Waiter)
	}
	if h != nil && err != nil { // both at once
		m.l.engine.Tasks.Go(func() { m.l.engine.Releaser.Discard(h.(*holder)) })
	}
	return c.conclude(h, operr.Ended(c.Ctx, err))
}

func (m *handle) resume(ctx context.Context, opts []Option, token string) (*Session, error) {
	c, err := m.begin(ctx, append(opts[:len(opts):len(opts)], WithToken(token)))
	if err != nil {
		return nil, err
	}
	defer c.done()
	m.l.engine.Notify.Start()
	h, err := m.l.engine.Queues.Resume(&c.Waiter)
	return c.conclude(h, operr.Ended(c.Ctx, err))
}

// conclude is the end of a call.
func (c *call) conclude(h lease.Holder, err error) (*Session, error) {
	var s *Session
	if err == nil {
		s = sessionOf(h)
		if c.conf.Replicas > 0 && c.How != queue.Passed { // what is passed on was acknowledged
			err = operr.Ended(c.Ctx, c.acknowledged(s))
		}
		if err == nil && c.conf.Drain > 0 {
			err = operr.Ended(c.parent, c.watched(s))
		}
	}
	if err != nil {
		c.conf.observer.notAcquired(c, err)
		return nil, err
	}
	c.conf.observer.acquired(s, c)
	return s, nil
}

// watched has the end of the caller's context noticed. If it has come already, no session begins.
func (c *call) watched(s *Session) error {
	s.ctx.Parent().(*endctx.Delayed).Watch()
	if c.parent.Err() == nil {
		return nil
	}
	c.undo(s)
	return context.Cause(c.parent)
}

// acknowledged waits until as many replicas have the lease as the options ask for. If too few have
// it, the lock is given back.
func (c *call) acknowledged(s *Session) error {
	err := c.m.l.engine.Replicas.Wait(s.Context(), c.Ctx, s.lease, s.holder(), c.Terms(), c.conf.AckTimeout)
	if err != nil {
		c.undo(s)
	}
	return err
}

// undo gives back the lock of a session that nobody will hear of. A lease that was taken up stays its
// token's.
func (c *call) undo(s *Session) {
	releaser := &c.m.l.engine.Releaser
	undo := releaser.Discard
	if c.How == queue.Resumed {
		undo = releaser.Abandon
	}
	releaser.Undo(c.Ctx, func() { undo(s.holder()) })
}
