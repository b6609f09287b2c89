package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

func TestLeadResigns(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		enough := errors.New("enough")
		if err := mu.Lead(e.ctx(), func(ctx context.Context) error {
			if !held(t, e, "a") {
				t.Error("leads without the lock")
			}
			return enough
		}); err != enough {
			t.Errorf("Lead = %v, want fn's error", err)
		}
		if held(t, e, "a") {
			t.Error("held after fn returned")
		}
		func() {
			defer func() { _ = recover() }()
			_ = mu.Lead(e.ctx(), func(context.Context) error { panic("oh") })
		}()
		if held(t, e, "a") {
			t.Error("held after a panic")
		}
	})
}

func TestLeadAgainAfterLoss(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithTTL(e.short(300 * time.Millisecond))).Mutex("a")
		var terms, running int
		err := mu.Lead(e.ctx(), func(ctx context.Context) error {
			running++
			if running != 1 {
				t.Error("two terms at once")
			}
			defer func() { running-- }()
			if terms++; terms == 4 {
				return nil
			}
			_ = e.direct.Del(e.ctx(), "a").Err()
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), holdfast.ErrLost) {
				t.Errorf("the term ended with %v", context.Cause(ctx))
			}
			time.Sleep(20 * time.Millisecond) // Lead joins it
			return ctx.Err()
		})
		if err != nil || terms != 4 {
			t.Errorf("Lead = %v after %d terms", err, terms)
		}
	})
}

func TestLeadInTermsOfMaxHold(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx, cancel := context.WithCancel(e.ctx())
		defer cancel()
		var leaders atomic.Int32
		var terms [2]atomic.Int32
		var wg sync.WaitGroup
		for i := range terms {
			mu := e.locker(holdfast.WithTTL(300*time.Millisecond), holdfast.WithMaxHold(100*time.Millisecond),
				holdfast.WithRetryInterval(time.Duration(5+i)*time.Millisecond)).Mutex("a")
			wg.Go(func() {
				err := mu.Lead(ctx, func(ctx context.Context) error {
					if leaders.Add(1) != 1 {
						t.Error("two leaders")
					}
					defer leaders.Add(-1)
					terms[i].Add(1)
					<-ctx.Done()
					return ctx.Err()
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Lead = %v", err)
				}
			})
		}
		eventually(t, "there have been five terms", func() bool { return terms[0].Load()+terms[1].Load() >= 5 })
		cancel()
		wg.Wait()
		// The one that campaigned gives back in the background what it was granted meanwhile.
		eventually(t, "both have resigned", func() bool { return !held(t, e, "a") })
	})
}

func TestLeadThroughFaults(t *testing.T) {
	// Campaigns go on until Redis is there, the first one, too.
	each(t, func(t *testing.T, e *env) {
		log := new(capture)
		l, link := e.linked(holdfast.WithTTL(e.short(300*time.Millisecond)), holdfast.WithLogger(slog.New(log)))
		mu := l.Mutex("a")
		link.Refuse()
		time.AfterFunc(2*time.Second, link.Heal)
		terms := 0
		if err := mu.Lead(e.ctx(), func(ctx context.Context) error {
			if terms++; terms == 2 {
				return nil
			}
			// There are some five tries in two seconds; the first, second and fourth are logged.
			if n := log.count("campaign failed"); n < 1 || n > 4 {
				t.Errorf("%d failures are logged: %v", n, log.all())
			}
			link.Refuse()
			time.AfterFunc(2*time.Second, link.Heal)
			<-ctx.Done()
			return ctx.Err()
		}); err != nil || terms != 2 {
			t.Errorf("Lead = %v after %d terms", err, terms)
		}
		link.Refuse()
		defer link.Heal()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := mu.Lead(ctx, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "campaign") {
			t.Errorf("Lead without Redis, until its deadline: %v", err)
		}
	})
}

// TestLeadRefused: what may pass is waited for, and the rest returned at once.
func TestLeadRefused(t *testing.T) {
	t.Parallel()
	passes := map[string]bool{"memory full": true, "replica": true, "loading": true, "refused": true}
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			test := func(t *testing.T, e *env) {
				client := r.prepare(e)
				l := holdfast.New(client)
				t.Cleanup(func() { _ = l.Close() })
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				err := l.Mutex(denied).Lead(ctx, nil)
				if went := ctx.Err() != nil; went != passes[r.name] || !strings.Contains(err.Error(), r.says) || !errors.Is(err, r.is) && r.is != nil {
					t.Errorf("until its context's end: %v; %v", went, err)
				}
			}
			if r.on != "real" {
				t.Run("fake", func(t *testing.T) { onFake(t, test) })
			}
			if r.on != "fake" {
				t.Run("real", func(t *testing.T) { onReal(t, test) })
			}
		})
	}
	for name, opt := range map[string]holdfast.Option{
		"wait timeout": holdfast.WithWaitTimeout(100 * time.Millisecond),
		"one try":      holdfast.WithWaitTimeout(0),
	} {
		onFake(t, func(t *testing.T, e *env) {
			e.acquire(e.locker().Mutex("a"))
			if err := e.locker().Mutex("a").Lead(e.ctx(), nil, opt); !errors.Is(err, holdfast.ErrWaitTimeout) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestLeadSwallowsNothing: a term that ended by itself does not hide what fn returned, but what says
// only that its context is done.
func TestLeadSwallowsNothing(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		log := new(capture)
		mu := e.locker(holdfast.WithMaxHold(time.Second), holdfast.WithLogger(slog.New(log))).Mutex("a")
		broken := errors.New("broken")
		for name, c := range map[string]struct {
			returns func(ctx context.Context) error
			logged  bool
		}{
			"nothing":           {func(context.Context) error { return nil }, false},
			"Err":               {context.Context.Err, false},
			"the cause":         {context.Cause, false},
			"the sentinel":      {func(context.Context) error { return holdfast.ErrMaxHold }, false},
			"wrapped":           {func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) }, false},
			"joined":            {func(ctx context.Context) error { return errors.Join(ctx.Err(), context.Cause(ctx)) }, false},
			"another":           {func(context.Context) error { return broken }, true},
			"joined by another": {func(ctx context.Context) error { return errors.Join(ctx.Err(), broken) }, true},
			"another deadline":  {func(context.Context) error { return context.DeadlineExceeded }, true},
		} {
			terms := 0
			if err := mu.Lead(e.ctx(), func(ctx context.Context) error {
				if terms++; terms == 2 {
					return nil
				}
				<-ctx.Done()
				return c.returns(ctx)
			}); err != nil {
				t.Errorf("%s: Lead = %v", name, err)
			}
			if n := log.count("the function failed"); (n == 1) != c.logged || n > 1 {
				t.Errorf("%s: logged %d times: %v", name, n, log.all())
			}
			log.reset()
		}
	})
}

// TestLeadDrains: a leader that drains finishes its term, and a loss in that time is returned.
func TestLeadDrains(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithTTL(e.short(300 * time.Millisecond))).Mutex("a")
		done := errors.New("done")
		for _, lost := range []bool{false, true} {
			ctx, shutdown := context.WithCancelCause(e.ctx())
			err := mu.Lead(ctx, func(ctx context.Context) error {
				shutdown(errShutdown)
				s, _ := holdfast.FromContext(ctx)
				<-s.Draining()
				if lost {
					e.must(e.direct.Del(e.ctx(), "a").Err())
					<-ctx.Done()
				} else if ctx.Err() != nil || !held(t, e, "a") {
					t.Errorf("drained with %v, held %v", context.Cause(ctx), held(t, e, "a"))
				}
				return done
			}, holdfast.WithDrain(time.Hour))
			if !errors.Is(err, done) || errors.Is(err, holdfast.ErrGone) != lost || errors.Is(err, errShutdown) {
				t.Errorf("lost %v: Lead = %v", lost, err)
			}
		}
	})
}

// TestOptionsOfDoAndLead: options can be given to these calls, too.
func TestOptionsOfDoAndLead(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a", holdfast.WithLabel("mutex"))
		look := func(context.Context) error {
			if label := e.inspect(mu).Label; label != "call" {
				t.Errorf("held by %q", label)
			}
			return nil
		}
		e.must(mu.Do(e.ctx(), look, holdfast.WithLabel("call")))
		e.must(mu.Lead(e.ctx(), look, holdfast.WithLabel("call")))
		for name, err := range map[string]error{
			"Do": mu.Do(e.ctx(), look, holdfast.WithTTL(1)), "Lead": mu.Lead(e.ctx(), look, holdfast.WithTTL(1)),
		} {
			if !errors.Is(err, holdfast.ErrInvalid) {
				t.Errorf("%s with a TTL of 1ns: %v", name, err)
			}
		}
	})
}

func TestLeadEndsWithClose(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		holder, l := e.locker(), e.locker()
		s := e.acquire(holder.Mutex("a"))
		done := make(chan error, 1)
		go func() { done <- l.Mutex("a").Lead(e.ctx(), nil) }()
		time.Sleep(200 * time.Millisecond)
		_ = l.Close()
		if err := <-done; !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("a campaign: %v", err)
		}
		_ = s.Release(e.ctx())
		go func() {
			done <- holder.Mutex("a").Lead(e.ctx(), func(ctx context.Context) error { <-ctx.Done(); return nil })
		}()
		eventually(t, "it leads", func() bool { return held(t, e, "a") })
		_ = holder.Close()
		if err := <-done; !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("a term: %v", err)
		}
	})
}
