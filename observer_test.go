package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// witness keeps what an observer is told.
type witness struct {
	mu     sync.Mutex
	events []string
	locks  map[holdfast.Traffic]int
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

// told returns the events since it was last called.
func (w *witness) told() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.events
	w.events = nil
	return told
}

func (w *witness) observer() *holdfast.Observer {
	return &holdfast.Observer{
		Acquired: func(ctx context.Context, name string, how holdfast.Acquisition, waited time.Duration) {
			if s, ok := holdfast.FromContext(ctx); !ok || s.Err() != nil {
				w.note("not the session's context")
			}
			w.note("%s %s after %v", name, how, waited)
		},
		NotAcquired: func(_ context.Context, name string, err error, waited time.Duration) {
			w.note("%s not after %v: held %v, timeout %v", name, waited,
				errors.Is(err, holdfast.ErrHeld), errors.Is(err, holdfast.ErrWaitTimeout))
		},
		Renewed: func(name string, margin time.Duration) {
			w.note("%s renewed in time: %v", name, margin > time.Second && margin < 10*time.Second)
		},
		NotRenewed: func(name string, err error, margin time.Duration) {
			w.note("%s not renewed, in time: %v: %v", name, margin > 0, err != nil)
		},
		Lost: func(ctx context.Context, name string, cause error, _ time.Duration) {
			if s, ok := holdfast.FromContext(ctx); !ok || s.Err() == nil {
				w.note("not the session's context")
			}
			w.note("%s lost: gone %v, expired %v", name, errors.Is(cause, holdfast.ErrGone), errors.Is(cause, holdfast.ErrExpired))
		},
		Released: func(_ context.Context, name string, passed bool, held time.Duration) {
			w.note("%s released, passed %v, after %v", name, passed, held)
		},
		Sent: func(what holdfast.Traffic, locks int, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.locks[what] += locks
		},
	}
}

// TestObserver: what happens to locks is told, once each.
func TestObserver(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		w := &witness{locks: make(map[holdfast.Traffic]int)}
		want := func(what string, events ...string) {
			t.Helper()
			if told := w.told(); !slices.Equal(told, events) {
				t.Errorf("%s:\ngot  %q\nwant %q", what, told, events)
			}
		}
		l, link := e.linked(holdfast.WithObserver(w.observer()))
		mu := l.Mutex("lock")
		e.must(once(mu)) // the subscription is there
		time.Sleep(time.Second)
		w.told()
		s := e.acquire(mu)
		want("acquire", "lock asked after 0s")
		_, err := mu.TryAcquire(e.ctx())
		_, err2 := mu.Acquire(e.ctx(), holdfast.WithWaitTimeout(time.Second))
		if !errors.Is(err, holdfast.ErrHeld) || !errors.Is(err2, holdfast.ErrWaitTimeout) {
			t.Error(err, err2)
		}
		want("in vain", "lock not after 0s: held true, timeout true", "lock not after 1s: held false, timeout true")
		time.Sleep(5 * time.Second)
		want("renewed", "lock renewed in time: true")

		next := e.wait(mu) // for 20 ms
		time.Sleep(480 * time.Millisecond)
		e.must(s.Release(e.ctx()))
		s = <-next
		if got := w.told(); len(got) != 2 || !slices.Contains(got, "lock released, passed true, after 6.5s") ||
			!slices.Contains(got, "lock passed after 500ms") {
			t.Errorf("passed: %q", got)
		}
		e.must(s.Release(e.ctx()))
		want("released", "lock released, passed false, after 0s")

		other := e.acquire(e.locker().Mutex("lock"))
		next = e.wait(mu)
		time.Sleep(480 * time.Millisecond)
		e.must(other.Release(e.ctx()))
		s = <-next
		want("handed over", "lock granted after 500ms")
		time.Sleep(time.Second)
		want("the claim", "lock renewed in time: true")

		token, err := s.Detach(e.ctx())
		e.must(err)
		s, err = mu.Resume(e.ctx(), token)
		e.must(err)
		time.Sleep(100 * time.Millisecond)
		// The displaced session is told by a message, which makes its successor ask Redis: at
		// once, so before the observer hears of the latter, or after.
		told := slices.DeleteFunc(w.told(), func(event string) bool { return event == "lock renewed in time: true" })
		if !slices.Equal(told, []string{"lock resumed after 0s"}) {
			t.Errorf("resumed: %q", told)
		}
		e.must(e.direct.Del(e.ctx(), "lock").Err())
		if err := s.Check(e.ctx()); !errors.Is(err, holdfast.ErrGone) {
			t.Error(err)
		}
		want("lost", "lock lost: gone true, expired false")

		s = e.acquire(mu)
		link.Refuse()
		<-s.Done()
		told = w.told()
		if len(told) < 3 || told[1] != "lock not renewed, in time: true: true" || !slices.Contains(told, "lock lost: gone false, expired true") {
			t.Errorf("cut off: %q", told)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.locks[holdfast.Calls] < 10 || w.locks[holdfast.Renewals] < 5 {
			t.Errorf("sent %v", w.locks)
		}
	})
}

// TestObserverOfFew: an observer need not want to know everything.
func TestObserverOfFew(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithObserver(&holdfast.Observer{}))
		s := e.acquire(l.Mutex("lock"))
		if _, err := l.Mutex("lock").TryAcquire(e.ctx()); err == nil {
			t.Error("held twice")
		}
		time.Sleep(6 * time.Second)
		e.must(s.Release(context.Background()))
		s = e.acquire(l.Mutex("lock"))
		link.Refuse()
		<-s.Done()
	})
}
