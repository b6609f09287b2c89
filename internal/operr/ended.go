package operr

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed: the Locker was closed. Package holdfast documents it.
var ErrClosed = errors.New("locker closed")

// Ended adds a done context's Err to its cause, so that errors.Is finds both.
func Ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, ctx.Err())
}
