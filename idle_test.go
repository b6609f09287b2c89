package holdfast_test

import (
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Connections that a NAT or a balancer drops without a word when they were idle for a while.

// dropped is a way to be dropped: after so long; and what Acquire and Release may take then.
type dropped struct{ after, pause, within time.Duration }

func (e *env) dropped() dropped {
	if e.fake != nil {
		return dropped{after: 3 * time.Second, pause: 10 * time.Second, within: time.Second}
	}
	return dropped{after: 200 * time.Millisecond, pause: 500 * time.Millisecond, within: time.Second + realNoise}
}

// linkedBy is linked with options of the client.
func (e *env) linkedBy(client func(*redis.Options), opts ...holdfast.Option) (*holdfast.Locker, redistest.Link) {
	link, _ := e.link()
	var c *redis.Client
	switch link := link.(type) {
	case *redistest.Proxy:
		c = link.Client(client)
	case *redistest.FakeLink:
		c = link.Client(client)
	}
	l := holdfast.New(c, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, link
}

// pools are the clients for which it must hold: go-redis' defaults leave all idle connections in
// the pool for 30 minutes.
var pools = map[string]func(*redis.Options){
	"defaults":       func(*redis.Options) {},
	"MinIdleConns 5": func(o *redis.Options) { o.MinIdleConns = 5 },
	"PoolSize 1":     func(o *redis.Options) { o.PoolSize = 1 },
}

// eachPool runs the test with each of the pools on both; but on a real server alone with those in
// which requests wait for a connection: see FakeLink.Client.
func eachPool(t *testing.T, test func(t *testing.T, e *env, pool func(*redis.Options))) {
	for name, pool := range pools {
		t.Run(name, func(t *testing.T) {
			on := each
			if name == "PoolSize 1" {
				on = func(t *testing.T, test func(*testing.T, *env)) { onReal(t, test) }
			}
			on(t, func(t *testing.T, e *env) { test(t, e, pool) })
		})
	}
}

// TestIdleDropped: after a pause Acquire and Release take no longer than a second, however many
// connections of the pool have been dropped.
func TestIdleDropped(t *testing.T) {
	t.Parallel()
	eachPool(t, func(t *testing.T, e *env, pool func(*redis.Options)) {
		d := e.dropped()
		l, link := e.linkedBy(pool)
		link.DropIdle(d.after)
		var busy sync.WaitGroup
		for i := range 8 { // which fills the pool with connections
			busy.Go(func() {
				s, err := l.Mutex(string(rune('a' + i))).Acquire(e.ctx())
				if err == nil {
					_ = s.Release(e.ctx())
				}
			})
		}
		busy.Wait()
		for range 2 {
			time.Sleep(d.pause)
			began := time.Now()
			s := e.acquire(l.Mutex("lock"))
			if took := time.Since(began); took > d.within {
				t.Errorf("Acquire after a pause of %v took %v", d.pause, took)
			}
			time.Sleep(d.pause)
			began = time.Now()
			if err := s.Release(e.ctx()); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > d.within {
				t.Errorf("Release after a pause of %v took %v", d.pause, took)
			}
		}
	})
}

// TestIdleDroppedRenewals: a session of which each renewal meets a connection that was dropped
// never has less than a third of its lease left.
func TestIdleDroppedRenewals(t *testing.T) {
	t.Parallel()
	eachPool(t, func(t *testing.T, e *env, pool func(*redis.Options)) {
		d, ttl, hold := e.dropped(), 10*time.Second, time.Minute
		if e.fake == nil {
			ttl, hold = 2*time.Second, 4*time.Second
		}
		var mu sync.Mutex
		least, renewals := ttl, 0
		l, link := e.linkedBy(pool, holdfast.WithTTL(ttl), holdfast.WithObserver(&holdfast.Observer{
			Renewed: func(_ string, margin time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				least, renewals = min(least, margin), renewals+1
			},
		}))
		link.DropIdle(d.after)
		s := e.acquire(l.Mutex("lock"))
		time.Sleep(hold)
		e.must(s.Err())
		e.must(s.Release(e.ctx()))
		mu.Lock()
		defer mu.Unlock()
		if renewals < 3 || least < ttl/3 {
			t.Errorf("%d renewals, the least left %v of %v", renewals, least, ttl)
		}
	})
}

// TestIdleSlowServer: a server that is slow is not asked ever more, and none of its connections is
// closed.
func TestIdleSlowServer(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const each = time.Second // way
		link, client := e.link()
		p := &tap{}
		client.AddHook(p)
		l := holdfast.New(client, holdfast.WithTTL(20*time.Second))
		defer l.Close()
		e.must(e.acquire(l.Mutex("lock")).Release(e.ctx()))
		link.Delay(each)
		for range 10 {
			e.must(e.acquire(l.Mutex("lock")).Release(e.ctx()))
		}
		n, closed := p.count("acquire")+p.count("release"), client.PoolStats().StaleConns
		for range 10 {
			e.must(e.acquire(l.Mutex("lock")).Release(e.ctx()))
		}
		if n = p.count("acquire") + p.count("release") - n; n > 22 {
			t.Errorf("%d requests of a slow server for 20 answers", n)
		}
		if now := client.PoolStats().StaleConns; now != closed {
			t.Errorf("%d connections closed", now-closed)
		}
	})
}

// TestIdleLateCopy: a request of which a copy was answered does nothing if it arrives after all.
func TestIdleLateCopy(t *testing.T) {
	for _, token := range []string{"", "given"} {
		onFake(t, func(t *testing.T, e *env) {
			p := &tap{}
			link, client := e.link()
			client.AddHook(p)
			l := holdfast.New(client)
			defer l.Close()
			var opts []holdfast.Option
			if token != "" {
				opts = append(opts, holdfast.WithToken(token))
			}
			link.Delay(20 * time.Millisecond) // so that the next request is not its caller's to carry
			e.must(e.acquire(l.Mutex("other")).Release(e.ctx()))
			link.Delay(0)
			var first sync.Once
			arrive, arrived := make(chan struct{}), make(chan struct{})
			p.setDeliver(func(c call, send func() error) (err error) {
				held := false
				if c.script == "acquire" {
					first.Do(func() { held = true })
				}
				if held {
					<-arrive
					defer close(arrived)
				}
				return send()
			})
			s := e.acquire(l.Mutex("a"), opts...)
			e.must(s.Release(e.ctx()))
			close(arrive)
			<-arrived
			if held(t, e, "a") {
				t.Error("taken by a request of a session that is over")
			}
		})
	}
}
