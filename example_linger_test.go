package holdfast_test

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A lock that one process takes again and again: between two uses it stays there, unless another asks.
func ExampleWithLinger() {
	client, stop := exampleRedis()
	defer stop()
	here := holdfast.New(client, holdfast.WithLinger(10*time.Second))
	defer here.Close()
	ctx := context.Background()

	add := func(event string) error { // called a thousand times a second
		return here.Mutex("journal").Do(ctx, func(ctx context.Context) error {
			fmt.Println("appended", event)
			return ctx.Err()
		})
	}
	for _, event := range []string{"one", "two", "three"} {
		if err := add(event); err != nil {
			fmt.Println(err)
		}
	}

	there := holdfast.New(client)
	defer there.Close()
	err := there.Mutex("journal").Do(ctx, func(context.Context) error {
		fmt.Println("another has it as soon as it asks")
		return nil
	})
	fmt.Println(err)
	// Output:
	// appended one
	// appended two
	// appended three
	// another has it as soon as it asks
	// <nil>
}
