package tick_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// TestRunGoesOn: the end of the caller's context ends the context of the run, but its lock is renewed
// until the run has ended.
func TestRunGoesOn(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		j, other := job(r.Locker()), job(r.Locker())
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		run, err := j.Once(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s, ok := holdfast.FromContext(run.Context())
		if !ok || s.Fence() == 0 || run.Context().Value(key{}) != "value" {
			t.Errorf("the context has %v, %v", s, run.Context().Value(key{}))
		}
		stop := errors.New("stop")
		cancel(stop)
		<-run.Context().Done()
		if run.Context().Err() != context.Canceled || context.Cause(run.Context()) != stop {
			t.Errorf("%v, %v", run.Context().Err(), context.Cause(run.Context()))
		}
		for range 60 { // six times the TTL
			time.Sleep(time.Second)
			if _, err := other.Once(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
				t.Fatal(err)
			}
		}
		if s.Err() != nil || s.Context().Err() != nil {
			t.Errorf("the session: %v, %v", s.Err(), s.Context().Err())
		}
		must(t, run.End())
		must(t, take(t, other).End())
	})
}

// TestRunEndsWithTheLock: the context of a run is done when the lock is lost, before another can have
// it, and its work's error says so.
func TestRunEndsWithTheLock(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(r *holdfasttest.Redis)
		want  error
	}{
		"cut off":        {func(r *holdfasttest.Redis) { r.Cut() }, holdfast.ErrExpired},
		"deleted":        {func(r *holdfasttest.Redis) { r.Delete("job") }, holdfast.ErrGone},
		"force-released": {func(r *holdfasttest.Redis) { r.ForceRelease("job") }, holdfast.ErrForceReleased},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
				run := take(t, job(r.Locker()))
				failed := errors.New("failed")
				struck := make(chan bool)
				time.AfterFunc(time.Minute, func() { c.fault(r); close(struck) })
				err := run.Do(func(ctx context.Context) error {
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, c.want) {
						t.Errorf("the cause is %v", cause)
					}
					return failed
				})
				if !errors.Is(err, failed) || !errors.Is(err, c.want) {
					t.Error(err)
				}
				<-struck
				r.Heal()
				if err := run.Do(func(context.Context) error { t.Error("called under a lost lock"); return nil }); !errors.Is(err, c.want) {
					t.Error(err)
				}
				if err := run.End(); err != nil && !errors.Is(err, holdfast.ErrLost) {
					t.Errorf("End: %v", err)
				}
			})
		})
	}
}

// TestNoRunAfterTheEnd: no job begins once the caller's context has ended.
func TestNoRunAfterTheEnd(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		j := job(r.Locker())
		for range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			run, err := j.InTurn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := run.Do(func(context.Context) error { t.Error("it has begun"); return nil }); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			must(t, run.End())
		}
	})
}

// TestRunEndsWithItsSession: the context of a run is done once its session's is, also while the goroutine
// that ends the session has not yet come to it.
func TestRunEndsWithItsSession(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		j := job(r.Locker())
		for range 20 {
			run, err := j.InTurn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s, _ := holdfast.FromContext(run.Context())
			_, wait := locktest.BeginEnd(s.Context(), func() { must(t, s.Release(t.Context())) })
			if run.Context().Err() == nil {
				t.Error("the run is live, and its session has ended")
			}
			wait()
			must(t, run.End())
		}
	})
}

// TestInTurn: runs wait in line for one another, and none is left out; the end of the context ends the
// wait, and what waits leaves nothing behind.
func TestInTurn(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		first, err := job(r.Locker()).InTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := job(r.Locker()).InTurn(ctx)
			ended <- err
		}()
		r.WaitQueued("job", 1)
		next := make(chan error, 1)
		go func() {
			run, err := job(r.Locker()).InTurn(t.Context())
			if err == nil {
				err = run.End()
			}
			next <- err
		}()
		r.WaitQueued("job", 2)
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		must(t, first.End())
		must(t, <-next)
	})
}

// TestInTurnWithoutRedis: Redis may be away for half of the skew.
func TestInTurnWithoutRedis(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		j := job(r.Locker())
		r.Refuse()
		time.AfterFunc(300*time.Millisecond, r.Heal)
		run, err := j.InTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		must(t, run.End())
		r.Refuse()
		began := time.Now()
		if _, err := j.InTurn(t.Context()); err == nil || time.Since(began) > 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		r.Heal()
	})
}
