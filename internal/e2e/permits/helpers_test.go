package permits

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// acquire is an Acquire.
type acquire = func(context.Context, ...holdfast.Option) (*holdfast.Session, error)

// got is what came of a call that waits.
type got struct {
	*holdfast.Session
	err error
	at  time.Time
}

// waiter is a call that waits.
type waiter struct {
	e    *rig.Env
	done chan got
}

// wait makes a call that waits, and returns when it had the time to come to stand in the queue.
func wait(e *rig.Env, from acquire, opts ...holdfast.Option) *waiter {
	return waitIn(e.Ctx(), e, from, opts...)
}

// waitIn is wait with a context.
func waitIn(ctx context.Context, e *rig.Env, from acquire, opts ...holdfast.Option) *waiter {
	w := begin(ctx, e, from, opts...)
	time.Sleep(e.Short(20 * time.Millisecond))
	return w
}

// begin makes a call that waits, and does not wait for it.
func begin(ctx context.Context, e *rig.Env, from acquire, opts ...holdfast.Option) *waiter {
	w := &waiter{e, make(chan got, 1)}
	go func() { // the test receives what comes of it
		s, err := from(ctx, opts...)
		w.done <- got{s, err, time.Now()}
	}()
	return w
}

// get waits for the session.
func (w *waiter) get() got {
	w.e.T.Helper()
	g := <-w.done
	if g.err != nil {
		w.e.T.Fatal(g.err)
	}
	return g
}

// none fails the test if the call has ended.
func (w *waiter) none(why string) {
	w.e.T.Helper()
	select {
	case g := <-w.done:
		w.e.T.Fatalf("%s: %v, %v", why, g.Session, g.err)
	default:
	}
}

// hold takes permits, which must be free.
func hold(e *rig.Env, try acquire, opts ...holdfast.Option) *holdfast.Session {
	e.T.Helper()
	s, err := try(e.Ctx(), opts...)
	if err != nil {
		e.T.Fatal(err)
	}
	time.Sleep(time.Millisecond) // of two that are given at one instant the later one's lease is not passed on
	return s
}

// refused fails the test unless there are too few permits.
func refused(e *rig.Env, try acquire, opts ...holdfast.Option) {
	e.T.Helper()
	if s, err := try(e.Ctx(), opts...); !errors.Is(err, holdfast.ErrHeld) {
		e.T.Fatalf("%v, %v", s, err)
	}
}

// release gives permits back.
func release(e *rig.Env, all ...*holdfast.Session) {
	e.T.Helper()
	for _, s := range all {
		if err := s.Release(e.Ctx()); err != nil {
			e.T.Fatal(err)
		}
	}
}

// used fails the test unless so many permits are in use, and those who hold some have that limit.
func used(e *rig.Env, sem *holdfast.Semaphore, permits, limit int) {
	e.T.Helper()
	info, err := sem.Inspect(e.Ctx())
	if err != nil || info.Permits != permits || info.Limit != limit {
		e.T.Errorf("%d permits are in use of %d, not %d of %d (%v)", info.Permits, info.Limit, permits, limit, err)
	}
}

// ended waits until a session ends, and fails the test unless that is soon and for that cause.
func ended(e *rig.Env, s *holdfast.Session, cause error) {
	e.T.Helper()
	began := time.Now()
	<-s.Done()
	if took := time.Since(began); took > soon(e) || !errors.Is(s.Err(), cause) {
		e.T.Errorf("after %v: %v, not %v", took, s.Err(), cause)
	}
}

// soon is long for a few round trips, and shorter than any pause after which a waiter asks again.
func soon(e *rig.Env) time.Duration {
	if e.Server != nil {
		return 500 * time.Millisecond
	}
	return 20 * time.Millisecond
}

// within fails the test if something took longer than soon.
func within(e *rig.Env, what string, took time.Duration) {
	e.T.Helper()
	if took > soon(e) {
		e.T.Errorf("%s took %v", what, took)
	}
}

// onReal runs a test on a server, beside the other parallel tests.
func onReal(t *testing.T, test func(e *rig.Env), args ...string) {
	t.Parallel()
	rig.OnReal(t, test, args...)
}
