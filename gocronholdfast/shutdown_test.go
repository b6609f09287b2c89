package gocronholdfast_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/gocronholdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// TestShutdown: a job that takes a context ends with the scheduler, and its lock is given back.
func TestShutdown(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		l := locker(t, r, gocronholdfast.WithSkew(10*time.Millisecond))
		for range 3 {
			begun, ended := make(chan bool), make(chan error, 1)
			s := must(gocron.NewScheduler(gocron.WithDistributedLocker(l)))(t)
			must(s.NewJob(gocron.DurationJob(time.Minute), l.Task(func(ctx context.Context) error {
				close(begun)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil
			}), gocron.WithName("job")))(t)
			s.Start()
			<-begun
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			r.WaitFree("gocron:job")
		}
	})
}

// TestGoesOnAfterShutdown: a job that takes no context, and outlives Shutdown, keeps its lock until it
// ends. It takes real time, since Shutdown waits in a busy loop.
func TestGoesOnAfterShutdown(t *testing.T) {
	t.Parallel()
	r := holdfasttest.New(t)
	l := must(gocronholdfast.NewLocker(r.Locker(holdfast.WithTTL(4*time.Second)), gocronholdfast.WithSkew(500*time.Millisecond)))(t)
	s := must(gocron.NewScheduler(gocron.WithDistributedLocker(l), gocron.WithStopTimeout(100*time.Millisecond)))(t)
	begun, end, ended := make(chan bool), make(chan bool), make(chan bool)
	must(s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()), gocron.NewTask(func() {
		close(begun)
		<-end
		close(ended)
	}), gocron.WithName("job")))(t)
	s.Start()
	<-begun
	if err := s.Shutdown(); !errors.Is(err, gocron.ErrStopJobsTimedOut) {
		t.Errorf("Shutdown: %v", err)
	}
	mu := r.Locker().Mutex("gocron:job")
	for over := time.Now().Add(10 * time.Second); time.Now().Before(over); time.Sleep(100 * time.Millisecond) {
		if locked, err := mu.Locked(t.Context()); err != nil || !locked {
			t.Fatalf("the lock is free, and its job runs: %v", err)
		}
	}
	close(end)
	<-ended
	r.WaitFree("gocron:job")
}

// TestUnlock: Lock and Unlock by themselves, with a context that is done meanwhile.
func TestUnlock(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		l, other := locker(t, r), locker(t, r)
		ctx, cancel := context.WithCancel(t.Context())
		lock := must(l.Lock(ctx, "job"))(t)
		if _, err := other.Lock(t.Context(), "job"); !errors.Is(err, holdfast.ErrHeld) {
			t.Error(err)
		}
		cancel()
		time.Sleep(time.Minute)
		if _, err := other.Lock(t.Context(), "job"); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("after the end of the context: %v", err)
		}
		for range 2 {
			if err := lock.Unlock(ctx); err != nil {
				t.Error(err)
			}
		}
		r.WaitFree("gocron:job")
		if _, err := l.Lock(ctx, "job"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
