package election

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
)

// watch starts the goroutine that reports new leaders. It ends with ctx, or by stop, which waits for
// it.
func (e *Elector) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.report(ctx)
	}()
	return func() { cancel(); <-done }
}

// report reports new leaders until ctx ends.
func (e *Elector) report(ctx context.Context) {
	last := Leader{Fence: -1} // the one that was reported last
	found := func(l Leader) {
		if (l.Fence != last.Fence || l.Self && !last.Self) && ctx.Err() == nil {
			last = l
			e.conf.OnNewLeader(l)
		}
	}
	ask := time.NewTimer(0)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.began:
			if s := e.leading(); s != nil {
				found(self(s))
			}
		case <-ask.C:
			if l, err := e.other(ctx, last.Fence); err == nil {
				found(l)
			}
			ask.Reset(backoff.Jitter(e.conf.Interval))
		}
	}
}

// settle is how long it usually takes at most until a process knows that Redis has given it the lock.
const settle = 100 * time.Millisecond

// other asks who leads, unless this Elector does. A term of its own that begins meanwhile, and is
// signalled, ends the question. Redis may know of that term before this process does: so an answer
// that names another term than the last waits a little for such an end.
func (e *Elector) other(ctx context.Context, last int64) (Leader, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	e.ask.Store(&end)
	defer e.ask.Store(nil)
	if e.leading() != nil { // after the Store: whoever begins later ends the question
		return Leader{}, ErrNoLeader
	}
	l, err := e.Leader(ctx)
	switch {
	case err != nil:
		return l, err
	case l.Self:
		return l, ErrNoLeader
	case l.Fence == last:
		return l, nil
	}
	if !backoff.Sleep(ctx, settle) {
		return l, ctx.Err()
	}
	return l, nil
}
