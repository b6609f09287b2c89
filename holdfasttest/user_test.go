package holdfasttest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// scheduler is a user's worker with leadership: it counts while it leads.
type scheduler struct {
	locks *holdfast.Locker
	leads atomic.Bool
	ticks atomic.Int64
}

func (s *scheduler) Run(ctx context.Context) error {
	return s.locks.Mutex("scheduler").Lead(ctx, func(ctx context.Context) error {
		s.leads.Store(true)
		defer s.leads.Store(false)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.ticks.Add(1)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
}

func TestUserLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holdfasttest.New(t)
		pa, pb := r.Process(), r.Process()
		a, b := &scheduler{locks: pa.Locker()}, &scheduler{locks: pb.Locker()}
		go a.Run(t.Context())
		r.WaitHeld("scheduler")
		go b.Run(t.Context())
		r.WaitQueued("scheduler", 1)
		time.Sleep(time.Minute)
		if !a.leads.Load() || b.leads.Load() || a.ticks.Load() < 59 {
			t.Fatalf("a leads: %v, with %d ticks; b leads: %v", a.leads.Load(), a.ticks.Load(), b.leads.Load())
		}
		pa.Cut()
		time.Sleep(2 * holdfast.DefaultTTL)
		if a.leads.Load() || !b.leads.Load() {
			t.Fatalf("cut off, a leads: %v, b leads: %v", a.leads.Load(), b.leads.Load())
		}
		pa.Heal()
		r.WaitQueued("scheduler", 1) // a campaigns again
		r.ForceRelease("scheduler")
		time.Sleep(time.Second)
		if !a.leads.Load() || b.leads.Load() {
			t.Fatalf("after the force release, a leads: %v, b leads: %v", a.leads.Load(), b.leads.Load())
		}
	})
}

// cron is a user's job that runs on one machine; it makes its own Locker.
type cron struct {
	locks *holdfast.Locker
	ran   int
}

func newCron(client redis.UniversalClient) *cron { return &cron{locks: holdfast.New(client)} }

func (c *cron) Tick(ctx context.Context) (skipped bool, err error) {
	s, err := c.locks.Mutex("nightly").TryAcquire(ctx)
	if errors.Is(err, holdfast.ErrHeld) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer s.Release(ctx)
	c.ran++
	return false, s.Err()
}

func TestUserCron(t *testing.T) {
	r := holdfasttest.New(t)
	c := newCron(r.Client())
	defer c.locks.Close()
	check := func(what string, skipped bool, wantErr error, ran int) {
		t.Helper()
		got, err := c.Tick(t.Context())
		if got != skipped || !errors.Is(err, wantErr) || c.ran != ran {
			t.Errorf("%s: skipped %v, %v, ran %d times", what, got, err, c.ran)
		}
	}
	check("free", false, nil, 1)
	py := r.HoldAsStranger("nightly", 0)
	check("redis-py has it", true, nil, 1)
	py.Release()
	other := r.Hold("nightly")
	check("another machine has it", true, nil, 1)
	other.Release()
	check("free again", false, nil, 2)
	r.Refuse()
	if _, err := c.Tick(t.Context()); err == nil {
		t.Error("Redis is gone, and no error")
	}
	r.Heal()
	check("Redis is back", false, nil, 3)
}

// handler is a user's HTTP handler, one export at a time.
func handler(locks *holdfast.Locker, export func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu := locks.Mutex("export", holdfast.WithWaitTimeout(100*time.Millisecond))
		switch err := mu.Do(req.Context(), export); {
		case errors.Is(err, holdfast.ErrWaitTimeout):
			w.WriteHeader(http.StatusConflict)
		case errors.Is(err, holdfast.ErrLost):
			w.WriteHeader(http.StatusServiceUnavailable)
		case err != nil:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

func TestUserHandler(t *testing.T) {
	r := holdfasttest.New(t)
	export := func(context.Context) error { return nil }
	h := handler(r.Locker(holdfast.WithTTL(time.Second)), func(ctx context.Context) error { return export(ctx) })
	request := func(want int) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/export", nil))
		if w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
	request(http.StatusOK)
	other := r.Hold("export")
	request(http.StatusConflict)
	other.Release()

	export = func(ctx context.Context) error {
		r.Delete("export") // the lock is lost while the export runs
		<-ctx.Done()
		return context.Cause(ctx)
	}
	request(http.StatusServiceUnavailable)

	var wg sync.WaitGroup
	export = func(ctx context.Context) error {
		wg.Go(func() { request(http.StatusConflict) })
		wg.Wait()
		return nil
	}
	request(http.StatusOK)
}
