package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestNoGoroutineUntilNeeded also shows that one Locker's sessions share theirs.
func TestNoGoroutineUntilNeeded(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	_ = client.Ping(t.Context()).Err()
	before := goleak.IgnoreCurrent()
	l := holdfast.New(client)
	mu := l.Mutex("leak")
	if err := goleak.Find(before); err != nil {
		t.Errorf("before the first use: %v", err)
	}
	for range 1000 {
		s, err := mu.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
	if err := goleak.Find(before); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// TestLeaks: cycles, cancelled waits, lost sessions and groups, all at once, and Close
// in the middle. No goroutine is left, and in Redis only what expires.
func TestLeaks(t *testing.T) {
	eachAlone(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(200*time.Millisecond), holdfast.WithRetryInterval(5*time.Millisecond))
		var wg sync.WaitGroup
		for i := range 40 {
			mu := l.Mutex(fmt.Sprint("lock", i%5))
			wg.Go(func() {
				for n := 0; ; n++ {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+(i*n)%30)*time.Millisecond)
					s, err := mu.Acquire(ctx)
					if errors.Is(err, holdfast.ErrClosed) {
						cancel()
						return
					}
					if err == nil {
						use(s, e, i+n)
					}
					cancel()
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		link.Cut()
		time.Sleep(300 * time.Millisecond)
		link.Heal()
		time.Sleep(200 * time.Millisecond)
		_ = l.Close()
		wg.Wait()
		if stacks := running(); stacks != "" {
			t.Errorf("Close left goroutines:\n%s", stacks)
		}
		for _, key := range e.keys() {
			if ttl := e.direct.PTTL(e.ctx(), key).Val(); ttl == -1 {
				t.Errorf("%q is left without expiry", key)
			}
		}
	})
}

// use holds a session in one of several ways.
func use(s *holdfast.Session, e *env, how int) {
	switch how % 5 {
	case 0: // with a group that unwinds
		g, ctx := s.Group()
		g.Go(func() error { <-ctx.Done(); return ctx.Err() })
	case 1: // lost
		_ = e.direct.Del(context.Background(), "lock0").Err()
		_ = s.Check(s.Context())
	case 2: // released from inside
		g, ctx := s.Group()
		g.Go(func() error { return s.Release(ctx) })
	case 3: // not released at all
		return
	case 4:
		_, _ = s.Detach(s.Context())
	}
	_ = s.Release(context.Background())
}

// running returns the stacks that have a function of the library in them.
func running() string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
	var ours []string
	for _, stack := range strings.Split(all.String(), "\n\n") {
		if strings.Contains(stack, "github.com/holdfast-go/holdfast.(*") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}

// TestLeaksOfTopology: a Cluster that does not say which node has what is asked by goroutines of the
// Locker's. Close ends them and does not return before they have ended.
func TestLeaksOfTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32 // questions under way
		client := redis.NewClusterClient(&redis.ClusterOptions{
			ClusterSlots: func(ctx context.Context) ([]redis.ClusterSlot, error) {
				asked.Add(1)
				defer asked.Add(-1)
				if ctx.Err() == nil {
					<-ctx.Done()
					time.Sleep(time.Second) // go-redis looks at its context only between nodes
				}
				return nil, ctx.Err()
			},
		})
		defer client.Close()
		l := holdfast.New(client)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Mutex("a").Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Acquire = %v", err)
		}
		if asked.Load() == 0 {
			t.Fatal("nobody asks")
		}
		for range 2 { // Close may be called again
			began := time.Now()
			_ = l.Close()
			if n, took := asked.Load(), time.Since(began); n > 0 || took > 14*time.Second {
				t.Errorf("Close returned after %v with %d questions under way", took, n)
			}
		}
	})
}
