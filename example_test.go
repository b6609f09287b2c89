package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// exampleRedis is an embedded Redis, so that the examples run by themselves.
func exampleRedis() (*redis.Client, func()) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		panic(err)
	}
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	return client, func() { client.Close(); m.Close() }
}

// The idiom: one line to take the lock, and a context that is done when it is lost.
func ExampleMutex_Lock() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	report := func(ctx context.Context) (err error) {
		ctx, release := locks.Mutex("jobs:report").Lock(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx) // not acquired
		}
		// Or plainly defer release(), where ctx tells enough.
		defer func() { err = errors.Join(err, release()) }()
		fmt.Println("working, and nobody else is")
		return ctx.Err()
	}
	fmt.Println(report(context.Background()))
	// Output:
	// working, and nobody else is
	// <nil>
}

// A session gives more: the fence, the token, the TTL, and the cause of its end.
func ExampleMutex_Acquire() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client, holdfast.WithTTL(5*time.Second))
	defer locks.Close()
	mu := locks.Mutex("jobs:billing", holdfast.WithLabel("worker-1"))

	ctx := context.Background()
	sess, err := mu.Acquire(ctx, holdfast.WithWaitTimeout(time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	info, _ := mu.Inspect(ctx)
	fmt.Println(info.Label, info.Fence == sess.Fence())

	_, err = mu.TryAcquire(ctx)
	fmt.Println(err)

	fmt.Println(sess.Release(ctx))
	fmt.Println(sess.Err())
	// Output:
	// worker-1 true
	// holdfast: try to acquire "jobs:billing": held by another
	// <nil>
	// holdfast: hold "jobs:billing": released
}

// Do waits for the work, and Release for the group: the lock outlives both.
func ExampleMutex_Do() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	err := locks.Mutex("jobs:import").Do(context.Background(), func(ctx context.Context) error {
		sess, _ := holdfast.FromContext(ctx)
		g, ctx := sess.Group()
		for part := range 3 {
			g.Go(func() error {
				select {
				case <-time.After(time.Duration(part) * time.Millisecond):
					return nil // the part is imported
				case <-ctx.Done():
					return context.Cause(ctx) // another part failed, or the lock was lost
				}
			})
		}
		return g.Wait()
	})
	switch {
	case errors.Is(err, holdfast.ErrLost):
		fmt.Println("another worker may have begun:", err)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("imported")
	}
	// Output: imported
}

// Lead runs a function on one machine at a time for as long as its context lasts.
func ExampleMutex_Lead() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()

	ctx, shutdown := context.WithCancel(context.Background())
	err := locks.Mutex("scheduler").Lead(ctx, func(ctx context.Context) error {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
				fmt.Println("leading, tick", n)
				if n == 2 {
					shutdown() // a signal, in a real program
				}
			case <-ctx.Done():
				return nil // lost: Lead campaigns again. Shut down: it resigns.
			}
		}
	})
	fmt.Println(err)
	// Output:
	// leading, tick 1
	// leading, tick 2
	// <nil>
}

// A store that keeps the largest fence refuses what a replaced holder sends late. In SQL
// it is one more condition:
//
//	UPDATE accounts SET balance = $1, fence = $2 WHERE id = $3 AND fence <= $2
//
// No row updated means that a later holder has written. The map below stands for the
// table.
func ExampleSession_Fence() {
	client, stop := exampleRedis()
	defer stop()
	locks := holdfast.New(client)
	defer locks.Close()
	mu := locks.Mutex("accounts:7")
	ctx := context.Background()

	var stored struct{ balance, fence int64 }
	write := func(balance, fence int64) error {
		if fence < stored.fence { // WHERE fence <= $2
			return fmt.Errorf("refused: a later holder has written")
		}
		stored.balance, stored.fence = balance, fence
		return nil
	}

	old, _ := mu.Acquire(ctx)
	_ = mu.ForceRelease(ctx) // or: frozen, expired, failed over
	next, _ := mu.Acquire(ctx)
	fmt.Println(write(100, next.Fence()))
	fmt.Println(write(50, old.Fence()))
	fmt.Println(stored.balance)
	_ = next.Release(ctx)
	_ = old.Release(ctx)
	// Output:
	// <nil>
	// refused: a later holder has written
	// 100
}

// A token carries a lock from one process to another, in whatever language: what Detach
// returns can be resumed here, or extended and released by redis-py.
func ExampleMutex_Resume() {
	client, stop := exampleRedis()
	defer stop()
	here := holdfast.New(client)
	defer here.Close()
	there := holdfast.New(client) // another process
	defer there.Close()
	ctx := context.Background()

	sess, _ := here.Mutex("upload:42").Acquire(ctx)
	token, err := sess.Detach(ctx) // no longer renewed here
	fmt.Println(err)

	next, err := there.Mutex("upload:42").Resume(ctx, token)
	fmt.Println(err, next.Fence() > sess.Fence())
	fmt.Println(next.Release(ctx))
	// Output:
	// <nil>
	// <nil> true
	// <nil>
}
