package processes_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func init() { children["fences"] = fences }

// TestFenceAcrossProcesses: 10,000 acquisitions by 4 processes, each of which appends
// its fence to a list while it holds the lock.
func TestFenceAcrossProcesses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var all []*child
	for range 4 {
		all = append(all, startChild(t, "fences", server.Addr(), ""))
	}
	for _, c := range all {
		c.expect(t, "finished")
	}
	list, err := server.Client().LRange(t.Context(), "fences", 0, -1).Result()
	if err != nil || len(list) != 4*fencesEach {
		t.Fatalf("%d fences, %v", len(list), err)
	}
	for i := 1; i < len(list); i++ {
		// All have 16 digits, until the year 2286.
		if list[i] <= list[i-1] || len(list[i]) != 16 {
			t.Fatalf("fence %s after %s", list[i], list[i-1])
		}
	}
}

const fencesEach = 2500

func fences(addr, _ string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithRetryInterval(time.Millisecond))
	defer locks.Close()
	for range fencesEach {
		if err := locks.Mutex("a").Do(context.Background(), func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			return client.RPush(ctx, "fences", s.Fence()).Err()
		}); err != nil {
			return err
		}
	}
	fmt.Println("finished")
	return nil
}
