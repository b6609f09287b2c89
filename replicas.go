package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// ackSlice bounds how long one request waits for replicas, and occupies a connection: those
// that wait longer ask again, and whoever gave up keeps none.
const ackSlice = 500 * time.Millisecond

// acknowledged waits until as many replicas have the lease as the options ask for. The
// grant may have been written on another's behalf, so the lease is renewed first, by the
// connection that then waits. If too few have it, the lock is given back.
func (c *call) acknowledged(s *Session) error {
	l := c.m.l
	end := l.clock.Now() + c.conf.ackTimeout
	for pause := minGap; ; pause = min(2*pause, ackSlice) {
		have, err := c.replicate(s, end)
		now := l.clock.Now()
		switch {
		case err == nil && have >= c.conf.replicas:
			s.lease.acknowledge()
			return nil
		case s.Err() != nil:
			err = s.Err()
		case err == nil && now+minGap < end:
			pause = minGap // it has waited already
			fallthrough
		case err != nil && store.Transient(err) && now+pause < end:
			select {
			case <-time.After(pause):
			case <-s.Done():
			}
			continue
		case err == nil:
			err = fmt.Errorf("%w: %d of %d have it after %v", ErrReplicas, have, c.conf.replicas, c.conf.ackTimeout)
		default:
			err = fmt.Errorf("%w: %w", ErrReplicas, err)
		}
		c.undo(s)
		return err
	}
}

// undo gives back the lock of a session that nobody will hear of: at once, unless there is
// reason to hurry. A lease that was taken up stays its token's.
func (c *call) undo(s *Session) {
	undo := func() { _ = s.Release(context.Background()) }
	if c.how == Resumed {
		undo = s.abandon
	}
	if c.over() {
		c.m.l.spawn(undo)
		return
	}
	undo()
}

// abandon ends a session and leaves its lock to expire.
func (s *Session) abandon() {
	_ = s.finish(context.Background(), ErrDetached, func(context.Context) error {
		s.lease.stop()
		s.lease.m.l.lines.abandon(s.lease)
		return s.settle(ErrDetached, nil)
	})
}

// replicate makes one try: how many replicas have the lease, as it was renewed.
func (c *call) replicate(s *Session, end time.Duration) (int, error) {
	ls, l, n, ttl := s.lease, c.m.l, c.conf.replicas, c.conf.ttl
	select {
	case l.acks <- struct{}{}:
	case <-s.Done():
		return 0, s.Err()
	}
	sent := l.clock.Now()
	seq, err := ls.expect(s, sent, ttl, false)
	if err != nil {
		<-l.acks
		return 0, err
	}
	if c.conf.noExpiry {
		ttl = store.NoExpiry
	}
	timeout := min(max(end-sent, minGap), ackSlice)
	var have int
	var r store.Reply
	answered := make(chan error, 1)
	l.spawn(func() { // go-redis ignores a cancellation in mid-flight
		defer func() { <-l.acks }()
		var err error
		r, have, err = l.store.Replicated(s.ctx.parent, ls.ident(), ttl, seq, n, timeout)
		answered <- err
	})
	select {
	case err = <-answered:
	case <-s.Done():
		return 0, s.Err()
	}
	if err != nil {
		return 0, causeOf(c.parent, err)
	}
	return have, ls.answered(seq, sent, l.clock.Now(), r)
}

// unconfirmed reports whether a campaign that failed may succeed when there are replicas again.
func unconfirmed(err error) bool {
	return errors.Is(err, ErrLost) || // while it waited
		errors.Is(err, ErrReplicas) && (!store.Answered(err) || store.Transient(err))
}

// pauseCampaign waits before the next try of a campaign; an error if that is not to be.
func (m *Mutex) pauseCampaign(ctx context.Context) error {
	t := time.NewTimer(jitter(max(m.conf.retry, time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, context.Cause(ctx))
	case <-m.l.ctx.Done():
		return ErrClosed
	}
}
