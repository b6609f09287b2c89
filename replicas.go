package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// acknowledged waits until as many replicas have the lease as the options ask for. The
// grant may have been written on another's behalf, so the lease is renewed first, by the
// connection that then waits. If too few have it, the lock is given back.
func (c *call) acknowledged(s *Session) error {
	l := c.m.l
	end := l.clock.Now() + c.conf.ackTimeout
	for pause := minGap; ; pause *= 2 {
		have, err := c.replicate(s, max(end-l.clock.Now(), time.Millisecond))
		switch {
		case err == nil && have >= c.conf.replicas:
			return nil
		case err == nil:
			err = fmt.Errorf("%w: %d of %d have it after %v", ErrReplicas, have, c.conf.replicas, c.conf.ackTimeout)
		case s.Err() == nil && store.Transient(err) && l.clock.Now()+pause < end:
			time.Sleep(pause)
			continue
		}
		s.lease.keepPrivate(s) // nobody here must have it either
		_ = s.Release(context.WithoutCancel(c.parent))
		return err
	}
}

// replicate makes one try: how many replicas have the lease, as it was renewed.
func (c *call) replicate(s *Session, timeout time.Duration) (int, error) {
	ls, l, ttl := s.lease, c.m.l, c.conf.ttl
	sent := l.clock.Now()
	seq, err := ls.expect(s, sent, ttl, false)
	if err != nil {
		return 0, err
	}
	if c.conf.noExpiry {
		ttl = store.NoExpiry
	}
	var have int
	var r store.Reply
	answered := make(chan error, 1)
	l.spawn(func() { // go-redis ignores a cancellation in mid-flight
		var err error
		r, have, err = l.store.Replicated(s.ctx.parent, ls.ident(), ttl, seq, c.conf.replicas, timeout)
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
	return have, ls.answered(seq, sent, r)
}

// pauseCampaign waits before the next try of a campaign that failed with err; false if
// that ends it.
func (m *Mutex) pauseCampaign(ctx context.Context, err error) bool {
	if !errors.Is(err, ErrReplicas) {
		return false
	}
	t := time.NewTimer(jitter(max(m.conf.retry, time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-m.l.ctx.Done():
	}
	return false
}
