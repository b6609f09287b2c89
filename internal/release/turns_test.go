package release

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// TestTwice: the first call lets the lease go; what a later one returns goes by both.
func TestTwice(t *testing.T) {
	nothing := func(*rig) {}
	deleted := func(r *rig) { r.fake.M.Del("a") }
	for name, c := range map[string]struct {
		before        func(*rig)
		first, second func(*rig, *session) error
		result, again error
		ended         error
	}{
		"released, and released": {nothing, (*rig).giveBack, (*rig).giveBack, nil, nil, lease.ErrReleased},
		"lost, and released":     {deleted, (*rig).giveBack, (*rig).giveBack, lease.ErrGone, lease.ErrGone, lease.ErrReleased},
		"released, and detached": {nothing, (*rig).giveBack, (*rig).handOut, nil, lease.ErrReleased, lease.ErrReleased},
		"detached, and detached": {nothing, (*rig).handOut, (*rig).handOut, nil, nil, ErrDetached},
		"detached, and released": {nothing, (*rig).handOut, (*rig).giveBack, nil, nil, ErrDetached},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(r *rig) {
				s := r.acquire()
				c.before(r)
				if err := c.first(r, s); !errors.Is(err, c.result) {
					t.Errorf("the first: error %v, want %v", err, c.result)
				}
				if err := c.second(r, s); !errors.Is(err, c.again) {
					t.Errorf("the second: error %v, want %v", err, c.again)
				}
				if !errors.Is(s.cause, c.ended) {
					t.Errorf("it ended with %v, want %v", s.cause, c.ended)
				}
			})
		})
	}
}

// TestAwait: the lease goes when the functions that run under the session have ended, and not if they
// outlive ctx.
func TestAwait(t *testing.T) {
	tenSeconds := lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}}
	for name, c := range map[string]struct {
		terms lease.Terms
		works time.Duration
		ctx   func(*session) context.Context
		says  string // the error
	}{
		"a function that ends in time":         {tenSeconds, time.Second, background, ""},
		"one that does not":                    {tenSeconds, time.Minute, background, "the lock is left to expire, at 2000-01-01T00:00:"},
		"one that does not, without an expiry": {lease.Terms{Terms: trust.Terms{NoExpiry: true}}, time.Minute, background, "has no expiry and stays held"},
		"a context that the end has ended": {tenSeconds, time.Second, func(s *session) context.Context {
			s.End(lease.ErrReleased)
			return s.inside()
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(r *rig) {
				s := r.acquireWith(c.terms)
				ctx, cancel := context.WithTimeout(c.ctx(s), 5*time.Second)
				defer cancel()
				s.drain.Enter()
				r.Tasks.Go(func() {
					time.Sleep(c.works)
					if status := r.status(); status == store.Gone && c.says == "" {
						r.t.Error("given back while a function was running")
					}
					s.drain.Leave()
				})
				switch err := r.release(ctx, s, 0, true); {
				case c.says == "" && (err != nil || r.status() != store.Gone):
					t.Errorf("error %v, and Redis says %d", err, r.status())
				case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, context.DeadlineExceeded)):
					t.Errorf("error %v, want one that says %q", err, c.says)
				}
			})
		})
	}
}

func background(*session) context.Context { return context.Background() }

// TestInside: from inside a function that runs under the session, Release does not wait for it, and
// Detach is refused.
func TestInside(t *testing.T) {
	onFake(t, func(r *rig) {
		s := r.acquire()
		s.drain.Enter()
		if err := r.Detach(s.inside(), s); err == nil || s.cause != nil {
			t.Errorf("Detach: %v, and the session ended with %v", err, s.cause)
		}
		if err := r.Release(s.inside(), s, 0); err != nil || s.cause == nil {
			t.Errorf("Release: %v, and the session ended with %v", err, s.cause)
		}
		synctest.Wait()
		if status := r.status(); status != store.Held {
			t.Errorf("while the function runs, Redis says %d", status)
		}
		s.drain.Leave()
		synctest.Wait()
		if status := r.status(); status != store.Gone {
			t.Errorf("when the function has ended, Redis says %d", status)
		}
	})
}

// TestUndo: what is undone goes to the background if there is reason to hurry.
func TestUndo(t *testing.T) {
	onFake(t, func(r *rig) {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		for name, c := range map[string]struct {
			ctx, closed context.Context
			background  bool
		}{
			"in time":                {context.Background(), r.Releaser.Closed, false},
			"after the caller's end": {done, r.Releaser.Closed, true},
			"after the Locker's":     {context.Background(), done, true},
		} {
			r := r.Releaser
			r.Closed = c.closed
			undone, goOn := make(chan bool, 1), make(chan struct{})
			if !c.background {
				close(goOn)
			}
			r.Undo(c.ctx, func() { <-goOn; undone <- true })
			if n := len(undone); c.background == (n > 0) {
				t.Errorf("%s: undone %d times when Undo returned", name, n)
			}
			if c.background {
				close(goOn)
			}
			<-undone
		}
	})
}
