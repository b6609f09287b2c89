package permits

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// count counts the permits that live contexts hold.
type count struct {
	mu         sync.Mutex
	used, most int
	got        int
}

// hold counts n permits for as long as work runs, of at most limit.
func (c *count) hold(e *rig.Env, n, limit int, s *holdfast.Session, work func()) {
	c.mu.Lock()
	c.used += n
	c.most = max(c.most, c.used)
	if c.used > limit {
		e.T.Errorf("%d permits are in use, and there are %d", c.used, limit)
	}
	c.got++
	c.mu.Unlock()
	work()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used -= n
	if err := s.Err(); err != nil {
		e.T.Errorf("a session ended while it worked: %v", err)
	}
}

// TestNeverMore: processes that take permits of several weights never have more than there are, and all
// of them get some.
func TestNeverMore(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rig.Each(t, func(e *rig.Env) {
				var c count
				var wg sync.WaitGroup
				for range 4 {
					l := e.Locker()
					for range 6 {
						wg.Go(func() {
							for range 15 {
								weight := 1 + rand.N(n)
								s, err := l.Semaphore("x", n).Acquire(e.Ctx(), holdfast.WithWeight(weight))
								if err != nil {
									e.T.Error(err)
									return
								}
								c.hold(e, weight, n, s, func() { time.Sleep(rand.N(3 * time.Millisecond)) })
								e.Must(s.Release(e.Ctx()))
							}
						})
					}
				}
				wg.Wait()
				if c.got != 4*6*15 || c.most != n {
					e.T.Errorf("%d sessions, %d permits at most", c.got, c.most)
				}
				if keys := e.Keys(); len(keys) != 1 {
					e.T.Errorf("left behind: %q", keys)
				}
			})
		})
	}
}

// TestReadersAndWriters: a writer is alone, readers are together, and neither starves.
func TestReadersAndWriters(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		const all = 1000
		var c count
		var wg sync.WaitGroup
		together := 0
		for range 4 {
			m := e.Locker().RWMutex("index")
			for i := range 6 {
				wg.Go(func() {
					for range 15 {
						acquire, weight := m.RAcquire, 1
						if i == 0 {
							acquire, weight = m.Acquire, all
						}
						s, err := acquire(e.Ctx())
						if err != nil {
							e.T.Error(err)
							return
						}
						c.hold(e, weight, all, s, func() {
							time.Sleep(rand.N(3 * time.Millisecond))
							c.mu.Lock()
							if weight == 1 {
								together = max(together, c.used)
							}
							c.mu.Unlock()
						})
						e.Must(s.Release(e.Ctx()))
					}
				})
			}
		}
		wg.Wait()
		if c.got != 4*6*15 || together < 2 {
			e.T.Errorf("%d sessions, %d readers together at most", c.got, together)
		}
	})
}

// TestUpgrade: who reads can't write within that session.
func TestUpgrade(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		m := e.Locker().RWMutex("index")
		err := m.RDo(e.Ctx(), func(ctx context.Context) error { return m.Do(ctx, func(context.Context) error { return nil }) })
		if !errors.Is(err, holdfast.ErrNested) {
			e.T.Error(err)
		}
	})
}
