package holdfast

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/term"
)

// Lead runs fn whenever this process leads. It acquires the lock, calls fn with the session's
// context for one term, and waits for fn to return. If the term ended because the lock was
// lost or its maximum hold was reached, Lead acquires the lock again, whatever fn returned; an
// error of fn that says more than that its context is done is logged at Warn. Otherwise Lead
// releases the lock and returns fn's error. It also releases the lock if fn panics.
//
// fn must return when its context is done: until then Lead waits, and another process may lead.
// If ctx ends while fn runs, Lead releases the lock and returns fn's error, joined with the loss or
// maximum hold if one ended the term. If ctx ends while Lead waits, Lead returns ctx's cause.
//
// While Redis can't be reached, or gives an answer that may pass, such as LOADING, Lead goes on
// trying until ctx ends: a program may start before its Redis. It logs the first, second, fourth…
// failure at Warn. Wrong use, a wrong password and a [WithWaitTimeout] end it at once.
func (m *handle) Lead(ctx context.Context, fn func(context.Context) error, opts ...Option) error {
	conf, _ := m.conf.with(opts) // what is wrong, acquire says
	leader := term.Leader[*Session]{
		Name: m.lock.Name, Acquire: func() (*Session, error) { return m.acquire(ctx, opts, false) },
		Retry: conf.Retry, Closed: m.l.engine.Ctx, Final: []error{ErrNested, ErrInvalid},
		Warn: conf.warn, Attrs: (*Session).attrs,
	}
	return leader.Lead(ctx, fn)
}
