package holdfast

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
)

// firstTry is what a request may take even if the wait timeout is shorter.
const firstTry = time.Second

// waiter decides when an attempt asks again: after the retry interval, or when the
// holder's TTL runs out, if that is earlier.
type waiter struct {
	clock    *clock.Clock
	conf     *config
	deadline time.Duration // of the wait timeout
	last     bool          // the next try is the one at the deadline
	failures int           // tries in a row that failed
}

func newWaiter(c *clock.Clock, conf *config) *waiter {
	w := &waiter{clock: c, conf: conf, deadline: forever}
	if conf.hasWait && conf.wait < forever-c.Now() {
		w.deadline = c.Now() + conf.wait
	}
	return w
}

// bound returns the context of one try, which ends with the wait timeout.
func (w *waiter) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.deadline == forever {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, max(w.deadline-w.clock.Now(), firstTry), w.timeout())
}

// pause returns when it is time to ask again, or with the reason not to. The last try's
// answer or error is r and err.
func (w *waiter) pause(ctx context.Context, r store.Reply, err error) error {
	left := w.deadline - w.clock.Now()
	if w.last || left <= 0 {
		return w.timeout()
	}
	d := jitter(w.conf.retry)
	switch {
	case err != nil:
		// Back off to a second: many waiters must not keep a server down.
		if w.conf.retry < time.Second {
			d = jitter(min(w.conf.retry<<min(w.failures, 10), time.Second))
		}
		w.failures++
	case r.TTL >= 0:
		w.failures = 0
		d = min(d, r.TTL+time.Millisecond)
	}
	if d >= left {
		d, w.last = left, true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *waiter) timeout() error {
	return fmt.Errorf("%w: not acquired within %v", ErrWaitTimeout, w.conf.wait)
}

// jitter varies d by up to a quarter either way, so that those who began together don't
// go on together.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}
