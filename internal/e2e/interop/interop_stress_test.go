package interop_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// Two Python processes, and four goroutines of two Lockers, increment a counter that is
// not atomic: no increment is lost.
func TestInteropStress(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		const (
			length = 2500 * time.Millisecond
			pause  = 2 * time.Millisecond // between reading and writing
			rest   = 4 * pause            // before the next turn
			key    = "counter"
			ttl    = 20 * time.Second // nobody's lock expires
		)
		var locks []pyLock
		for _, p := range []*peer{py, startPeer(t, f.Server)} {
			lock := p.lock("foo", ttl)
			lock.locked().is(t, false) // Python is up
			locks = append(locks, lock)
		}

		var wg sync.WaitGroup
		start := time.Now()
		pythons := make([]answer, len(locks))
		for i, lock := range locks {
			wg.Go(func() {
				pythons[i] = lock.tell("count", order{Key: key, Seconds: length.Seconds(), Pause: pause.Seconds()})
			})
		}
		ctx := f.ctx()
		var fence atomic.Int64 // the last turn's
		turn := func(mu *holdfast.Mutex) error {
			s, err := mu.Acquire(ctx)
			if err != nil {
				return err
			}
			defer s.Release(ctx)
			if last := fence.Swap(s.Fence()); last >= s.Fence() {
				return fmt.Errorf("fence %d after %d", s.Fence(), last)
			}
			n, err := f.Direct.Get(ctx, key).Int64()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			time.Sleep(pause)
			if err := f.Direct.Set(ctx, key, n+1, 0).Err(); err != nil {
				return err
			}
			return s.Release(ctx)
		}
		turns := make([]int64, 4)
		for i := range 2 {
			mu := f.lock(holdfast.WithTTL(ttl), holdfast.WithRetryInterval(10*time.Millisecond))
			for j := range 2 {
				wg.Go(func() {
					for time.Since(start) < length {
						if err := turn(mu); err != nil {
							t.Errorf("Go: %v", err)
							return
						}
						turns[2*i+j]++
						time.Sleep(rest)
					}
				})
			}
		}
		wg.Wait()

		for _, a := range pythons {
			n, ok := a.Value.(float64)
			if !ok {
				t.Fatalf("Python: %s %s", a.Raised, a.Text)
			}
			turns = append(turns, int64(n))
		}
		t.Logf("turns of Go, Go, Go, Go, Python, Python: %v", turns)
		var sum int64
		for i, n := range turns {
			if n == 0 {
				t.Errorf("no turn for number %d", i)
			}
			sum += n
		}
		got, err := f.Direct.Get(ctx, key).Int64()
		if err != nil || got != sum {
			t.Errorf("the counter is %d, %v, after %d increments", got, err, sum)
		}
		f.is("")
	})
}
