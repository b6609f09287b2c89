package holdfast_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

func init() { children["waits"] = waits }

// waits is the process that is killed: it waits for a lock that it won't get.
func waits(addr, name string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client)
	defer locks.Close()
	// The subscription is there, as it is in a process that has run for a while.
	if err := once(locks.Mutex("warm-up")); err != nil {
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
	onReal(t, func(t *testing.T, e *env) {
		for round := range 3 {
			name := fmt.Sprint("lock", round)
			holder := e.acquire(e.locker().Mutex(name))
			first := startChild(t, "waits", e.server.Addr(), name)
			first.expect(t, "waits")
			eventually(t, "the first waits", func() bool { return e.waiting(name) == 1 })
			next := e.locker()
			e.must(once(next.Mutex("warm-up")))
			acquired := e.wait(next.Mutex(name))
			eventually(t, "the next waits", func() bool { return e.waiting(name) == 2 })
			e.must(first.cmd.Process.Kill())
			_ = first.cmd.Wait()
			start := time.Now()
			e.must(holder.Release(e.ctx()))
			s := <-acquired
			if took := time.Since(start); took > time.Second {
				t.Errorf("the next had the lock %v after its release; a claim is %v", took, claimOf10s)
			}
			e.must(s.Release(e.ctx()))
		}
	})
}

// TestWaitingManyNames: a hundred thousand names, or as many as rounds says, that were used
// once leave in Redis only what expires, and in the process nothing.
func TestWaitingManyNames(t *testing.T) {
	onReal(t, func(t *testing.T, e *env) {
		const goroutines = 64
		names := rounds(t, 100_000)
		l := e.crowded()
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for i := g; i < names; i += goroutines {
					if err := once(l.Mutex(fmt.Sprint("once", i))); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := holdfast.Lines(l); n > 0 {
			t.Errorf("the Locker keeps something of %d names", n)
		}
		scan := e.direct.Scan(e.ctx(), 0, "*", 1000).Iterator()
		var keys []string
		for scan.Next(e.ctx()) {
			keys = append(keys, scan.Val())
		}
		e.must(scan.Err())
		for part := range slices.Chunk(keys, 1000) {
			pipe := e.direct.Pipeline()
			var ttls []*redis.DurationCmd
			for _, key := range part {
				ttls = append(ttls, pipe.TTL(e.ctx(), key))
			}
			if _, err := pipe.Exec(e.ctx()); err != nil {
				t.Fatal(err)
			}
			for i, ttl := range ttls {
				if d := ttl.Val(); d <= 0 || d > 25*time.Hour {
					t.Errorf("%s expires in %v", part[i], d)
				}
			}
		}
		if len(keys) != names {
			t.Errorf("%d keys, want one for each of %d names", len(keys), names)
		}
	})
}
