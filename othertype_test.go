package holdfast_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// A key of another type than a string at a lock's name: a stranger's lock.

// symfony is how Symfony's RedisStore takes a lock: a sorted set of the token and "__write__",
// whose scores are the times of their ends, ms. Replies 0 if it does not get it.
const symfony = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local key, token, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('TYPE', key).ok == 'string' then return 0 end
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if redis.call('ZSCORE', key, token) then
  if not redis.call('ZSCORE', key, '__write__') and redis.call('ZCOUNT', key, '-inf', '+inf') > 1 then return 0 end
elseif redis.call('ZCOUNT', key, '-inf', '+inf') > 0 then return 0 end
redis.call('ZADD', key, now + ttl, token)
redis.call('ZADD', key, now + ttl, '__write__')
redis.call('PEXPIREAT', key, redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2])
return 1`

// symfonyReleases is how it gives a lock back.
const symfonyReleases = `
if redis.call('TYPE', KEYS[1]).ok == 'string' then return 0 end
if not redis.call('ZREM', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZREM', KEYS[1], '__write__')
return 1`

// otherType makes NAME a key of another type, or changes it to one.
type otherType struct {
	name string
	put  func(e *env, name string, ttl time.Duration)
}

func (e *env) putAs(name string, ttl time.Duration, put func(redis.Pipeliner)) {
	_, err := e.direct.TxPipelined(e.ctx(), func(p redis.Pipeliner) error {
		p.Del(e.ctx(), name)
		put(p)
		p.PExpire(e.ctx(), name, ttl)
		return nil
	})
	e.must(err)
}

var otherTypes = []otherType{
	{"list", func(e *env, name string, ttl time.Duration) {
		e.putAs(name, ttl, func(p redis.Pipeliner) { p.RPush(e.ctx(), name, "x") })
	}},
	{"hash", func(e *env, name string, ttl time.Duration) {
		e.putAs(name, ttl, func(p redis.Pipeliner) { p.HSet(e.ctx(), name, "x", "y") })
	}},
	{"Symfony's sorted set", func(e *env, name string, ttl time.Duration) {
		e.must(e.direct.Del(e.ctx(), name).Err())
		if n, err := e.symfony(name, "php", ttl); n != 1 || err != nil {
			e.t.Fatalf("Symfony got %d, %v", n, err)
		}
	}},
}

func (e *env) symfony(name, token string, ttl time.Duration) (int, error) {
	return e.direct.Eval(e.ctx(), symfony, []string{name}, token, ttl.Milliseconds()).Int()
}

func eachType(t *testing.T, test func(t *testing.T, e *env, put func(name string, ttl time.Duration))) {
	for _, o := range otherTypes {
		t.Run(o.name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				test(t, e, func(name string, ttl time.Duration) { o.put(e, name, ttl) })
			})
		})
	}
}

// TestOtherTypeIsAStranger: whoever asks is told that a stranger has the lock, and for how long.
func TestOtherTypeIsAStranger(t *testing.T) {
	eachType(t, func(t *testing.T, e *env, put func(string, time.Duration)) {
		const ttl = time.Minute
		ctx, l := e.ctx(), e.locker()
		put("a", ttl)
		mu := l.Mutex("a")
		if s, err := mu.TryAcquire(ctx); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("TryAcquire: %v, %v", s, err)
		}
		if _, err := mu.Acquire(ctx, holdfast.WithWaitTimeout(200*time.Millisecond)); !errors.Is(err, holdfast.ErrWaitTimeout) {
			t.Errorf("Acquire: %v", err)
		}
		if locked, err := mu.Locked(ctx); !locked || err != nil {
			t.Errorf("Locked: %v, %v", locked, err)
		}
		in, err := mu.Inspect(ctx)
		if err != nil || !in.Held || !in.Stranger || in.TTL <= ttl-10*time.Second || in.TTL > ttl {
			t.Errorf("Inspect: %+v, %v", in, err)
		}
		if _, err := mu.Resume(ctx, "php"); !errors.Is(err, holdfast.ErrTaken) {
			t.Errorf("Resume: %v", err)
		}
		if err := mu.ForceReleaseFence(ctx, 1); !errors.Is(err, holdfast.ErrOtherFence) {
			t.Errorf("ForceReleaseFence: %v", err)
		}
		if n := e.direct.Exists(ctx, "a").Val(); n != 1 {
			t.Error("the stranger's lock is gone")
		}
		if err := mu.ForceRelease(ctx); err != nil {
			t.Errorf("ForceRelease: %v", err)
		}
		e.must(e.acquire(mu).Release(ctx))
	})
}

// TestOtherTypeMany: likewise where one call of the script is for many locks, and the others of
// the call are not concerned.
func TestOtherTypeMany(t *testing.T) {
	eachType(t, func(t *testing.T, e *env, put func(string, time.Duration)) {
		ctx, l := e.ctx(), e.locker()
		const locks = 40
		names := make([]string, locks)
		got := make(chan error, locks)
		for i := range names {
			names[i] = "n" + string(rune('A'+i))
			if i%2 == 0 {
				put(names[i], time.Minute)
			}
		}
		for i, name := range names {
			go func() {
				s, err := l.Mutex(name).TryAcquire(ctx)
				switch {
				case i%2 == 0 && errors.Is(err, holdfast.ErrHeld):
					err = nil
				case err == nil && i%2 == 0:
					err = errors.New(name + " was taken from a stranger")
				case err == nil:
					err = s.Release(ctx)
				}
				got <- err
			}()
		}
		for range names {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOtherTypeWaits: Acquire and Lead wait for the stranger's end, from the beginning and when
// the type changes while they stand in line, or while the stranger releases it.
func TestOtherTypeWaits(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, e *env, put func(string, time.Duration)) {
		ttl := e.short(500 * time.Millisecond)
		ctx := e.ctx()
		l, other := e.locker(holdfast.WithRetryInterval(20*time.Millisecond)), e.locker()
		put("first", ttl)
		start := time.Now()
		s := e.acquire(l.Mutex("first"))
		if took := time.Since(start); took < ttl-50*time.Millisecond || took > ttl+2*time.Second {
			t.Errorf("taken after %v of %v", took, ttl)
		}
		e.must(s.Release(ctx))

		holder := e.acquire(other.Mutex("line"))
		sessions := make(chan *holdfast.Session, 1)
		go func() {
			s, err := l.Mutex("line").Acquire(ctx)
			if err != nil {
				t.Errorf("the waiter ended: %v", err)
			}
			sessions <- s
		}()
		eventually(t, "it waits", func() bool {
			info, err := other.Mutex("line").Inspect(ctx)
			return err == nil && info.Waiters == 1
		})
		put("line", time.Minute)
		time.Sleep(3 * time.Second) // it asks each third of its claim
		if err := holder.Release(ctx); !errors.Is(err, holdfast.ErrTaken) {
			t.Errorf("release of what a stranger has by now: %v", err)
		}
		select {
		case s := <-sessions:
			t.Fatalf("got %v from the stranger", s)
		case <-time.After(200 * time.Millisecond):
		}
		e.must(e.direct.Del(ctx, "line").Err())
		select {
		case s := <-sessions:
			e.must(s.Release(ctx))
		case <-time.After(5 * time.Second):
			t.Fatal("the waiter does not get what is free")
		}

		put("lead", ttl)
		err := l.Mutex("lead").Lead(ctx, func(context.Context) error {
			if n := e.direct.StrLen(ctx, "lead").Val(); n == 0 {
				t.Error("leads while the stranger has the lock")
			}
			return nil
		})
		if err != nil {
			t.Errorf("Lead: %v", err)
		}
	})
}

// TestOtherTypeTakes: a session whose key is overwritten ends at its next renewal, and every call
// of it says why.
func TestOtherTypeTakes(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, e *env, put func(string, time.Duration)) {
		const ttl = 2 * time.Second
		for name, opts := range map[string][]holdfast.Option{
			"own": nil, "given": {holdfast.WithToken("mine")},
		} {
			ctx, l := e.ctx(), e.locker(holdfast.WithTTL(ttl))
			s := e.acquire(l.Mutex(name), opts...)
			put(name, time.Minute)
			start := time.Now()
			select {
			case <-s.Done():
			case <-time.After(ttl):
				t.Fatal("it outlives its renewal")
			}
			if took := time.Since(start); !errors.Is(s.Err(), holdfast.ErrTaken) || took > ttl*3/4 {
				t.Errorf("%s: after %v: %v", name, took, s.Err())
			}
			if err := s.Release(ctx); !errors.Is(err, holdfast.ErrTaken) {
				t.Errorf("%s: Release: %v", name, err)
			}
			asked := e.acquire(l.Mutex(name+"2"), opts...)
			put(name+"2", time.Minute)
			if err := asked.Check(ctx); !errors.Is(err, holdfast.ErrTaken) {
				t.Errorf("%s: Check: %v", name, err)
			}
			extended := e.acquire(l.Mutex(name+"3"), opts...)
			put(name+"3", time.Minute)
			if err := extended.Extend(ctx, ttl); !errors.Is(err, holdfast.ErrTaken) {
				t.Errorf("%s: Extend: %v", name, err)
			}
			if n := e.direct.Exists(ctx, name, name+"2", name+"3").Val(); n != 3 {
				t.Errorf("%s: %d of the stranger's 3 locks are left", name, n)
			}
		}
	})
}

// TestOtherTypeSymfony: a worker on Symfony's lock and one on ours exclude each other, both ways,
// and each has it when the other releases it.
func TestOtherTypeSymfony(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx, l := e.ctx(), e.locker(holdfast.WithRetryInterval(20*time.Millisecond))
		s := e.acquire(l.Mutex("job"))
		if n, err := e.symfony("job", "php", time.Second); n != 0 || err != nil {
			t.Fatalf("Symfony has our lock: %d, %v", n, err)
		}
		e.must(s.Release(ctx))
		if n, err := e.symfony("job", "php", time.Minute); n != 1 || err != nil {
			t.Fatalf("Symfony does not get a free lock: %d, %v", n, err)
		}
		got := make(chan error, 1)
		go func() {
			s, err := l.Mutex("job").Acquire(ctx)
			if err == nil {
				err = s.Release(ctx)
			}
			got <- err
		}()
		time.Sleep(300 * time.Millisecond)
		select {
		case err := <-got:
			t.Fatalf("ours has Symfony's lock: %v", err)
		default:
		}
		e.must(e.direct.Eval(ctx, symfonyReleases, []string{"job"}, "php").Err())
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	})
}

// TestOtherTypeAside: the keys beside NAME are ours alone, and the error says which is not.
func TestOtherTypeAside(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		const queue = "holdfast:2:q:{b}"
		ctx, l := e.ctx(), e.locker()
		for _, key := range []string{auxOf("a"), queue} {
			e.putAs(key, time.Minute, func(p redis.Pipeliner) { p.RPush(ctx, key, "x") })
		}
		e.must(e.direct.Set(ctx, "b", "stranger", time.Minute).Err())
		for name, key := range map[string]string{"a": auxOf("a"), "b": queue} {
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			_, err := l.Mutex(name).Acquire(short)
			cancel()
			if err == nil || !strings.Contains(err.Error(), "the key "+key+" is not Holdfast's") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
