package endctx

import (
	"context"
	"errors"
)

// either is a context with the values of one, which ends with that or with the other.
type either struct {
	context.Context
	other  context.Context
	cancel context.CancelCauseFunc
}

// Either returns a context with ctx's values that ends with ctx or with other, whichever ends first,
// and whose Err and cause are those of the one that did. done has both forget it.
func Either(ctx, other context.Context) (_ context.Context, done func()) {
	both, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	e := &either{both, other, cancel}
	_ = e.Err() // at once
	return e, func() { stop(); cancel(nil) }
}

// peek leaves it to the goroutine to ask other why it has ended: other may be anybody's.
func (e *either) peek() error {
	if e.Context.Err() == nil {
		return nil
	}
	return e.Err()
}

// Err looks at other. It is other's, if other has ended this.
func (e *either) Err() error {
	if e.Context.Err() == nil && e.other.Err() != nil { // the goroutine that tells of it may be on its way
		e.cancel(context.Cause(e.other))
	}
	err := e.Context.Err()
	if err != nil && errors.Is(context.Cause(e.Context), context.Cause(e.other)) {
		return e.other.Err()
	}
	return err
}

// Done looks at other.
func (e *either) Done() <-chan struct{} {
	_ = e.Err()
	return e.Context.Done()
}
