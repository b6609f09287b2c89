package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// States of the server that the holder of a lock must not notice.

// TestErrorsScriptFlush: a server that forgets the scripts, as after a restart or a
// failover, is taught them again, at whatever step.
func TestErrorsScriptFlush(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(200 * time.Millisecond)
		mu, ctx := e.locker(holdfast.WithTTL(ttl)).Mutex("flushed"), e.ctx()
		flush := func() { e.must(e.direct.ScriptFlush(ctx).Err()) }
		for round := range 5 {
			flush()
			s := e.acquire(mu)
			for what, step := range map[string]func() error{
				"extend":    func() error { return s.Extend(ctx, time.Second) },
				"set":       func() error { return s.SetTTL(ctx, ttl) },
				"reacquire": func() error { return s.Reacquire(ctx) },
				"check":     func() error { return s.Check(ctx) },
				"inspect":   func() error { return second(mu.Inspect(ctx)) },
				"try":       func() error { return not(holdfast.ErrHeld, second(mu.TryAcquire(ctx))) },
				"renewals":  func() error { time.Sleep(2 * ttl); return s.Err() },
			} {
				flush()
				if err := step(); err != nil {
					t.Fatalf("round %d, %s: %v", round, what, err)
				}
			}
			flush()
			token, err := s.Detach(ctx)
			e.must(err)
			flush()
			resumed, err := mu.Resume(ctx, token)
			e.must(err)
			flush()
			e.must(resumed.Release(ctx))
			flush()
			e.must(mu.ForceRelease(ctx))
			if n := e.direct.Exists(ctx, "flushed").Val(); n != 0 {
				t.Fatal("the lock is left behind")
			}
		}
	})
}

// not returns nil if err is want.
func not(want, err error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("got %v instead of %w", err, want)
}

// TestErrorsScriptFlushes: the same while others work.
func TestErrorsScriptFlushes(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		locks := e.crowded(holdfast.WithTTL(time.Second), holdfast.WithRetryInterval(2*time.Millisecond))
		ctx, cancel := context.WithCancel(e.ctx())
		var flusher, workers sync.WaitGroup
		flusher.Go(func() {
			for ctx.Err() == nil {
				_ = e.direct.ScriptFlush(ctx).Err()
			}
		})
		held := e.acquire(locks.Mutex("held"), holdfast.WithTTL(500*time.Millisecond))
		for i := range 4 {
			mu := locks.Mutex(fmt.Sprint("contended", i%2))
			workers.Go(func() {
				for start := time.Now(); time.Since(start) < time.Second; {
					s, err := mu.Acquire(ctx)
					if err == nil {
						err = errors.Join(s.Extend(ctx, time.Second), s.Check(ctx), s.Release(ctx))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		workers.Wait()
		cancel()
		flusher.Wait()
		e.must(errors.Join(held.Err(), held.Release(e.ctx())))
	})
}

// TestErrorsMemoryFull: a full memory denies new locks, not what concerns those that are
// held: renewing, extending, giving back, and taking back what is unknown.
func TestErrorsMemoryFull(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string][]holdfast.Option{
		"plain":  {holdfast.WithTTL(1500 * time.Millisecond)},
		"token":  {holdfast.WithTTL(1500 * time.Millisecond), holdfast.WithToken(secret)},
		"no TTL": {holdfast.WithoutExpiry(), holdfast.WithRenewInterval(100 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			onReal(t, func(t *testing.T, e *env) {
				ctx := e.ctx()
				locks, link := e.linked(kind...)
				e.load()
				s := e.acquire(e.locker(kind...).Mutex("held"))
				e.must(second(locks.Mutex("unknown").Locked(ctx))) // connects

				link.HoldReplies()
				off, cancel := context.WithCancel(ctx)
				failed := make(chan error, 1)
				go func() { failed <- second(locks.Mutex("unknown").Acquire(off)) }()
				eventually(t, "it runs", func() bool { return e.direct.Exists(ctx, "unknown").Val() == 1 })

				e.must(e.direct.ConfigSet(ctx, "maxmemory", "1").Err())
				if err := (refusal{says: "OOM"}).check("try to acquire", second(e.locker(kind...).Mutex(denied).TryAcquire(ctx))); err != nil {
					t.Errorf("the memory is not full: %v", err)
				}
				cancel()
				e.must(not(context.Canceled, <-failed))
				link.Heal()

				for what, step := range map[string]func() error{
					"renewals":  func() error { time.Sleep(2 * time.Second); return s.Err() },
					"check":     func() error { return s.Check(ctx) },
					"extend":    func() error { return ignore(holdfast.ErrNoExpiry, s.Extend(ctx, time.Second)) },
					"set":       func() error { return ignore(holdfast.ErrNoExpiry, s.SetTTL(ctx, time.Second)) },
					"reacquire": func() error { return ignore(holdfast.ErrNoExpiry, s.Reacquire(ctx)) },
					"renewals after a SetTTL without an answer": func() error {
						_ = s.SetTTL(off, time.Second) // they carry a number, which they write
						time.Sleep(2 * time.Second)
						return s.Err()
					},
				} {
					if err := step(); err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
				e.must(s.Release(ctx))
				if keys := e.direct.Exists(ctx, "held", "unknown", denied).Val(); keys != 0 {
					t.Errorf("%d locks are left behind", keys)
				}
			})
		})
	}
}

// ignore returns err unless it is this one.
func ignore(this, err error) error {
	if errors.Is(err, this) {
		return nil
	}
	return err
}
