package holdfast

import (
	"context"
	"errors"
)

// Lead runs fn for as long as this process leads. It campaigns for the lock, runs fn for
// one term with the session's context, and waits for fn to return. If the term ended
// because the lock was lost or its maximum hold reached, Lead campaigns again, whatever fn
// returned; otherwise it resigns, that is, releases the lock, and returns fn's error. A
// panic of fn resigns too.
//
// fn must return when its context is done: Lead waits for it, and another process leads
// meanwhile. When ctx ends while fn runs, Lead resigns and returns fn's error; while
// campaigning, it returns ctx's cause. Errors of the first campaign are those of
// [Mutex.Acquire]; in later ones, what may pass is tried again until ctx ends.
func (m *Mutex) Lead(ctx context.Context, fn func(context.Context) error) error {
	for c := (campaign{}); ; c.patient = true {
		s, err := m.acquire(ctx, nil, c)
		if c.patient && unconfirmed(err) {
			if err = m.pauseCampaign(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return wrap("campaign for", m.name, err)
		}
		err, again := s.serve(ctx, fn)
		if !again {
			return err
		}
	}
}

// serve runs one term and reports whether there shall be another.
func (s *Session) serve(ctx context.Context, fn func(context.Context) error) (err error, again bool) {
	defer func() { // also when fn panics or calls runtime.Goexit
		cause := s.Err()
		released := s.Release(context.WithoutCancel(ctx))
		switch {
		case ctx.Err() == nil && (errors.Is(cause, ErrLost) || errors.Is(cause, ErrMaxHold)):
			err, again = nil, true // with ctx done the cause may be an outer lock's
		case errors.Is(cause, ErrClosed):
			err = join(err, cause)
		case errors.Is(released, ErrLost) && ctx.Err() == nil:
			// Lost between fn's return and the release: the term had ended by itself.
			s.conf.log.Warn("holdfast: resigned a lock that was lost", s.attrs(released)...)
		}
	}()
	return fn(&s.ctx), false
}
