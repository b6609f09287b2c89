package holdfasttest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// worker is the code under test: it works until its lock or ctx ends, and says why it stopped.
func worker(ctx context.Context, locks *holdfast.Locker) error {
	ctx, release := locks.Mutex("jobs").Lock(ctx)
	<-ctx.Done() // the work
	return errors.Join(context.Cause(ctx), release())
}

// My worker stops when the lock is lost. In a bubble the default TTL of 10 s costs no time.
func TestExampleLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holdfasttest.New(t)
		locks := r.Locker()
		stopped := make(chan error)
		go func() { stopped <- worker(t.Context(), locks) }()
		r.WaitHeld("jobs")
		r.Cut() // or r.Expire("jobs"), which waits and heals
		if err := <-stopped; !errors.Is(err, holdfast.ErrExpired) {
			t.Errorf("it stopped with %v", err)
		}
	})
}

// The same without a bubble: with a short TTL, and a loss of which the holder is told.
func TestExampleLossInRealTime(t *testing.T) {
	r := holdfasttest.New(t)
	locks := r.Locker(holdfast.WithTTL(time.Second))
	stopped := make(chan error)
	go func() { stopped <- worker(t.Context(), locks) }()
	r.WaitHeld("jobs")
	r.ForceRelease("jobs")
	if err := <-stopped; !errors.Is(err, holdfast.ErrForceReleased) {
		t.Errorf("it stopped with %v", err)
	}
}

// My worker waits while another holds the lock.
func TestExampleWait(t *testing.T) {
	r := holdfasttest.New(t)
	locks := r.Locker()
	other := r.Hold("jobs")
	go worker(t.Context(), locks)
	r.WaitQueued("jobs", 1)
	other.Release()
	if info := r.WaitHeld("jobs"); info.Fence <= other.Fence() {
		t.Errorf("the lock is still held by %s", info.Label)
	}
}

// My program has at most two calls under way, of all machines together.
func TestExamplePermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holdfasttest.New(t)
		other := r.HoldPermits("api", 1, 2) // a call of another machine
		locks := r.Locker()
		var done atomic.Int32
		for range 3 {
			go locks.Semaphore("api", 2).Do(t.Context(), func(context.Context) error {
				time.Sleep(time.Second) // the call
				done.Add(1)
				return nil
			})
		}
		time.Sleep(2500 * time.Millisecond)
		if n := done.Load(); n != 2 {
			t.Errorf("beside another, %d calls were made in 2.5 s", n)
		}
		other.Release()
		r.WaitFree("api")
	})
}

// My worker takes over from a process that has died, and not before its lock has expired.
func TestExampleTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holdfasttest.New(t)
		locks := r.Locker()
		other := r.Hold("jobs")
		go worker(t.Context(), locks)
		r.WaitQueued("jobs", 1)
		other.Crash()
		time.Sleep(holdfast.DefaultTTL / 2)
		if info := r.Holder("jobs"); info.Fence != other.Fence() {
			t.Errorf("taken by %s before it expired", info.Label)
		}
		time.Sleep(holdfast.DefaultTTL)
		if info := r.Holder("jobs"); info.Fence <= other.Fence() {
			t.Errorf("not taken over: %+v", info)
		}
	})
}

// Graceful shutdown: the worker releases the lock, so the next one need not wait for the TTL.
func TestExampleShutdown(t *testing.T) {
	r := holdfasttest.New(t)
	locks := r.Locker()
	ctx, shutdown := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- worker(ctx, locks) }()
	r.WaitHeld("jobs")
	shutdown() // a signal, in a real program
	if err := <-stopped; !errors.Is(err, context.Canceled) || errors.Is(err, holdfast.ErrLost) {
		t.Errorf("it stopped with %v", err)
	}
	r.WaitFree("jobs")
}

// The same in a bubble, where "at once" can be checked.
func TestExampleShutdownInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holdfasttest.New(t)
		locks := r.Locker()
		ctx, shutdown := context.WithCancel(t.Context())
		go worker(ctx, locks)
		synctest.Wait() // the worker holds the lock, and works
		shutdown()
		synctest.Wait() // it has done all that it does without waiting
		if info := r.Holder("jobs"); info.Held {
			t.Errorf("still held by %s", info.Label)
		}
	})
}
