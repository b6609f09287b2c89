package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast"
)

// SIGTERM: finish this one, start none. The customer whose turn it is keeps the lock, renewed, for
// up to a minute; no other customer begins.
func ExampleWithDrain() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithDrain(time.Minute))
	defer locks.Close()

	ctx, stopped := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stopped()
	ctx, sigterm := context.WithCancel(ctx) // stands for the signal
	defer sigterm()

	for _, customer := range []string{"ada", "bob", "cyd"} {
		err := locks.Mutex("bill:"+customer).Do(ctx, func(ctx context.Context) error {
			fmt.Println("bills", customer)
			if customer == "bob" {
				sigterm()
			}
			select {
			case <-time.After(10 * time.Millisecond): // the work, which heeds ctx
				fmt.Println("billed", customer)
				return nil
			case <-ctx.Done(): // the lock is lost, or the minute is over
				return context.Cause(ctx)
			}
		})
		if errors.Is(err, holdfast.ErrDrainOver) {
			fmt.Println("cut off", customer) // it ignored the signal for a minute
		}
		if errors.Is(err, context.Canceled) {
			fmt.Println("starts no other")
			break
		}
	}
	// Output:
	// bills ada
	// billed ada
	// bills bob
	// billed bob
	// starts no other
}

// Leadership that drains: the function sees by Draining that it is to start nothing new.
func ExampleSession_Draining() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	ctx, sigterm := context.WithCancel(context.Background()) // of signal.NotifyContext
	jobs := make(chan string, 2)
	jobs <- "first"
	fmt.Println(locks.Mutex("scheduler", holdfast.WithDrain(time.Minute)).Lead(ctx, func(ctx context.Context) error {
		sess, _ := holdfast.FromContext(ctx)
		for {
			select {
			case <-sess.Draining():
				return nil // Lead resigns
			case job := <-jobs:
				sigterm()
				fmt.Println("does", job, ctx.Err())
			}
		}
	}))
	// Output:
	// does first <nil>
	// <nil>
}

// A helper with a context of its own for the wait: the session that it returns lives on.
func ExampleWithWaitContext() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	acquire := func(ctx context.Context, name string) (*holdfast.Session, error) {
		wait, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		return locks.Mutex(name).Acquire(ctx, holdfast.WithWaitContext(wait))
	}
	ctx := context.Background()
	sess, err := acquire(ctx, "jobs:report")
	fmt.Println(err, sess.Err())
	_, err = acquire(ctx, "jobs:report")
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	fmt.Println(sess.Release(ctx))
	// Output:
	// <nil> <nil>
	// true
	// <nil>
}
