package processes_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

func init() { children["waits"] = waits }

// waits is the process that is killed: it waits for a lock that it won't get.
func waits(addr, name string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client)
	defer locks.Close()
	// The subscription is there, as it is in a process that has run for a while.
	if err := rig.Once(locks.Mutex("warm-up")); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Println("waits")
	_, err := locks.Mutex(name).Acquire(context.Background())
	return err
}

// TestWaitingKilled: a process that is killed while it is the first to wait costs the next
// nothing: the server knows that nobody listens to it any more.
func TestWaitingKilled(t *testing.T) {
	t.Parallel()
	rig.OnReal(t, func(e *rig.Env) {
		for round := range 3 {
			name := fmt.Sprint("lock", round)
			holder := e.Acquire(e.Locker().Mutex(name))
			next := e.Locker()
			e.Must(rig.Once(next.Mutex("warm-up")))
			listeners := func() int { return len(e.Direct.PubSubChannels(e.Ctx(), "*").Val()) }
			locktest.Eventually(t, "holder and next listen", func() bool { return listeners() == 2*(round+1) })
			first := startChild(t, "waits", e.Server.Addr(), name)
			first.expect(t, "waits")
			locktest.Eventually(t, "the first waits, and listens", func() bool { return e.Waiting(name) == 1 && listeners() == 2*(round+1)+1 })
			acquired := e.Wait(next.Mutex(name))
			locktest.Eventually(t, "the next waits", func() bool { return e.Waiting(name) == 2 })
			e.Must(first.cmd.Process.Kill())
			_ = first.cmd.Wait()
			// The server may serve the release before it notices that the connection is closed.
			locktest.Eventually(t, "the server knows", func() bool { return listeners() == 2*(round+1) })
			start := time.Now()
			e.Must(holder.Release(e.Ctx()))
			s := <-acquired
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("the next had the lock %v after its release; a claim is 3 s", took)
			}
			e.Must(s.Release(e.Ctx()))
		}
	})
}
