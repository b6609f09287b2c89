package holdfast_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

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
