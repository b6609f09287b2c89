package holdfast_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

// TestContextEnds: however a session ends, and whichever way its context is looked at first,
// before the end or after it, it says the same, and so does a context derived from it; and
// what ends afterwards changes nothing.
func TestContextEnds(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer clock.Replace(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		l := e.locker()
		why := errors.New("the caller's reason")
		type hold struct {
			s      *holdfast.Session
			cancel context.CancelCauseFunc
		}
		ends := map[string]struct {
			end   func(h hold)
			err   error
			cause error
		}{
			"release": {func(h hold) { e.must(h.s.Release(e.ctx())) }, context.Canceled, holdfast.ErrReleased},
			"parent":  {func(h hold) { h.cancel(why) }, context.Canceled, why},
			"parent, then release": {func(h hold) { h.cancel(why); e.must(h.s.Release(e.ctx())) },
				context.Canceled, why},
			"parent's deadline": {func(h hold) { time.Sleep(time.Minute); _ = h.s.Release(e.ctx()) },
				context.DeadlineExceeded, context.DeadlineExceeded},
			"slept": {func(h hold) { slept.Add(int64(time.Hour)) }, context.Canceled, holdfast.ErrSuspended},
		}
		var child context.Context
		looks := map[string]func(ctx context.Context) bool{
			"Err":   func(ctx context.Context) bool { return ctx.Err() != nil },
			"Cause": func(ctx context.Context) bool { return context.Cause(ctx) != nil },
			"Done": func(ctx context.Context) bool {
				select {
				case <-ctx.Done():
					return true
				default:
					return false
				}
			},
			"child": func(ctx context.Context) bool {
				var cancel context.CancelFunc
				if child == nil {
					child, cancel = context.WithCancel(ctx)
					t.Cleanup(cancel)
				}
				return child.Err() != nil
			},
			"nothing": nil,
		}
		for name, end := range ends {
			for before, lookBefore := range looks {
				for after, lookAfter := range looks {
					child = nil
					parent, cancel := context.WithCancelCause(e.ctx())
					parent, stop := context.WithTimeout(parent, 30*time.Second)
					s, err := l.Mutex("lock").Acquire(parent)
					e.must(err)
					if lookBefore != nil && lookBefore(s.Context()) {
						t.Errorf("%s, %s: over before the end", name, before)
					}
					end.end(hold{s, cancel})
					if child != nil {
						_ = s.Context().Err() // the child learns of it by this, or by the watchdog
					}
					synctest.Wait()
					if lookAfter != nil && !lookAfter(s.Context()) {
						t.Errorf("%s, %s before, %s after: not over after the end", name, before, after)
					}
					if lookAfter != nil || name != "slept" { // which nobody has noted otherwise
						cancel(errors.New("too late"))
						stop()
					}
					derived, drop := context.WithCancel(s.Context())
					for _, ctx := range []context.Context{s.Context(), derived} {
						if err := ctx.Err(); !errors.Is(err, end.err) {
							t.Errorf("%s, %s before, %s after: Err = %v", name, before, after, err)
						}
						if err := context.Cause(ctx); !errors.Is(err, end.cause) {
							t.Errorf("%s, %s before, %s after: Cause = %v", name, before, after, err)
						}
						<-ctx.Done()
					}
					if err := s.Err(); !errors.Is(err, end.cause) {
						t.Errorf("%s, %s before, %s after: the session's Err = %v", name, before, after, err)
					}
					drop()
					cancel(nil)
					stop()
					_ = s.Release(e.ctx())
				}
			}
		}
	})
}

// TestContextRaces: those who look while a session ends in two ways at once all see the
// same end, once they see one.
func TestContextRaces(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker()
		why := errors.New("the caller's reason")
		for range 300 {
			parent, cancel := context.WithCancelCause(e.ctx())
			s, err := l.Mutex("lock").Acquire(parent)
			e.must(err)
			var running sync.WaitGroup
			causes := make([]error, 8)
			for i := range causes {
				running.Go(func() {
					ctx := s.Context()
					if rand.N(2) == 0 {
						<-ctx.Done()
					}
					for ctx.Err() == nil {
						time.Sleep(time.Microsecond)
					}
					causes[i] = context.Cause(ctx)
				})
			}
			running.Go(func() { cancel(why) })
			running.Go(func() { e.must(s.Release(context.Background())) })
			running.Wait()
			for _, cause := range causes {
				if cause != causes[0] || !errors.Is(cause, why) && !errors.Is(cause, holdfast.ErrReleased) {
					t.Fatalf("causes differ: %v", causes)
				}
			}
		}
	})
}

// doneCounter is a context that counts how often it is asked for its channel, as a context made from
// it does once.
type doneCounter struct {
	context.Context
	asked *atomic.Int32
}

func (c doneCounter) Done() <-chan struct{} { c.asked.Add(1); return c.Context.Done() }

// TestContextOfOuterLock: to take another lock with a session's context makes nothing that stays
// with the session: whether the context holds that lock is found out by asking, not by deriving.
func TestContextOfOuterLock(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var asked atomic.Int32
		s, err := e.locker().Mutex("outer").Acquire(doneCounter{e.ctx(), &asked})
		e.must(err)
		defer func() { e.must(s.Release(e.ctx())) }()
		closed := e.locker() // so that nothing but the check is done
		e.must(closed.Close())
		before := asked.Load()
		if _, err := closed.Mutex("inner").TryAcquire(s.Context()); !errors.Is(err, holdfast.ErrClosed) {
			t.Fatal(err)
		}
		if n := asked.Load() - before; n > 0 {
			t.Errorf("the session's parent was asked %d times for its channel", n)
		}
	})
}
