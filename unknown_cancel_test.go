package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Callers that don't wait for an answer any more, and Lockers that are closed.

var errCalledOff = errors.New("called off")

// Whose the lock is that a call is about.
const (
	free = iota
	ours
	others // and the call has been told so when the fault begins
)

// waitingCall is a call that waits for Redis, or for something else that takes long.
type waitingCall struct {
	name string
	lock int
	do   func(ctx context.Context, mu *holdfast.Mutex, s *holdfast.Session) error
}

// onMutex and onSession drop the result that does not matter here.
func onMutex[R any](f func(*holdfast.Mutex, context.Context) (R, error)) func(context.Context, *holdfast.Mutex, *holdfast.Session) error {
	return func(ctx context.Context, mu *holdfast.Mutex, _ *holdfast.Session) error {
		_, err := f(mu, ctx)
		return err
	}
}

func onSession(f func(*holdfast.Session, context.Context) error) func(context.Context, *holdfast.Mutex, *holdfast.Session) error {
	return func(ctx context.Context, _ *holdfast.Mutex, s *holdfast.Session) error { return f(s, ctx) }
}

func plainAcquire(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error) {
	return mu.Acquire(ctx)
}

var waitingCalls = []waitingCall{
	{"Acquire", free, onMutex(plainAcquire)},
	{"Acquire, waiting", others, onMutex(plainAcquire)},
	{"Acquire, between two tries", others, onMutex(func(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error) {
		return mu.Acquire(ctx, holdfast.WithRetryInterval(time.Hour))
	})},
	{"TryAcquire", free, onMutex(func(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error) {
		return mu.TryAcquire(ctx)
	})},
	{"Resume", ours, func(ctx context.Context, mu *holdfast.Mutex, s *holdfast.Session) error {
		_, err := mu.Resume(ctx, s.Token())
		return err
	}},
	{"Inspect", ours, onMutex((*holdfast.Mutex).Inspect)},
	{"Locked", ours, onMutex((*holdfast.Mutex).Locked)},
	{"ForceRelease", ours, func(ctx context.Context, mu *holdfast.Mutex, _ *holdfast.Session) error {
		return mu.ForceRelease(ctx)
	}},
	{"Check", ours, onSession((*holdfast.Session).Check)},
	{"Owned", ours, onSession(func(s *holdfast.Session, ctx context.Context) error {
		owned, err := s.Owned(ctx)
		if owned {
			return errors.New("owned without an answer")
		}
		return err
	})},
	{"Extend", ours, onSession(func(s *holdfast.Session, ctx context.Context) error { return s.Extend(ctx, time.Second) })},
	{"SetTTL", ours, onSession(func(s *holdfast.Session, ctx context.Context) error { return s.SetTTL(ctx, time.Minute) })},
	{"Reacquire", ours, onSession((*holdfast.Session).Reacquire)},
	{"Release, waiting for a group", ours, onSession(func(s *holdfast.Session, ctx context.Context) error {
		defer busy(s)()
		return s.Release(ctx)
	})},
	{"Detach, waiting for a group", ours, onSession(func(s *holdfast.Session, ctx context.Context) error {
		defer busy(s)()
		_, err := s.Detach(ctx)
		return err
	})},
}

// busy keeps a group of the session running until the function that it returns is called.
func busy(s *holdfast.Session) (done func()) {
	g, _ := s.Group()
	work := make(chan struct{})
	g.Go(func() error { <-work; return nil })
	return func() { close(work) }
}

// TestUnknownCancelled: each call returns when its context is done, be it by a
// cancellation or by a deadline, though the request is under way and go-redis waits on.
func TestUnknownCancelled(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		atMost := 50*time.Millisecond + realNoise
		if e.fake != nil {
			atMost = 0
		}
		var runs []func() error
		for _, c := range waitingCalls {
			for _, f := range cutoffs {
				if f.all || f.name == "refused" { // which fails by itself
					continue
				}
				for _, cause := range []error{errCalledOff, context.DeadlineExceeded} {
					locks, link := e.linked(holdfast.WithTTL(time.Minute))
					mu := locks.Mutex(fmt.Sprint(c.name, len(runs)))
					s := e.acquire(mu)
					if c.lock == free {
						if err := s.Release(e.ctx()); err != nil {
							t.Fatal(err)
						}
					}
					runs = append(runs, func() error {
						if err := c.cancelled(f, cause, link, mu, s, atMost); err != nil {
							return fmt.Errorf("%s, %s, %v: %w", c.name, f.name, cause, err)
						}
						return nil
					})
				}
			}
		}
		atOnce(t, runs)
	})
}

// cancelled makes the call under the fault and ends its context.
func (c waitingCall) cancelled(f fault, cause error, link redistest.Link, mu *holdfast.Mutex, s *holdfast.Session, atMost time.Duration) error {
	const before = 50 * time.Millisecond
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if cause == context.DeadlineExceeded {
		deadline, stop := context.WithTimeout(ctx, 2*before)
		defer stop()
		ctx = deadline
	}
	if c.lock != others {
		f.cut(nil, link)
	}
	defer link.Heal()
	returned := make(chan error, 1)
	go func() { returned <- c.do(ctx, mu, s) }()
	time.Sleep(before)
	f.cut(nil, link)
	time.Sleep(before)
	if cause == errCalledOff {
		cancel(errCalledOff)
	}
	ended := time.Now()
	err := <-returned
	switch took := time.Since(ended); {
	case took > atMost:
		return fmt.Errorf("it returned %v after the end of its context", took)
	case !errors.Is(err, cause):
		return fmt.Errorf("it returned %w", err)
	case cause == errCalledOff && !errors.Is(err, context.Canceled):
		return fmt.Errorf("the error is not the context's: %w", err)
	}
	return nil
}

// TestUnknownRelease: nobody can give a lock back that can't be reached. Release and
// Detach say so when their own bound is over, whatever becomes of the caller's context,
// and Release can be called again.
func TestUnknownRelease(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl = 2 * time.Second // so that the bound is what is left of it
		var runs []func() error
		for _, f := range cutoffs {
			if f.all {
				continue
			}
			locks, link := e.linked(holdfast.WithTTL(ttl))
			s := e.acquire(locks.Mutex(f.name))
			runs = append(runs, func() error {
				f.cut(e, link)
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				start := time.Now()
				err := s.Release(ctx)
				took := time.Since(start)
				switch {
				case err == nil || errors.Is(err, holdfast.ErrLost):
					return fmt.Errorf("%s: Release returned %v", f.name, err)
				case took > ttl+realNoise:
					return fmt.Errorf("%s: Release took %v", f.name, took)
				case !errors.Is(s.Err(), holdfast.ErrReleased):
					return fmt.Errorf("%s: Err is %v", f.name, s.Err())
				}
				f.restore(e, link)
				time.Sleep(realNoise)
				if err := s.Release(ctx); err != nil {
					return fmt.Errorf("%s: the second Release returned %w", f.name, err)
				}
				if n := e.direct.Exists(e.ctx(), f.name).Val(); n != 0 {
					return fmt.Errorf("%s: the key is left behind", f.name)
				}
				return nil
			})
		}
		atOnce(t, runs)
	})
}
