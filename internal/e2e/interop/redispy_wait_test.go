package interop_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

func TestRedisPyTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock(holdfast.WithTTL(10 * time.Second)))
		f.ttl(10 * time.Second)
		if left := time.Until(s.ValidUntil()); left > 10*time.Second || left < 7*time.Second {
			f.Fatalf("valid for %v", left)
		}
		f.release(s)
		f.is("")
	})
}

func TestRedisPyFloatTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock())
		f.ttl(holdfast.DefaultTTL) // not redis-py's None
		f.release(s)
		mu := f.lock(holdfast.WithTTL(9500 * time.Millisecond))
		s = f.try(mu)
		f.ttl(9500 * time.Millisecond)
		f.release(s)
		s = f.try(mu, holdfast.WithTTL(7*time.Second+1999*time.Microsecond))
		f.ttl(7*time.Second + time.Millisecond) // Redis counts in ms
		f.release(s)
		s = f.try(mu, holdfast.WithoutExpiry()) // timeout=None in place of 9.5
		f.ttl(none)
		f.release(s)
	})
}

// Without renewal the timeout is what it is in redis-py: the lock ends with it.
func TestRedisPyTimeoutEnds(t *testing.T) {
	eachFoo(t, func(f foo) {
		ttl := f.Short(300 * time.Millisecond)
		start := time.Now()
		s := f.try(f.lock(holdfast.WithTTL(ttl), holdfast.WithoutRenewal()))
		<-s.Done()
		f.within(time.Since(start), ttl/2, ttl-time.Millisecond)
		f.fails(s.Err(), holdfast.ErrExpired)
		s2 := f.acquire(f.lock())
		f.within(time.Since(start), ttl-20*time.Millisecond, ttl+10*time.Millisecond)
		f.is(s2.Token())
		f.fails(s.Release(f.ctx()), holdfast.ErrLost)
		f.is(s2.Token())
	})
}

// acquire() without more waits for as long as its context lasts.
func TestRedisPyBlocking(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock())
		waiter := f.acquiring(f.lock())
		time.Sleep(500 * time.Millisecond)
		select {
		case got := <-waiter:
			f.Fatalf("acquired a lock that is held: %v", got)
		default:
		}
		f.is(s.Token())
		f.release(s)
		got := <-waiter
		if got.err != nil {
			f.Fatal(got.err)
		}
		f.within(got.took, 500*time.Millisecond, 625*time.Millisecond) // the sleep and a quarter
		f.is(got.Token())

		ctx, cancel := context.WithCancelCause(f.ctx())
		time.AfterFunc(200*time.Millisecond, func() { cancel(errors.New("enough")) })
		start := time.Now()
		_, err := f.lock().Acquire(ctx)
		f.fails(err, context.Canceled)
		f.fails(err, context.Cause(ctx))
		f.within(time.Since(start), 200*time.Millisecond, 200*time.Millisecond)
		f.is(got.Token())
	})
}

// The whole blocking timeout is used, and there is a last try at its end.
func TestRedisPyBlockingTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		const bt, sleep = 400 * time.Millisecond, 50 * time.Millisecond
		s := f.try(f.lock(holdfast.WithoutExpiry()))
		mu := f.lock(holdfast.WithRetryInterval(sleep), holdfast.WithWaitTimeout(bt))
		got := <-f.acquiring(mu)
		f.fails(got.err, holdfast.ErrWaitTimeout)
		f.within(got.took, bt, bt)
		f.is(s.Token())

		got = <-f.acquiring(mu, holdfast.WithWaitTimeout(0)) // still one try
		f.fails(got.err, holdfast.ErrWaitTimeout)
		f.within(got.took, 0, 0)
		f.release(s)
		got = <-f.acquiring(mu, holdfast.WithWaitTimeout(0))
		if got.err != nil {
			f.Fatal(got.err)
		}
		f.is(got.Token())
	})
}

// Where redis-py gives up at once, because it would sleep past its timeout, the rest of
// the timeout is waited for, and a lock that is free by then is taken.
func TestRedisPyHighSleepSmallBlockingTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		const bt = 500 * time.Millisecond
		s := f.try(f.lock(holdfast.WithoutExpiry()))
		mu := f.lock(holdfast.WithRetryInterval(time.Minute), holdfast.WithWaitTimeout(bt))
		got := <-f.acquiring(mu)
		f.fails(got.err, holdfast.ErrWaitTimeout)
		f.within(got.took, bt, bt)

		waiter := f.acquiring(mu)
		time.Sleep(bt / 5)
		f.release(s)
		if got = <-waiter; got.err != nil {
			f.Fatal(got.err)
		}
		f.within(got.took, 0, bt)
		f.is(got.Token())
	})
}

// Of older versions: a sleep that is longer than the timeout was refused. Here a waiter
// asks when the holder's TTL runs out.
func TestRedisPyHighSleep(t *testing.T) {
	eachFoo(t, func(f foo) {
		ttl := f.Short(300 * time.Millisecond)
		opts := []holdfast.Option{holdfast.WithTTL(ttl), holdfast.WithRetryInterval(30 * time.Second)}
		f.try(f.lock(opts...), holdfast.WithoutRenewal())
		got := <-f.acquiring(f.lock(opts...))
		if got.err != nil {
			f.Fatal(got.err)
		}
		f.within(got.took, 0, ttl+10*time.Millisecond)
	})
}

// The arguments of acquire go before those of the lock, and these before the defaults.
func TestRedisPyAcquireArguments(t *testing.T) {
	eachFoo(t, func(f foo) {
		// A stranger's, who tells nobody of its release.
		f.Must(f.Direct.Set(f.ctx(), f.name, "stranger", 0).Err())
		l := f.Locker(holdfast.WithWaitTimeout(time.Hour), holdfast.WithRetryInterval(time.Hour), holdfast.WithToken("locker"))
		mu := l.Mutex(f.name, holdfast.WithWaitTimeout(30*time.Second), holdfast.WithToken("mutex"))
		got := <-f.acquiring(mu, holdfast.WithWaitTimeout(100*time.Millisecond))
		f.fails(got.err, holdfast.ErrWaitTimeout)
		f.within(got.took, 100*time.Millisecond, 100*time.Millisecond)

		waiter := f.acquiring(mu, holdfast.WithRetryInterval(200*time.Millisecond), holdfast.WithToken("call"))
		time.Sleep(100 * time.Millisecond)
		f.Must(f.Direct.Del(f.ctx(), f.name).Err())
		if got = <-waiter; got.err != nil {
			f.Fatal(got.err)
		}
		if f.Fake != nil {
			f.within(got.took, 150*time.Millisecond, 250*time.Millisecond)
		} else {
			f.within(got.took, 0, time.Second)
		}
		f.is("call")
		f.release(got.Session)
		f.try(mu)
		f.is("mutex")
	})
}

func TestRedisPyContextManager(t *testing.T) {
	eachFoo(t, func(f foo) {
		mu := f.lock(holdfast.WithWaitTimeout(200 * time.Millisecond))
		hold := func(ctx context.Context) error {
			s, ok := holdfast.FromContext(ctx)
			if !ok || ctx.Err() != nil {
				f.Fatal("fn got no live session", ctx.Err())
			}
			f.is(s.Token())
			return ctx.Err()
		}
		if err := mu.Do(f.ctx(), hold); err != nil {
			f.Fatal(err)
		}
		f.is("")

		ctx, release := mu.Lock(f.ctx())
		if err := hold(ctx); err != nil {
			f.Fatal(err)
		}
		release()
		f.fails(context.Cause(ctx), holdfast.ErrReleased)
		f.is("")

		// An exception leaves the lock free too.
		func() {
			defer func() {
				if recover() != "oops" {
					f.Error("the panic was swallowed")
				}
			}()
			_ = mu.Do(f.ctx(), func(context.Context) error { panic("oops") })
		}()
		f.is("")
		oops := errors.New("oops")
		if err := mu.Do(f.ctx(), func(context.Context) error { return oops }); err != oops {
			f.Errorf("Do = %v", err)
		}
		f.is("")
	})
}

func TestRedisPyContextManagerBlockingTimeout(t *testing.T) {
	eachFoo(t, func(f foo) {
		const bt = 400 * time.Millisecond
		mu := f.lock()
		err := mu.Do(f.ctx(), func(ctx context.Context) error {
			got := <-f.acquiring(f.lock(holdfast.WithWaitTimeout(bt)))
			f.fails(got.err, holdfast.ErrWaitTimeout)
			f.within(got.took, bt, bt)
			// The same lock under itself would wait for ever in redis-py.
			start := time.Now()
			_, err := mu.Acquire(ctx, holdfast.WithWaitTimeout(20*time.Second))
			f.fails(err, holdfast.ErrNested)
			f.within(time.Since(start), 0, 0)
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
	})
}

func TestRedisPyContextManagerRaisesWhenLockedNotAcquired(t *testing.T) {
	eachFoo(t, func(f foo) {
		f.take("bar")
		mu := f.lock(holdfast.WithWaitTimeout(100 * time.Millisecond))
		err := mu.Do(f.ctx(), func(context.Context) error {
			f.Error("fn ran without the lock")
			return nil
		})
		f.fails(err, holdfast.ErrWaitTimeout)

		ctx, release := mu.Lock(f.ctx())
		if ctx.Err() == nil {
			f.Error("Lock's context is live though the lock is another's")
		}
		f.fails(context.Cause(ctx), holdfast.ErrWaitTimeout)
		if s, ok := holdfast.FromContext(ctx); ok {
			f.Errorf("the context has a session: %v", s)
		}
		release()
		f.is("bar")
	})
}
