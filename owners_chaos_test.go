package holdfast_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// chaos is a network that delays, loses and reorders requests and answers at random, and
// workers that do everything to one lock that sessions can do.
type chaos struct {
	e    *env
	ttl  time.Duration
	quit chan struct{}

	mu       sync.Mutex
	rng      *rand.Rand
	sessions []*holdfast.Session
	acquired int
}

// upTo returns a random duration.
func (c *chaos) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rng.Int64N(int64(d)) + 1)
}

func (c *chaos) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// deliver is what the network does to one request.
func (c *chaos) deliver(_ call, send func() error) error {
	const usual = 15 * time.Millisecond
	there, back := c.upTo(usual), c.upTo(usual)
	switch luck := c.below(100); {
	case luck < 65:
	case luck < 80:
		there = c.upTo(2 * c.ttl)
	case luck < 90:
		back = c.upTo(2 * c.ttl)
	case luck < 95: // it is lost, and the connection breaks
		time.Sleep(there)
		return io.EOF
	default: // the answer is lost
		time.Sleep(there)
		_ = send()
		time.Sleep(back)
		return syscall.ECONNRESET
	}
	time.Sleep(there)
	err := send()
	time.Sleep(back)
	return err
}

// work acquires the lock again and again, and does this and that with it.
func (c *chaos) work(mu *holdfast.Mutex) {
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.upTo(5*c.ttl))
		s, err := mu.Acquire(context.WithoutCancel(ctx), holdfast.WithWaitTimeout(c.upTo(3*c.ttl)))
		if err == nil {
			c.mu.Lock()
			c.sessions = append(c.sessions, s)
			c.acquired++
			c.mu.Unlock()
			for range c.below(6) {
				c.use(s)
			}
			_ = s.Release(ctx)
		}
		cancel()
		time.Sleep(c.upTo(c.ttl / 4))
	}
}

// use does one thing with a session.
func (c *chaos) use(s *holdfast.Session) {
	ctx, cancel := context.WithTimeout(context.Background(), c.upTo(c.ttl/2))
	defer cancel()
	switch c.below(6) {
	case 0:
		_ = s.SetTTL(ctx, 100*time.Millisecond+c.upTo(c.ttl))
	case 1:
		_ = s.Extend(ctx, c.upTo(c.ttl))
	case 2:
		_ = s.Reacquire(ctx)
	case 3:
		_ = s.Check(ctx)
	default:
		select {
		case <-time.After(c.upTo(c.ttl)):
		case <-s.Done():
		}
	}
}

// check looks at all sessions: one at most is alive, its fence is the largest, and its
// key stays longer than it is trusted.
func (c *chaos) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var alive *holdfast.Session
	var fence int64
	for _, s := range c.sessions {
		fence = max(fence, s.Fence())
		if s.Err() == nil {
			if alive != nil {
				return fmt.Errorf("two owners: %v and %v", alive, s)
			}
			alive = s
			if err := (lease{"chaos", s}).sound(c.e); err != nil {
				return err
			}
		}
	}
	if alive != nil && alive.Fence() < fence {
		return fmt.Errorf("the owner's fence is %d, and there was %d", alive.Fence(), fence)
	}
	if n := len(c.sessions); n > 20 {
		c.sessions = append([]*holdfast.Session(nil), c.sessions[n-20:]...)
	}
	return nil
}

// TestOwnersChaos: four processes compete for one lock through such a network. Between
// any two events the invariants hold.
func TestOwnersChaos(t *testing.T) {
	const ttl, lasts = 400 * time.Millisecond, 40 * time.Second
	for i := range redistest.Phases(t, 8, 5) {
		seed := uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, e *env) {
				c := &chaos{e: e, ttl: ttl, quit: make(chan struct{}), rng: rand.New(rand.NewPCG(seed, 1))}
				var workers sync.WaitGroup
				opts := []holdfast.Option{holdfast.WithTTL(ttl), holdfast.WithRetryInterval(ttl / 8)}
				if seed%2 == 1 {
					opts = append(opts, holdfast.WithToken("sesame")) // all have the same
				}
				for range 4 {
					p := &tap{}
					p.setDeliver(c.deliver)
					mu := e.tapped(p, opts...).Mutex("chaos")
					workers.Go(func() { c.work(mu) })
				}
				for start := time.Now(); time.Since(start) < lasts && !t.Failed(); time.Sleep(3 * time.Millisecond) {
					synctest.Wait()
					if err := c.check(); err != nil {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
				}
				close(c.quit)
				workers.Wait()
				// What was under way has come, and what was open has been taken back.
				time.Sleep(10 * time.Second)
				if locked, err := e.locker().Mutex("chaos").Locked(e.ctx()); locked || err != nil {
					t.Errorf("the lock is left behind: %v, %v", locked, err)
				}
				t.Logf("%d acquisitions", c.acquired)
				if c.acquired < 40 {
					t.Errorf("only %d acquisitions", c.acquired)
				}
			})
		})
	}
}
