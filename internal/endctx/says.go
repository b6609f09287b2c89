package endctx

import (
	"context"
	"errors"
)

// SaysDone reports whether err says no more than that ctx is done: it is ctx's Err, or its cause or a
// part of that, or has only such errors in it. ctx must be done.
func SaysDone(err error, ctx context.Context) bool {
	if errors.Is(ctx.Err(), err) || errors.Is(context.Cause(ctx), err) {
		return true
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		return SaysDone(err.Unwrap(), ctx)
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			if !SaysDone(e, ctx) {
				return false
			}
		}
		return len(err.Unwrap()) > 0
	}
	return false
}
