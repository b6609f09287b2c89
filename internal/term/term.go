// Package term runs work under a hold, once or whenever there is one, and says what the end of the hold
// means for the result of the work.
//
// It has no mutex and starts no goroutine.
package term

import (
	"context"
	"errors"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
)

// Hold is a session, or several.
type Hold interface {
	Context() context.Context
	Err() error
	Release(context.Context) error
}

// Run runs fn under a hold and ends the hold.
func Run(ctx context.Context, h Hold, fn func(context.Context) error) (err error) {
	defer func() { // also when fn panics or calls runtime.Goexit
		cause, released := Conclude(ctx, h)
		err = operr.Join(err, cause)
		if errors.Is(released, lease.ErrLost) {
			err = operr.Join(err, released)
		}
	}()
	return fn(h.Context())
}

// Conclude releases the hold, and returns the cause of its end if the work may have gone on
// beyond it, and what Release returned.
func Conclude(ctx context.Context, h Hold) (cause, released error) {
	cause = h.Err()
	if !over(cause) && !errors.Is(cause, operr.ErrClosed) {
		cause = nil
	}
	return cause, h.Release(context.WithoutCancel(ctx))
}

// over reports whether cause is an end by the hold itself: it was lost, or as long as it may be.
func over(cause error) bool {
	return errors.Is(cause, lease.ErrLost) || errors.Is(cause, lease.ErrMaxHold)
}
