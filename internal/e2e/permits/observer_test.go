package permits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestObserver: what happens to each session of a semaphore is told, once each.
func TestObserver(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		var mu sync.Mutex
		var events []string
		note := func(ctx context.Context, format string, args ...any) {
			if _, ok := holdfast.FromContext(ctx); ok {
				format += ", in a session's context"
			}
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf(format, args...))
		}
		told := func(what string, n int, want ...string) {
			e.T.Helper()
			var got []string
			for end := time.Now().Add(10 * time.Second); len(got) < n && time.Now().Before(end); time.Sleep(time.Millisecond) {
				mu.Lock()
				got = slices.Clone(events)
				mu.Unlock()
			}
			mu.Lock()
			defer mu.Unlock()
			events = nil
			slices.Sort(got)
			if !slices.Equal(got, want) {
				e.T.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		l := e.Locker(holdfast.WithObserver(&holdfast.Observer{
			Acquired: func(ctx context.Context, name string, how holdfast.Acquisition, _ time.Duration) {
				note(ctx, "%s acquired: %s", name, how)
			},
			NotAcquired: func(ctx context.Context, name string, err error, _ time.Duration) {
				note(ctx, "%s not acquired: held: %v", name, errors.Is(err, holdfast.ErrHeld))
			},
			Lost: func(ctx context.Context, name string, cause error, _ time.Duration) {
				note(ctx, "%s lost: forced: %v", name, errors.Is(cause, holdfast.ErrForceReleased))
			},
			Released: func(ctx context.Context, name string, _ bool, _ time.Duration) { note(ctx, "%s released", name) },
		}))
		sem := l.Semaphore("x", 2)
		one, err := sem.Acquire(e.Ctx())
		e.Must(err)
		two, err := sem.Acquire(e.Ctx())
		e.Must(err)
		const acquired, released = "x acquired: asked, in a session's context", "x released, in a session's context"
		told("two", 2, acquired, acquired)
		if _, err := sem.TryAcquire(e.Ctx()); !errors.Is(err, holdfast.ErrHeld) {
			e.T.Error(err)
		}
		told("a third", 1, "x not acquired: held: true")
		e.Must(sem.ForceReleaseFence(e.Ctx(), one.Fence()))
		<-one.Done()
		told("one is forced out", 1, "x lost: forced: true, in a session's context")
		e.Must(two.Release(e.Ctx()))
		told("the other is released", 1, released)
	})
}
