// Package replicas waits until enough replicas have a lease.
//
// The grant may have been written on another's behalf, and WAIT counts the replicas that have what
// its own connection wrote. So each try renews the lease, by the connection that then waits.
//
// It has no mutex. The goroutine of a try, which Tasks joins, ends with the client's time-outs.
package replicas

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// ErrTooFew: fewer replicas than wanted have the lease.
var ErrTooFew = errors.New("too few replicas have the lock")

// errOver: the session has ended, or was released, while its replicas were counted.
var errOver = errors.New("the session is over")

// maxWait bounds how long one try waits for replicas, and occupies a connection: who waits longer
// asks again, and who gave up keeps no connection.
const maxWait = 500 * time.Millisecond

// Counter asks how many replicas have a lease. It is safe for concurrent use.
type Counter struct {
	store *store.Store
	tasks *task.Group
	now   func() time.Duration
	room  chan struct{}
}

// New returns a Counter that uses few of the client's connections: the others are for what must not
// wait, such as renewals.
func New(s *store.Store, tasks *task.Group, now func() time.Duration) *Counter {
	return &Counter{s, tasks, now, make(chan struct{}, max(s.Connections()/8, 1))}
}

// Wait returns nil when as many replicas have the lease of h as its terms ask for. It waits no
// longer than limit, or until ctx, which is the Holder's, is done; requests see the values of the
// caller's context.
func (c *Counter) Wait(ctx, caller context.Context, l *lease.Lease, h lease.Holder, terms *lease.Terms, limit time.Duration) error {
	end := c.now() + limit
	pauses := backoff.Pauses{Least: trust.MinGap, Most: maxWait}
	for pause := pauses.Next(); ; pause = pauses.Next() {
		have, err := c.try(ctx, caller, l, h, terms, end)
		now := c.now()
		switch {
		case ctx.Err() != nil: // whatever the replicas have, the session is over
			return context.Cause(ctx)
		case err == nil && have >= terms.Replicas:
			l.Replicated()
			return nil
		case err == nil && now+trust.MinGap < end:
			pauses.Reset() // it has waited already
			pause = pauses.Next()
			fallthrough
		case err != nil && store.Transient(err) && now+pause < end:
			backoff.Sleep(ctx, pause)
		case err == nil:
			return fmt.Errorf("%w: %d of %d have it after %v", ErrTooFew, have, terms.Replicas, limit)
		default:
			return fmt.Errorf("%w: %w", ErrTooFew, err)
		}
	}
}

// try makes one try: how many replicas have the lease, as it was renewed.
func (c *Counter) try(ctx, caller context.Context, l *lease.Lease, h lease.Holder, terms *lease.Terms, end time.Duration) (int, error) {
	select {
	case c.room <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	sent := c.now()
	number, ok := l.Expect(h, sent, terms.TTL, false)
	if !ok {
		<-c.room
		return 0, errOver
	}
	type answer struct {
		reply store.Reply
		have  int
		err   error
	}
	answered := make(chan answer, 1)
	c.tasks.Go(func() { // go-redis ignores a cancellation in mid-flight
		defer func() { <-c.room }()
		var a answer
		a.reply, a.have, a.err = c.store.Replicated(caller, l.ID(), terms.RedisTTL(), number, terms.Replicas,
			min(max(end-sent, trust.MinGap), maxWait))
		answered <- a
	})
	select {
	case a := <-answered:
		if a.err != nil {
			return 0, send.CauseOf(caller, a.err)
		}
		return a.have, l.Answered(number, sent, c.now(), a.reply)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
