package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast"
)

// A worker per customer: every machine runs this and goes through all customers, and a customer is
// billed on one machine at a time. At SIGTERM the customer whose turn it is is finished, still under
// its lock, and no other begins.
func Example_workers() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithDrain(time.Minute))
	defer locks.Close()
	ctx, sigterm := context.WithCancel(context.Background()) // signal.NotifyContext, in a real program
	defer sigterm()
	elsewhere, _ := locks.Mutex("bill:bob").Acquire(ctx) // another machine bills bob

	bill := func(ctx context.Context, customer string) error {
		if customer == "cyd" {
			sigterm()
		}
		fmt.Println("bills", customer, ctx.Err())
		return ctx.Err()
	}
	var g errgroup.Group // without a context: a failure stops no other customer
	g.SetLimit(1)        // so many at once on this machine
	for _, customer := range []string{"ada", "bob", "cyd", "dan"} {
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil // start none
			}
			err := locks.Mutex("bill:"+customer).Do(ctx, func(ctx context.Context) error {
				return bill(ctx, customer)
			}, holdfast.WithWaitTimeout(0))
			if errors.Is(err, holdfast.ErrHeld) {
				return nil // another machine does it
			}
			return err
		})
	}
	fmt.Println(g.Wait())
	fmt.Println(elsewhere.Release(ctx))
	// Output:
	// bills ada <nil>
	// bills cyd <nil>
	// <nil>
	// <nil>
}

// What to do when the lock is lost: stop, and say whether the work may have overlapped with that of
// another. The context's cause says why; all losses are [holdfast.ErrLost].
func Example_loss() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithLogger(nil)) // this function reports the loss itself
	defer locks.Close()
	mu := locks.Mutex("jobs:import")

	err := mu.Do(context.Background(), func(ctx context.Context) error {
		_ = mu.ForceRelease(ctx) // an operator, while the work goes on
		select {
		case <-time.After(time.Minute): // a step of the work
			return nil
		case <-ctx.Done():
			return fmt.Errorf("import stopped at row 7: %w", context.Cause(ctx))
		}
	})
	switch {
	case err == nil:
		fmt.Println("done, alone to the end")
	case errors.Is(err, holdfast.ErrForceReleased):
		fmt.Println("an operator stopped it: don't start again")
	case errors.Is(err, holdfast.ErrLost):
		fmt.Println("start again: acquire the lock anew, and check what is done already")
	case errors.Is(err, holdfast.ErrNoAnswer):
		fmt.Println("Redis does not answer: try later")
	default:
		fmt.Println("the work failed:", err)
	}
	// Output:
	// an operator stopped it: don't start again
}
