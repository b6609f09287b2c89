package endctx

import "context"

// looking is a context that comes from a Context, and looks at the clock as that does.
type looking struct {
	context.Context
	from context.Context
}

// Looking returns ctx as a context whose first look finds the end of from, a Context. ctx comes from that
// by contexts of package context only: others might keep a look waiting.
func Looking(ctx, from context.Context) context.Context { return &looking{ctx, from} }

// Err looks at the clock.
func (l *looking) Err() error {
	l.look()
	return l.Context.Err()
}

func (l *looking) peek() error {
	_ = errOf(l.from, false)
	return errOf(l.Context, false)
}

// Done looks at the clock.
func (l *looking) Done() <-chan struct{} {
	l.look()
	return l.Context.Done()
}

// look waits if from has ended and ctx has not: a goroutine is about to tell it.
func (l *looking) look() {
	if l.from.Err() != nil {
		<-l.Context.Done()
	}
}
