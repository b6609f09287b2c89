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

// What could not be given back at once is given back later, while the process lives.

const longTTL, outage = 10 * time.Minute, 8 * time.Second

// freeIn returns how long it takes until the lock is free.
func freeIn(t *testing.T, e *env, name string) time.Duration {
	t.Helper()
	began := time.Now()
	for held(t, e, name) {
		if time.Since(began) > longTTL {
			t.Fatalf("%s is still held", name)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(began)
}

// TestLingerAcquire: a cancelled request that ran is taken back when Redis answers again, also if
// that is long after.
func TestLingerAcquire(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(longTTL))
		e.must(e.acquire(l.Mutex("other")).Release(e.ctx()))
		link.HoldReplies()
		ctx, cancel := context.WithTimeout(e.ctx(), 300*time.Millisecond)
		defer cancel()
		if _, err := l.Mutex("lock").Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		link.Cut()
		if !held(t, e, "lock") {
			t.Fatal("the request did not run")
		}
		time.Sleep(outage)
		link.Reset()
		link.Heal()
		if took := freeIn(t, e, "lock"); took > 10*time.Second {
			t.Errorf("free %v after the outage", took)
		}
	})
}

// TestLingerRelease: a lock whose release failed is given back when Redis answers again; Release
// says so if it is called once more.
func TestLingerRelease(t *testing.T) {
	for _, noExpiry := range []bool{false, true} {
		onFake(t, func(t *testing.T, e *env) {
			l, link := e.linked(holdfast.WithTTL(longTTL))
			var opts []holdfast.Option
			if noExpiry {
				opts = append(opts, holdfast.WithoutExpiry())
			}
			s := e.acquire(l.Mutex("lock"), opts...)
			link.Cut()
			if err := s.Release(e.ctx()); !errors.Is(err, holdfast.ErrNoAnswer) {
				t.Fatal(err)
			}
			time.Sleep(outage)
			link.Reset()
			link.Heal()
			if took := freeIn(t, e, "lock"); took > 10*time.Second {
				t.Errorf("free %v after the outage", took)
			}
			e.must(s.Release(e.ctx()))
		})
	}
}

// TestLingerEnds: with the lease, and with Close, which waits for it.
func TestLingerEnds(t *testing.T) {
	for _, closed := range []bool{false, true} {
		onFake(t, func(t *testing.T, e *env) {
			p := &tap{}
			link, client := e.link()
			client.AddHook(p)
			ttl := 20 * time.Second
			if closed {
				ttl = longTTL
			}
			l := holdfast.New(client, holdfast.WithTTL(ttl))
			defer l.Close()
			s := e.acquire(l.Mutex("lock"))
			link.Cut()
			_ = s.Release(e.ctx())
			if closed {
				began := time.Now()
				_ = l.Close()
				if took := time.Since(began); took > 12*time.Second {
					t.Errorf("Close took %v", took)
				}
			} else {
				time.Sleep(ttl + 15*time.Second)
			}
			n := p.count("release")
			time.Sleep(5 * time.Minute)
			if now := p.count("release"); now != n {
				t.Errorf("%d requests to release went out after the end, closed: %v", now-n, closed)
			}
		})
	}
}

// TestLingerMost: no more than 1,024 locks of a Locker are tried again; the others expire.
func TestLingerMost(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const most, locks = 1024, 1100
		l, link := e.linked(holdfast.WithTTL(longTTL))
		var all sync.WaitGroup
		sessions := e.take(l, locks)
		link.Cut()
		for _, s := range sessions {
			all.Go(func() { _ = s.Release(e.ctx()) })
		}
		all.Wait()
		time.Sleep(30 * time.Second) // until the requests of those that are not tried again are over
		link.Reset()
		link.Heal()
		time.Sleep(2 * time.Minute)
		left := 0
		for i := range locks {
			if held(t, e, fmt.Sprint("lock", i)) {
				left++
			}
		}
		if left != locks-most {
			t.Errorf("%d of %d locks are held yet", left, locks)
		}
	})
}

// TestLingerOfNobody: what nobody has worked under is not kept by its minimum hold, also if it is
// given back only by a later try.
func TestLingerOfNobody(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		l, link := e.linked(holdfast.WithTTL(longTTL), holdfast.WithMinHold(time.Hour))
		result := make(chan error, 1)
		go func() {
			_, err := l.Mutex("lock").Acquire(e.ctx(), holdfast.WithReplicas(1, time.Second))
			result <- err
		}()
		eventually(t, "the lock is held", func() bool { return held(t, e, "lock") })
		time.Sleep(200 * time.Millisecond) // Redis waits for a replica
		link.HoldRequests()
		if err := <-result; !errors.Is(err, holdfast.ErrReplicas) {
			t.Fatal(err)
		}
		if !held(t, e, "lock") {
			t.Fatal("it was given back at once")
		}
		link.Reset()
		link.Heal()
		eventually(t, "the lock is free", func() bool { return !held(t, e, "lock") })
	})
}
