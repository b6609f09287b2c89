package holdfast_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestWaitingWithdrawnHeir: a call that a late release was to stand in the queue for, and
// that was cancelled before the release ran, is not granted the lock.
func TestWaitingWithdrawnHeir(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		mu := e.tapped(p).Mutex("heir", holdfast.WithoutRenewal())
		s := e.acquire(mu)
		time.Sleep(9 * time.Second) // too little is left to pass it on: it goes back to Redis
		ctx, cancel := context.WithCancel(context.Background())
		waited := make(chan struct{})
		go func() {
			defer close(waited)
			_, _ = mu.Acquire(ctx)
		}()
		synctest.Wait()
		deliver := p.holdNext("release")
		go func() { _ = s.Release(context.Background()) }()
		synctest.Wait()
		cancel()
		<-waited
		time.Sleep(100 * time.Millisecond) // the call is taken back
		deliver()
		time.Sleep(100 * time.Millisecond)
		if e.fake.M.Exists("heir") {
			t.Errorf("the lock is held for nobody, for %v", e.fake.M.TTL("heir"))
		}
	})
}

// TestWaitingForeignCause: an Acquire whose context ends with an error of Redis's as its
// cause, as under an errgroup, is taken back like any other.
func TestWaitingForeignCause(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		for _, cause := range []error{redis.Nil, &net.OpError{Op: "dial"}, redis.ErrClosed} {
			p := new(tap)
			l := e.tapped(p)
			ctx, cancel := context.WithCancelCause(context.Background())
			deliver := p.holdNext("acquire")
			waited := make(chan struct{})
			go func() {
				defer close(waited)
				_, _ = l.Mutex("cause").Acquire(ctx)
			}()
			synctest.Wait()
			cancel(cause)
			<-waited
			deliver()
			time.Sleep(100 * time.Millisecond)
			if e.fake.M.Exists("cause") {
				t.Errorf("%v: the lock is held for nobody", cause)
			}
		}
	})
}

// TestWaitingWithoutExpiry: a lock without expiry that goes from one goroutine to the next
// by way of Redis has no expiry then, either.
func TestWaitingWithoutExpiry(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		// Of a Locker that never listens, which can't know whether others wait: so the lock goes
		// back to Redis, and next with it.
		l, _ := e.late(new(tap), holdfast.WithoutExpiry(), holdfast.WithoutRenewal())
		mu := l.Mutex("for ever")
		s := e.acquire(mu)
		next := e.wait(mu)
		time.Sleep(100 * time.Millisecond)
		e.must(s.Release(e.ctx()))
		s = <-next
		time.Sleep(time.Minute)
		if ttl := e.fake.M.TTL("for ever"); s.Err() != nil || ttl != 0 || !e.fake.M.Exists("for ever") {
			t.Errorf("the session says %v, the key has %v left", s.Err(), ttl)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestWaitingExtendClaim: what Extend adds to a lock that was just granted comes on top of
// the full TTL, not of the claim.
func TestWaitingExtendClaim(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const ttl, more = 20 * time.Second, 5 * time.Second
		holder := e.acquire(e.locker().Mutex("extended"))
		l := e.locker(holdfast.WithTTL(ttl), holdfast.WithoutRenewal())
		e.must(e.acquire(l.Mutex("first")).Release(e.ctx()))
		time.Sleep(50 * time.Millisecond)
		next := e.wait(l.Mutex("extended"))
		e.must(holder.Release(e.ctx()))
		s := <-next
		e.must(s.Extend(e.ctx(), more))
		time.Sleep(time.Second)
		if left := e.fake.M.TTL("extended"); left < ttl+more-2*time.Second || left > ttl+more {
			t.Errorf("%v are left of %v + %v", left, ttl, more)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestWaitingSlowServer: the fences of passes, which the client's clock makes, stay below
// those that a server makes whose clock is slower.
func TestWaitingSlowServer(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(2)
		mu := lockers[0].Mutex("slow")
		began := time.Now()
		s := e.acquire(mu)
		for range 3 {
			next := e.wait(mu)
			time.Sleep(150 * time.Second)
			e.must(s.Release(e.ctx()))
			s = <-next
		}
		lasted := time.Since(began)
		e.fake.M.SetTime(began.Add(lasted - lasted/100))
		e.must(lockers[1].Mutex("slow").ForceRelease(e.ctx()))
		next := e.acquire(lockers[1].Mutex("slow"))
		if next.Fence() <= s.Fence() {
			t.Errorf("the fence went from %d to %d", s.Fence(), next.Fence())
		}
		e.must(next.Release(e.ctx()))
	})
}

// TestWaitingAtReplica: PUBLISH says that nobody heard it, and a waiter that listens at a
// replica did. It does not take itself for the holder of what another was granted.
func TestWaitingAtReplica(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	e := wrap(&rig.Env{T: t, Server: master, Direct: master.Client(), Link: func() (redistest.Link, *redis.Client) {
		p := master.Proxy(t)
		return p, p.Client()
	}})
	to := e.direct.Options().Addr
	host, port, _ := net.SplitHostPort(to)
	e.must(replica.Client().ReplicaOf(e.ctx(), host, port).Err())
	eventually(t, "the replica follows", func() bool {
		info, err := replica.Client().InfoMap(e.ctx(), "replication").Result()
		return err == nil && info["Replication"]["master_link_status"] == "up"
	})
	var addr atomic.Value
	addr.Store(to)
	astray := master.Client(func(o *redis.Options) {
		o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr.Load().(string))
		}
	})
	e.must(astray.Ping(e.ctx()).Err())
	holders, waiters, others := e.locker(), holdfast.New(astray), e.locker()
	t.Cleanup(func() { _ = waiters.Close() })
	holder := e.acquire(holders.Mutex("replica"))
	addr.Store(replica.Client().Options().Addr) // what is dialled next, the subscription
	first := e.wait(waiters.Mutex("replica"))
	time.Sleep(300 * time.Millisecond)
	addr.Store(to)
	second := e.wait(others.Mutex("replica"))
	time.Sleep(300 * time.Millisecond)
	e.must(holder.Release(e.ctx()))
	time.Sleep(20 * time.Millisecond)
	for s := range 2 {
		select {
		case s := <-first:
			if len(second) > 0 {
				t.Error("two owners")
			}
			e.must(s.Release(e.ctx()))
		case s := <-second:
			if len(first) > 0 {
				t.Error("two owners")
			}
			e.must(s.Release(e.ctx()))
		case <-time.After(10 * time.Second):
			t.Fatalf("session %d has not come", s)
		}
	}
}

// TestWaitingLongForAStranger: who waits for a lock that only strangers have had keeps its place.
func TestWaitingLongForAStranger(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.must(e.direct.Set(e.ctx(), "lock", "a stranger's", time.Minute).Err())
		next := e.wait(e.locker().Mutex("lock"))
		for range 3000 {
			if aux := auxOf("lock"); !e.fake.M.Exists(aux) {
				t.Fatalf("%s, which says that somebody waits, has expired", aux)
			}
			time.Sleep(10 * time.Millisecond)
		}
		e.must(e.direct.Del(e.ctx(), "lock").Err())
		if _, err := e.locker().Mutex("lock").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("a newcomer got %v", err)
		}
		<-next
	})
}
