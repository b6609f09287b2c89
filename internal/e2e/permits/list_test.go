package permits

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// list is what List finds of a name.
func list(e *rig.Env, l *holdfast.Locker, name string) (found []holdfast.Info) {
	for entry, err := range l.List(e.Ctx(), name) {
		e.Must(err)
		if entry.Name != name {
			e.T.Errorf("found %q", entry.Name)
		}
		found = append(found, entry.Info)
	}
	return found
}

// TestListOnce: a name that has been a mutex's and a semaphore's is listed as what holds it, and not as a
// stranger's beside that.
func TestListOnce(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		l := e.Locker()
		mu, sem := l.Mutex("x"), l.Semaphore("x", 5)
		s, err := mu.Acquire(e.Ctx())
		e.Must(err)
		e.Must(s.Release(e.Ctx()))
		s, err = sem.Acquire(e.Ctx(), holdfast.WithWeight(2))
		e.Must(err)
		if found := list(e, l, "x"); len(found) != 1 || found[0].Stranger || found[0].Permits != 2 || found[0].Limit != 5 {
			e.T.Errorf("a semaphore's: %+v", found)
		}
		if err := sem.ForceReleaseFence(e.Ctx(), s.Fence()-1); !errors.Is(err, holdfast.ErrOtherFence) {
			e.T.Errorf("by another fence: %v", err)
		}
		e.Must(sem.ForceReleaseFence(e.Ctx(), s.Fence()))
		if found := list(e, l, "x"); len(found) != 0 { // its key is there until the holder's lease ends
			e.T.Errorf("forced: %+v", found)
		}
		e.Must(e.Direct.Del(e.Ctx(), "x").Err())
		s, err = mu.Acquire(e.Ctx(), holdfast.WithLabel("me"))
		e.Must(err)
		if found := list(e, l, "x"); len(found) != 1 || found[0].Stranger || found[0].Label != "me" || found[0].Permits != 0 {
			e.T.Errorf("a mutex's: %+v", found)
		}
		e.Must(s.Release(e.Ctx()))
		e.Must(e.Direct.Set(e.Ctx(), "x", "redis-py", time.Minute).Err())
		if found := list(e, l, "x"); len(found) != 1 || !found[0].Stranger || found[0].TTL <= 0 {
			e.T.Errorf("a stranger's: %+v", found)
		}
	})
}

// TestListWaiters: whoever waits for a name as what does not hold it is listed, too.
func TestListWaiters(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		l := e.Locker()
		s, err := l.Semaphore("x", 5).Acquire(e.Ctx())
		e.Must(err)
		ctx, cancel := context.WithCancel(e.Ctx())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := e.Locker().Mutex("x").Acquire(ctx); !errors.Is(err, context.Canceled) {
				e.T.Error(err)
			}
		})
		time.Sleep(200 * time.Millisecond)
		found := list(e, l, "x")
		slices.SortFunc(found, func(a, b holdfast.Info) int { return a.Waiters - b.Waiters })
		if len(found) != 2 || found[0].Permits != 1 || found[0].Waiters != 0 || !found[1].Stranger || found[1].Waiters != 1 {
			e.T.Errorf("%+v", found)
		}
		cancel()
		wg.Wait()
		e.Must(s.Release(e.Ctx()))
	})
}
