package holdfast_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// The address, the password and TLS are the client's. Any client of go-redis will do: NewClient,
// NewFailoverClient behind Sentinels, NewClusterClient, NewUniversalClient.
func ExampleNew() {
	client, stop := exampleRedis()
	defer stop()
	url := "redis://" + client.Options().Addr + "/0?read_timeout=2s" // os.Getenv("REDIS_URL")

	opts, err := redis.ParseURL(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	mine := redis.NewClient(opts)
	defer mine.Close() // after the Locker
	locks := holdfast.New(mine, holdfast.WithTTL(15*time.Second), holdfast.WithLabel("worker-1"))
	defer locks.Close()

	held, err := locks.Mutex("jobs:report").Locked(context.Background())
	fmt.Println(held, err)
	// Output:
	// false <nil>
}
