package term

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/replicas"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Leader is one call that leads, for one term after the other. It is not safe for concurrent use.
type Leader[H Hold] struct {
	Name    string // of the lock
	Acquire func() (H, error)
	Retry   time.Duration   // the least pause after a campaign that failed
	Closed  context.Context // done when the Locker is closed
	Final   []error         // those of Acquire that can't pass, beside this package's own
	Warn    func(text string, attrs ...any)
	Attrs   func(h H, err error) []any // what is logged of a hold

	failures int   // campaigns in a row that failed
	last     error // of them
}

// Lead runs fn in each term, until one ends for good or a campaign fails for good.
func (l *Leader[H]) Lead(ctx context.Context, fn func(context.Context) error) error {
	for {
		h, err := l.Acquire()
		if err == nil {
			err, again := l.serve(ctx, h, fn)
			if !again {
				return err
			}
			l.failures, l.last = 0, nil
		} else if err := l.pause(ctx, err); err != nil {
			return operr.Wrap("campaign for", l.Name, err)
		}
	}
}

// pause waits after a campaign that failed with err. It returns nil if there shall be another.
func (l *Leader[H]) pause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return operr.Join(err, l.last)
	case !l.mayPass(err):
		return err
	}
	l.last = err
	pause := backoff.After(l.failures, l.Retry, max(l.Retry, time.Second))
	if l.failures++; l.failures&(l.failures-1) == 0 {
		l.Warn("holdfast: a campaign failed, and is tried again", "lock", l.Name, "tries", l.failures, "error", err)
	}
	ctx, done := endctx.Either(ctx, l.Closed)
	defer done()
	if backoff.Sleep(ctx, backoff.Jitter(pause)) {
		return nil
	}
	return operr.Join(operr.Ended(ctx, context.Cause(ctx)), err)
}

// mayPass reports whether a campaign that failed with err may succeed later.
func (l *Leader[H]) mayPass(err error) bool {
	if errors.Is(err, replicas.ErrTooFew) {
		return !store.Answered(err) || store.Transient(err)
	}
	for _, final := range append(l.Final, queue.ErrWaitTimeout, operr.ErrClosed, context.DeadlineExceeded) {
		if errors.Is(err, final) {
			return false
		}
	}
	return store.Transient(err) || errors.Is(err, lease.ErrLost) // while it waited for replicas
}

// serve runs one term and reports whether there shall be another.
func (l *Leader[H]) serve(ctx context.Context, h H, fn func(context.Context) error) (err error, again bool) {
	defer func() { // also when fn panics or calls runtime.Goexit
		cause := h.Err()
		released := h.Release(context.WithoutCancel(ctx))
		over := over(cause)
		switch {
		case over && ctx.Err() == nil:
			if err != nil && !endctx.SaysDone(err, h.Context()) {
				l.Warn("holdfast: the function failed in a term that had ended", l.Attrs(h, err)...)
			}
			err, again = nil, true
		case over, errors.Is(cause, operr.ErrClosed):
			err = operr.Join(err, cause)
		case errors.Is(released, lease.ErrLost):
			// Lost between fn's return and the release: the term had ended by itself.
			l.Warn("holdfast: resigned a lock that was lost", l.Attrs(h, released)...)
		}
	}()
	return fn(h.Context()), false
}
