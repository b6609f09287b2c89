// Package permits tests semaphores and read-write locks through the public API.
package permits

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// TestLimit: as many as there are permits hold at a time, of any processes, and the next waits.
func TestLimit(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		for _, n := range []int{1, 2, 5} {
			name := string(rune('a' + n))
			var held []*holdfast.Session
			for range n {
				s, err := e.Locker().Semaphore(name, n).Acquire(e.Ctx())
				e.Must(err)
				held = append(held, s)
			}
			sem := e.Locker().Semaphore(name, n)
			if _, err := sem.TryAcquire(e.Ctx()); !errors.Is(err, holdfast.ErrHeld) {
				e.T.Fatalf("n = %d, one more: %v", n, err)
			}
			info, err := sem.Inspect(e.Ctx())
			if err != nil || info.Permits != n || info.Limit != n || !info.Held {
				e.T.Errorf("n = %d: %+v, %v", n, info, err)
			}
			var wg sync.WaitGroup
			var next *holdfast.Session
			wg.Go(func() {
				next, err = sem.Acquire(e.Ctx())
			})
			time.Sleep(100 * time.Millisecond)
			e.Must(held[0].Release(e.Ctx()))
			wg.Wait()
			e.Must(err)
			for _, s := range append(held[1:], next) {
				if s.Err() != nil {
					e.T.Error(s.Err())
				}
				e.Must(s.Release(e.Ctx()))
			}
			if n, _ := e.Direct.Exists(e.Ctx(), name).Result(); n != 0 {
				e.T.Errorf("the key %s is left behind", name)
			}
		}
	})
}
