package interop_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// The tests named TestRedisPy are the counterparts of redis-py's tests/test_lock.py,
// each under the name of its original, and of what redis-py gets wrong. They stand in
// redispy_test.go, redispy_ttl_test.go and redispy_faults_test.go. Two of the originals
// have none: test_lock_class_argument, and thread_local, which a Session makes needless.

// foo is a lock, usually of that name, and a look at it from outside.
type foo struct {
	*testing.T
	*rig.Env
	name string
}

func eachFoo(t *testing.T, test func(f foo)) {
	rig.Each(t, func(e *rig.Env) { test(foo{e.T, e, "foo"}) })
}

// ctx returns a context that ends before a test hangs for long.
func (f foo) ctx() context.Context {
	ctx, cancel := context.WithTimeout(f.Env.Ctx(), 30*time.Second)
	f.Cleanup(cancel)
	return ctx
}

// acquire is Acquire that must succeed.
func (f foo) acquire(mu *holdfast.Mutex) *holdfast.Session {
	f.Helper()
	s, err := mu.Acquire(f.ctx())
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// lock returns the lock as another process would have it.
func (f foo) lock(opts ...holdfast.Option) *holdfast.Mutex {
	return f.Locker(opts...).Mutex(f.name)
}

// try is acquire(blocking=False) that must succeed.
func (f foo) try(mu *holdfast.Mutex, opts ...holdfast.Option) *holdfast.Session {
	f.Helper()
	s, err := mu.TryAcquire(f.ctx(), opts...)
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// refused is acquire(blocking=False) that must find the lock held.
func (f foo) refused(mu *holdfast.Mutex, opts ...holdfast.Option) {
	f.Helper()
	s, err := mu.TryAcquire(f.ctx(), opts...)
	if s != nil || !errors.Is(err, holdfast.ErrHeld) || !errors.Is(err, holdfast.ErrWaitTimeout) { // one event
		f.Fatalf("TryAcquire of a lock that is held: %v, %v", s, err)
	}
}

func (f foo) release(s *holdfast.Session) {
	f.Helper()
	if err := s.Release(f.ctx()); err != nil {
		f.Fatal(err)
	}
	if err := s.Err(); !errors.Is(err, holdfast.ErrReleased) || errors.Is(err, holdfast.ErrLost) {
		f.Fatalf("after Release, Err is %v", err)
	}
}

// take gives the lock to somebody else behind its holder's back.
func (f foo) take(token string) {
	f.Helper()
	if err := f.Direct.Set(f.ctx(), f.name, token, 0).Err(); err != nil {
		f.Fatal(err)
	}
}

// drop deletes the lock behind its holder's back.
func (f foo) drop() {
	f.Helper()
	if err := f.Direct.Del(f.ctx(), f.name).Err(); err != nil {
		f.Fatal(err)
	}
}

// is demands that the token holds the lock in Redis; an empty one, that nobody does.
func (f foo) is(token string) {
	f.Helper()
	got, err := f.Direct.Get(f.ctx(), f.name).Result()
	if err != nil && !errors.Is(err, redis.Nil) || got != token || (token == "") != errors.Is(err, redis.Nil) {
		f.Fatalf("in Redis is %q, %v, want %q", got, err, token)
	}
}

const none = -1 // no expiry, as PTTL says it

// ttl demands what is left of the lock's TTL in Redis: exactly on fake time.
func (f foo) ttl(want time.Duration) {
	f.Helper()
	f.ttlLess(want, 0)
}

// ttlLess is ttl that may be a little less on fake time too.
func (f foo) ttlLess(want, less time.Duration) {
	f.Helper()
	got, err := f.Direct.PTTL(f.ctx(), f.name).Result()
	least := want - less
	if f.Fake == nil && want > 0 {
		least -= want / 4
	}
	if err != nil || got < least || got > want {
		f.Fatalf("the TTL in Redis is %v, %v, want %v", got, err, want)
	}
}

// fails demands an error of one kind that names the lock.
func (f foo) fails(err, kind error) {
	f.Helper()
	if err == nil || !errors.Is(err, kind) {
		f.Fatalf("the error is %v, want %v", err, kind)
	}
	if !strings.Contains(err.Error(), strconv.Quote(f.name)) {
		f.Fatalf("the error %v does not name the lock", err)
	}
}

// within demands a duration: as exactly as d's bounds on fake time, else a late one may
// be later.
func (f foo) within(d, from, to time.Duration) {
	f.Helper()
	if f.Fake == nil {
		to += 3 * time.Second
	}
	if d < from || d > to {
		f.Fatalf("it took %v, want %v to %v", d, from, to)
	}
}

type acquired struct {
	*holdfast.Session
	err  error
	took time.Duration
}

// acquiring starts Acquire.
func (f foo) acquiring(mu *holdfast.Mutex, opts ...holdfast.Option) <-chan acquired {
	c, ctx, start := make(chan acquired, 1), f.ctx(), time.Now()
	go func() {
		s, err := mu.Acquire(ctx, opts...)
		c <- acquired{s, err, time.Since(start)}
	}()
	return c
}

func TestRedisPyLock(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock(holdfast.WithoutExpiry()))
		if len(s.Token()) < 32 || s.Err() != nil || !s.ValidUntil().IsZero() {
			f.Fatalf("token %q, err %v, valid until %v", s.Token(), s.Err(), s.ValidUntil())
		}
		f.is(s.Token())
		f.ttl(none)
		f.release(s)
		f.is("")
	})
}

func TestRedisPyLockToken(t *testing.T) {
	eachFoo(t, func(f foo) {
		mu := f.lock(holdfast.WithoutExpiry(), holdfast.WithToken("outer"))
		s := f.try(mu, holdfast.WithToken("test"))
		f.is("test")
		f.ttl(none)
		if s.Token() != "test" {
			f.Fatalf("token %q", s.Token())
		}
		f.release(s)
		f.is("")
		f.release(f.try(mu)) // once more, now by the lock's own token
	})
}

// The counterpart of test_lock_token_thread_local_false: a session may be handed on.
func TestRedisPyReleaseElsewhere(t *testing.T) {
	eachFoo(t, func(f foo) {
		s, done := f.try(f.lock()), make(chan error)
		go func() { done <- s.Release(context.Background()) }()
		if err := <-done; err != nil {
			f.Fatal(err)
		}
		f.is("")
	})
}

func TestRedisPyLocked(t *testing.T) {
	eachFoo(t, func(f foo) {
		mine, other := f.lock(), f.lock()
		locked := func(want bool) {
			f.Helper()
			for _, mu := range []*holdfast.Mutex{mine, other} {
				if got, err := mu.Locked(f.ctx()); got != want || err != nil {
					f.Fatalf("Locked = %v, %v, want %v", got, err, want)
				}
			}
		}
		locked(false)
		s := f.try(mine)
		locked(true)
		f.release(s)
		locked(false)
		f.take("a stranger")
		locked(true)
	})
}

func owned(f foo, s *holdfast.Session, want bool) {
	f.Helper()
	if got, err := s.Owned(f.ctx()); got != want || err != nil {
		f.Fatalf("Owned = %v, %v, want %v", got, err, want)
	}
}

func TestRedisPyOwned(t *testing.T) {
	eachFoo(t, func(f foo) {
		s := f.try(f.lock())
		owned(f, s, true)
		f.release(s)
		owned(f, s, false)
		s2 := f.try(f.lock())
		owned(f, s, false)
		owned(f, s2, true)
		f.take("a")
		owned(f, s2, false)
		f.fails(s2.Err(), holdfast.ErrTaken)
		f.release(s) // which was released: nothing happens
		f.is("a")
	})
}

// The counterpart of test_owned_with_decoded_responses: tokens are any bytes.
func TestRedisPyOwnedBinary(t *testing.T) {
	eachFoo(t, func(f foo) {
		for _, token := range []string{"\x00", "\xff\xfe", "ключ\n", "0", " "} {
			s := f.try(f.lock(), holdfast.WithToken(token))
			f.is(token)
			owned(f, s, true)
			f.take(token + "\x00")
			owned(f, s, false)
			f.drop()
		}
	})
}

func TestRedisPyCompetingLocks(t *testing.T) {
	eachFoo(t, func(f foo) {
		one, two := f.lock(), f.lock()
		s1 := f.try(one)
		f.refused(two)
		f.refused(one)
		f.is(s1.Token())
		f.release(s1)
		s2 := f.try(two)
		f.refused(one)
		f.is(s2.Token())
		if s2.Fence() <= s1.Fence() {
			f.Fatalf("fence %d after %d", s2.Fence(), s1.Fence())
		}
		f.release(s2)
	})
}

// A token that two use: they exclude each other as in redis-py, and here the one that
// lost the lock can't release the other's.
func TestRedisPyCompetingToken(t *testing.T) {
	eachFoo(t, func(f foo) {
		token := holdfast.WithToken("shared")
		one, two := f.lock(token), f.lock(token)
		s1 := f.try(one)
		f.refused(two)
		f.release(s1)
		s2 := f.try(two)
		f.release(s1) // again
		f.is("shared")
		f.release(s2)

		s1 = f.try(one, holdfast.WithoutRenewal(), holdfast.WithTTL(200*time.Millisecond))
		<-s1.Done()
		s2 = f.acquire(two)
		f.fails(s1.Release(f.ctx()), holdfast.ErrLost)
		f.is("shared")
		owned(f, s2, true)
	})
}
