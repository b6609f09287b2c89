package holdfast_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// Two transfers between the same accounts, in both directions. Neither waits for the other for ever,
// though each names its accounts in its own order.
func ExampleLocker_DoAll() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	balance := map[string]int{"account:A": 100, "account:B": 100}
	transfer := func(ctx context.Context, from, to string, amount int) error {
		return locks.DoAll(ctx, []string{from, to}, func(ctx context.Context, held *holdfast.Sessions) error {
			// A store that refuses old fences is given held.Fence(from) and held.Fence(to).
			balance[from] -= amount
			balance[to] += amount
			return ctx.Err()
		})
	}
	var transfers sync.WaitGroup
	for range 10 {
		transfers.Go(func() {
			if err := transfer(context.Background(), "account:A", "account:B", 3); err != nil {
				fmt.Println(err)
			}
		})
		transfers.Go(func() {
			if err := transfer(context.Background(), "account:B", "account:A", 1); err != nil {
				fmt.Println(err)
			}
		})
	}
	transfers.Wait()
	fmt.Println(balance["account:A"], balance["account:B"])
	// Output:
	// 80 120
}
