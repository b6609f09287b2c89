package holdfast_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// At most two workers of all machines call a service at a time.
func ExampleLocker_Semaphore() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()
	ctx := context.Background()

	var calling, most atomic.Int32
	call := func(ctx context.Context) error {
		n := calling.Add(1)
		defer calling.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(10 * time.Millisecond)
		return ctx.Err() // done before the permit can expire
	}
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			if err := locks.Semaphore("api", 2).Do(ctx, call); err != nil {
				fmt.Println(err)
			}
		})
	}
	workers.Wait()
	fmt.Println("at most", most.Load(), "at a time")
	// Output:
	// at most 2 at a time
}

// Many read an index, and one rebuilds it.
func ExampleLocker_RWMutex() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()
	index := locks.RWMutex("index")
	ctx := context.Background()

	first, err := index.RAcquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := index.RAcquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := index.Inspect(ctx)
	fmt.Println("readers:", info.Permits, err)
	for _, reader := range []*holdfast.Session{first, second} {
		if err := reader.Release(ctx); err != nil {
			fmt.Println(err)
		}
	}

	err = index.Do(ctx, func(ctx context.Context) error {
		_, err := locks.RWMutex("index").TryRAcquire(context.Background())
		fmt.Println("while one writes:", err)
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// readers: 2 <nil>
	// while one writes: holdfast: try to acquire "index": held by another
	// <nil>
}
