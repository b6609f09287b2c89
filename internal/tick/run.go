package tick

import (
	"context"
	"errors"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/endctx"
)

// Run is one run of a job, which holds the lock until End. The lock is renewed until then, also when
// the scheduler has been stopped: a job that takes no context goes on after that.
type Run struct {
	session *holdfast.Session
	ctx     context.Context
	forget  func()
}

func newRun(parent context.Context, s *holdfast.Session) *Run {
	ctx, forget := Within(parent, s)
	return &Run{s, ctx, forget}
}

// Context is done when the lock is lost, before another can have it, when the context that was given
// to Once or InTurn ends, and when the run ends.
func (r *Run) Context() context.Context { return r.ctx }

// Do calls fn with the context, unless that is done, and joins to its error what ended the lock
// meanwhile.
func (r *Run) Do(fn func(context.Context) error) error { return Do(r.ctx, r.session, fn) }

// End ends the run and gives the lock back, or leaves it to the rest of the time for which it is kept.
func (r *Run) End() error {
	defer r.forget()
	return r.session.Release(context.Background()) // not r.ctx: from within the session Release waits for no group
}

// Do calls fn with ctx, which ends with the session, unless it is done, and joins to fn's error what
// ended the session meanwhile.
func Do(ctx context.Context, s *holdfast.Session, fn func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := fn(ctx)
	cause := s.Err()
	for _, end := range []error{holdfast.ErrLost, holdfast.ErrMaxHold, holdfast.ErrClosed} {
		if errors.Is(cause, end) && !errors.Is(err, cause) {
			return errors.Join(err, cause)
		}
	}
	return err
}

// Within returns the context of a session, which ends with parent, too. forget has both forget it.
func Within(parent context.Context, s *holdfast.Session) (_ context.Context, forget func()) {
	ctx, forget := endctx.Either(s.Context(), parent)
	return endctx.Looking(ctx, s.Context()), forget
}
