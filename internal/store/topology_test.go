package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestRefreshesAreFew: a Cluster that does not answer, or a process that is too slow to notice the
// answers, is not asked ever more; one that has answered is asked at once again.
func TestRefreshesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most, all atomic.Int32
		var slow atomic.Bool
		client := redis.NewClusterClient(&redis.ClusterOptions{
			ClusterSlots: func(ctx context.Context) ([]redis.ClusterSlot, error) {
				all.Add(1)
				now := under.Add(1)
				defer under.Add(-1)
				most.Store(max(most.Load(), now))
				if slow.Load() {
					<-ctx.Done()
				}
				return nil, errors.New("nobody knows")
			},
		})
		defer client.Close()
		s := New(client)
		ask := func() int {
			before := all.Load()
			for range 1000 { // for 20 s
				s.RefreshTopology()
				time.Sleep(20 * time.Millisecond)
			}
			return int(all.Load() - before)
		}
		slow.Store(true)
		if n := ask(); n < 5 || n > 20 || most.Load() < 4 || most.Load() > 8 {
			t.Errorf("%d were asked in 20 s, %d at once, while none was answered", n, most.Load())
		}
		slow.Store(false)
		time.Sleep(refreshTime)
		if n := ask(); n < 150 {
			t.Errorf("%d were asked in 20 s, all answered", n)
		}
		time.Sleep(refreshTime)
	})
}

// TestRefreshAfterClose: Close ends a refresh and waits for it. A store that is used on refreshes again,
// and the next Close waits for that.
func TestRefreshAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under atomic.Int32
		client := redis.NewClusterClient(&redis.ClusterOptions{
			ClusterSlots: func(ctx context.Context) ([]redis.ClusterSlot, error) {
				if ctx.Err() == nil { // go-redis asks twice
					under.Add(1)
					defer under.Add(-1)
					<-ctx.Done()
					time.Sleep(time.Second) // go-redis looks at its context only between nodes
				}
				return nil, ctx.Err()
			},
		})
		defer client.Close()
		s := New(client)
		for range 3 {
			s.RefreshTopology()
			synctest.Wait()
			if n := under.Load(); n != 1 {
				t.Fatalf("%d refreshes are under way, not 1", n)
			}
			began := time.Now()
			s.Close()
			if n, took := under.Load(), time.Since(began); n != 0 || took != time.Second {
				t.Errorf("Close returned after %v with %d refreshes under way", took, n)
			}
		}
	})
}
