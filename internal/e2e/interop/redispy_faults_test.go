package interop_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// nothing demands that Redis holds no key at all.
func (f foo) nothing() {
	f.Helper()
	if keys := f.Keys(); len(keys) > 0 {
		f.Fatalf("in Redis are %q", keys)
	}
}

// In redis-py timeout=0 is no timeout until reacquire, which deletes the key and reports
// success; timeouts under 1 ms and below 0 raise a ResponseError of Redis.
func TestRedisPyTimeoutZero(t *testing.T) {
	eachFoo(t, func(f foo) {
		for _, ttl := range []time.Duration{0, -time.Second, 999 * time.Microsecond, time.Millisecond} {
			mu := f.lock(holdfast.WithTTL(ttl))
			f.fails(mu.Err(), holdfast.ErrInvalid)
			_, err := mu.TryAcquire(f.ctx())
			f.fails(err, holdfast.ErrInvalid)
			_, err = mu.Resume(f.ctx(), "token")
			f.fails(err, holdfast.ErrInvalid)
			_, err = f.lock().Acquire(f.ctx(), holdfast.WithTTL(ttl))
			f.fails(err, holdfast.ErrInvalid)
			_, err = f.lock(holdfast.WithoutRenewal()).Acquire(f.ctx(), holdfast.WithTTL(ttl))
			f.fails(err, holdfast.ErrInvalid)
			ctx, release := mu.Lock(f.ctx())
			f.fails(context.Cause(ctx), holdfast.ErrInvalid)
			release()
			f.fails(mu.Do(f.ctx(), func(context.Context) error {
				f.Error("fn ran without the lock")
				return nil
			}), holdfast.ErrInvalid)
		}
		f.nothing()
	})
}

// In redis-py an extension below what is left is one below zero, which deletes the key and
// reports success; so does one by 0 with replace_ttl.
func TestRedisPyExtendNegative(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.ten()
		for _, d := range []time.Duration{-time.Hour, -10 * time.Second, -time.Millisecond, 0, 999 * time.Microsecond} {
			f.fails(s.Extend(f.ctx(), d), holdfast.ErrInvalid)
			f.fails(s.SetTTL(f.ctx(), d), holdfast.ErrInvalid)
			f.is(s.Token())
			f.ttl(10 * time.Second)
			f.trusts(s, 10*time.Second)
		}
		f.fails(s.SetTTL(f.ctx(), 20*time.Millisecond), holdfast.ErrInvalid) // not held for so short
		f.ttl(10 * time.Second)
		f.release(s)
	})
}

// In redis-py sleep=0 asks in a hot loop, and a negative one raises in mid-wait; the empty
// token, and one of any length, are taken.
func TestRedisPyArgumentsRefused(t *testing.T) {
	eachFoo(t, func(f foo) {
		for name, opt := range map[string]holdfast.Option{
			"sleep=0":             holdfast.WithRetryInterval(0),
			"sleep=-1":            holdfast.WithRetryInterval(-time.Second),
			"blocking_timeout=-1": holdfast.WithWaitTimeout(-time.Second),
			"token=b''":           holdfast.WithToken(""),
			"a long token":        holdfast.WithToken(strings.Repeat("x", holdfast.MaxTokenLen+1)),
		} {
			f.Log(name)
			f.fails(f.lock(opt).Err(), holdfast.ErrInvalid)
			_, err := f.lock().Acquire(f.ctx(), opt)
			f.fails(err, holdfast.ErrInvalid)
		}
		f.nothing()
		_, err := f.lock().Resume(f.ctx(), "")
		f.fails(err, holdfast.ErrInvalid)
	})
}

// In redis-py, acquire whose SET was run and whose reply was lost raises, or with retries
// returns False, and its own key stays: with timeout=None for ever. Ours has the lock.
func TestRedisPyLostSetReply(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]holdfast.Option{
		"TTL":      {holdfast.WithTTL(time.Minute)},
		"noExpiry": {holdfast.WithoutExpiry()},
		"token":    {holdfast.WithTTL(time.Minute), holdfast.WithToken("test")},
	} {
		t.Run(name, func(t *testing.T) {
			eachFoo(t, func(f foo) {
				l, link := f.Linked(opts...)
				mu := l.Mutex(f.name)
				f.release(f.try(mu)) // the connection stands, the script is loaded
				link.HoldReplies()
				waiter := f.acquiring(mu)
				locktest.Eventually(f.T, "the SET is run", func() bool {
					return f.Direct.Exists(f.ctx(), f.name).Val() == 1
				})
				link.Reset()
				link.Heal()
				start := time.Now()
				got := <-waiter // it has asked again, and found its own key to be its own
				if got.err != nil {
					f.Fatal(got.err)
				}
				f.within(time.Since(start), 0, 2*time.Second)
				f.is(got.Session.Token())
				f.release(got.Session)
				s := f.acquire(f.lock()) // free again, long before a TTL or never
				f.within(time.Since(start), 0, 2*time.Second)
				f.is(s.Token())
				f.release(s)
			})
		})
	}
}

// The same with a caller who does not wait for the reply.
func TestRedisPyLostSetReplyCancelled(t *testing.T) {
	eachFoo(t, func(f foo) {
		l, link := f.Linked(holdfast.WithTTL(time.Minute))
		mu := l.Mutex(f.name)
		f.release(f.try(mu))
		link.HoldReplies()
		ctx, cancel := context.WithCancel(f.ctx())
		defer cancel()
		failed := make(chan error, 1)
		go func() { failed <- second(mu.Acquire(ctx)) }()
		locktest.Eventually(f.T, "the SET is run", func() bool {
			return f.Direct.Exists(f.ctx(), f.name).Val() == 1
		})
		time.Sleep(100 * time.Millisecond) // for 50 ms Acquire may not look at its context
		start := time.Now()
		cancel()
		f.fails(<-failed, context.Canceled)
		f.within(time.Since(start), 0, 0)
		link.Heal()
		s := f.acquire(f.lock())
		f.is(s.Token())
	})
}

// In redis-py a release that could not be sent has forgotten the token: it can't be tried
// again, and with timeout=None the lock stays for ever.
func TestRedisPyReleaseAgain(t *testing.T) {
	rig.OnFake(t, func(e *rig.Env) { // real, it would take 5 s
		f := foo{e.T, e, "foo"}
		l, link := f.Linked(holdfast.WithoutExpiry())
		s := f.try(l.Mutex(f.name))
		link.Refuse()
		got, err := s.Owned(f.ctx())
		if got || err == nil || errors.Is(err, holdfast.ErrLost) || s.Err() != nil {
			f.Fatalf("Owned without a server: %v, %v; the session: %v", got, err, s.Err())
		}
		err = s.Release(f.ctx())
		f.fails(err, err)
		if err == nil || errors.Is(err, holdfast.ErrLost) {
			f.Fatalf("Release without a server: %v", err)
		}
		f.is(s.Token())
		link.Heal()
		f.ok(s.Release(f.ctx()))
		f.is("")
	})
}

// The counterpart of test_lock_error_gives_correct_lock_name. A token is never told.
func TestRedisPyLockErrorGivesCorrectLockName(t *testing.T) {
	eachFoo(t, func(f foo) {
		const secret = "open-sesame"
		mu := f.lock(holdfast.WithToken(secret), holdfast.WithWaitTimeout(100*time.Millisecond))
		s := f.try(mu)
		var all []error
		note := func(err error) {
			f.Helper()
			f.fails(err, err) // its name
			all = append(all, err)
		}
		_, err := mu.TryAcquire(f.ctx())
		note(err)
		_, err = mu.Acquire(f.ctx())
		note(err)
		note(mu.Do(f.ctx(), func(context.Context) error { return nil }))
		ctx, _ := mu.Lock(f.ctx())
		note(context.Cause(ctx))
		_, err = mu.Acquire(s.Context())
		note(err)
		f.take("a " + secret)
		note(s.Check(f.ctx()))
		note(s.Err())
		for _, change := range changes {
			note(change(s, f.ctx()))
		}
		_, err = mu.Resume(f.ctx(), secret)
		note(err)
		_, err = s.Detach(f.ctx())
		note(err)
		note(s.Release(f.ctx()))
		for _, err := range all {
			if strings.Contains(err.Error(), secret) {
				f.Errorf("an error tells the token: %v", err)
			}
		}
	})
}

func second[A any](_ A, err error) error { return err }
