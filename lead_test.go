package holdfast_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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
		mu := e.locker(holdfast.WithTTL(300 * time.Millisecond)).Mutex("a")
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
	// The first campaign reports what is wrong; later ones wait until it has passed.
	each(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(300 * time.Millisecond))
		mu := l.Mutex("a")
		link.Refuse()
		if err := mu.Lead(e.ctx(), nil); err == nil || errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Lead without Redis = %v", err)
		}
		link.Heal()
		terms := 0
		if err := mu.Lead(e.ctx(), func(ctx context.Context) error {
			if terms++; terms == 2 {
				return nil
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
		if err := mu.Lead(ctx, nil); err == nil {
			t.Error("a new Lead without Redis succeeds")
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
