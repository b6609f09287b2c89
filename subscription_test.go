package holdfast_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// The subscription behind proxies.

// handOverAfter has one Locker release a lock for which the other waits since some time, and returns how
// long it took until that one had it.
func handOverAfter(e *env, from, to *holdfast.Locker, after time.Duration) time.Duration {
	e.t.Helper()
	s := e.acquire(from.Mutex("lock"))
	got := make(chan time.Time, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := to.Mutex("lock").Acquire(e.ctx())
		got <- time.Now()
		if err != nil {
			e.t.Error(err)
			return
		}
		_ = s.Release(e.ctx())
	}()
	time.Sleep(after)
	began := time.Now()
	e.must(s.Release(e.ctx()))
	took := (<-got).Sub(began)
	<-done
	return took
}

// TestSubscriptionIdleProxy: a proxy that closes what is idle for 2 s, as haproxy is often configured to,
// cuts the subscription off once or twice, and then no more: waiters are told at once.
func TestSubscriptionIdleProxy(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		cut, rounds := 2*time.Second, 40
		if e.fake == nil {
			cut, rounds = time.Second, 4
		}
		from := e.locker()
		to, link := e.linked()
		link.CutIdle(cut)
		e.acquire(to.Mutex("first"))
		time.Sleep(5 * cut)
		var took []time.Duration
		for i := range rounds {
			took = append(took, handOverAfter(e, from, to, cut+time.Duration(i)*cut/31))
		}
		slices.Sort(took)
		most := took[len(took)-1]
		limit := 20 * time.Millisecond
		if e.fake == nil {
			limit, most = 60*time.Millisecond, took[len(took)/2] // the machine may be busy
		}
		if most > limit {
			t.Errorf("hand-overs took %v", took)
		}
	})
}

// TestSubscriptionBackOff: where no subscription lives longer than a second and a half, each is followed
// by the next soon.
func TestSubscriptionBackOff(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		from := e.locker()
		to, link := e.linked()
		e.acquire(to.Mutex("first"))
		var deaf int
		const rounds = 60
		for i := range rounds {
			time.AfterFunc(1400*time.Millisecond, link.Reset)
			if handOverAfter(e, from, to, 1200*time.Millisecond+time.Duration(i%10)*100*time.Millisecond) > 20*time.Millisecond {
				deaf++
			}
		}
		if deaf > rounds/3 {
			t.Errorf("deaf in %d of %d hand-overs", deaf, rounds)
		}
	})
}

// TestSubscriptionReplacedServer: behind a proxy that closes nothing when the server is replaced, a
// subscription is made anew as soon as the server says that nobody hears, also the second time.
func TestSubscriptionReplacedServer(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		from := e.locker()
		var to *holdfast.Locker
		var link redistest.Link
		to, link = e.linked()
		e.acquire(to.Mutex("first"))
		time.Sleep(time.Second) // the subscription works: one that is cut off while it begins takes its time
		for i := range 3 {
			link.Lose()
			handOverAfter(e, from, to, 1500*time.Millisecond) // which tells, at the latest
			if took := handOverAfter(e, from, to, 1500*time.Millisecond); took > 20*time.Millisecond {
				t.Errorf("replaced %d times: a hand-over took %v", i+1, took)
			}
		}
	})
}

// stuckConn is a connection whose writes of keys' subscriptions take until stuck is closed.
type stuckConn struct {
	net.Conn
	stuck <-chan struct{}
}

func (c stuckConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("__keyspace")) {
		<-c.stuck
	}
	return c.Conn.Write(b)
}

// TestSubscriptionStuck: a write of the subscription that takes for ever holds up nobody: neither
// who wants it, nor who wants to be told of another lock, nor who gives up. In real time: go-redis
// holds a mutex while it writes, on which a bubble's time would wait.
func TestSubscriptionStuck(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t)
	e := wrap(&rig.Env{T: t, Fake: f, Direct: f.NewLink().Client()})
	stuck := make(chan struct{})
	client := f.NewLink().Client(func(o *redis.Options) {
		dial := o.Dialer
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			return stuckConn{c, stuck}, err
		}
	})
	l := holdfast.New(client, holdfast.WithRetryInterval(50*time.Millisecond))
	defer l.Close()
	defer close(stuck)
	e.must(e.acquire(l.Mutex("first")).Release(e.ctx()))
	const soon = 2 * time.Second
	for _, name := range []string{"one", "two", "three"} {
		e.must(e.direct.Set(e.ctx(), name, "a stranger's", 0).Err())
		ctx, cancel := context.WithCancel(e.ctx())
		failed := make(chan error, 1)
		go func() {
			_, err := l.Mutex(name).Acquire(ctx)
			failed <- err
		}()
		time.Sleep(300 * time.Millisecond) // the subscription works by now, and the key is watched
		cancel()
		select {
		case err := <-failed:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(soon):
			t.Fatalf("%s: Acquire does not return", name)
		}
	}
	for _, name := range []string{"one", "four"} {
		ctx, cancel := context.WithTimeout(e.ctx(), soon)
		defer cancel()
		time.AfterFunc(300*time.Millisecond, func() { _ = e.direct.Del(e.ctx(), name).Err() })
		s, err := l.Mutex(name).Acquire(ctx)
		if err != nil {
			t.Fatalf("%s is free: %v", name, err)
		}
		e.must(s.Release(ctx))
	}
}
