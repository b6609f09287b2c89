package holdfast_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestSmoke(t *testing.T) {
	run := func(t *testing.T, locks *holdfast.Locker) {
		ctx := context.Background()
		mu := locks.Mutex("a")
		s, err := mu.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(s, s.ValidUntil())
		if _, err := mu.TryAcquire(ctx); err == nil {
			t.Fatal("two")
		} else {
			t.Log(err)
		}
		time.Sleep(1 * time.Second)
		info, err := mu.Inspect(ctx)
		t.Log(info, err)
		if err := s.Extend(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		t.Log(time.Until(s.ValidUntil()))
		if err := s.SetTTL(ctx, time.Second); err != nil {
			t.Fatal(err)
		}
		t.Log(time.Until(s.ValidUntil()))
		time.Sleep(1 * time.Second)
		t.Log(time.Until(s.ValidUntil()), s.Err())
		t.Log(s.Release(ctx), s.Err())
		_, err = mu.Acquire(s.Context())
		t.Log(err)
		n, err := locks.Mutex("n", holdfast.WithoutExpiry(), holdfast.WithToken("x")).Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i2, err := locks.Mutex("n").Inspect(ctx)
		t.Log(n.ValidUntil(), i2, err)
		r, err := locks.Mutex("n").Resume(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		t.Log(n.Check(ctx))
		t.Log(r.Detach(ctx))
		t.Log(r.Release(ctx))
		t.Log(locks.Mutex("n").ForceRelease(ctx))
	}
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := redistest.NewFake(t)
			locks := holdfast.New(f.NewLink().Client())
			defer locks.Close()
			run(t, locks)
			time.Sleep(time.Minute)
		})
	})
	t.Run("real", func(t *testing.T) {
		locks := holdfast.New(redistest.Start(t).Client())
		defer locks.Close()
		run(t, locks)
	})
}
