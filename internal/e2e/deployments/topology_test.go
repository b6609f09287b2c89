package deployments_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// failover is what TestClusterFailover and TestSentinelFailover do to a deployment.
type failover struct {
	t        *testing.T
	client   func() redis.UniversalClient
	fail     func()
	promoted func() bool
}

// run takes a deployment's master away while locks are held and waited for: sessions go on
// or end in time, waiters get their turn, and whoever asks once there is a new master has
// the lock within a second.
func (f *failover) run() {
	t := f.t
	locker := func() *holdfast.Locker {
		l := holdfast.New(f.client())
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	a, b, fresh := locker(), locker(), locker()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	acquire := func(l *holdfast.Locker, name string) *holdfast.Session {
		t.Helper()
		s, err := l.Mutex(name).Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	release := func(s *holdfast.Session) {
		t.Helper()
		if err := s.Release(ctx); err != nil && !errors.Is(err, holdfast.ErrLost) {
			t.Error(err)
		}
	}
	release(acquire(fresh, "{a}warm"))
	held := acquire(a, "{a}held")
	waited := make(chan *holdfast.Session, 1)
	go func() {
		s, err := b.Mutex("{a}held").Acquire(ctx)
		if err != nil {
			t.Errorf("the waiter: %v", err)
		}
		waited <- s
	}()
	time.Sleep(500 * time.Millisecond) // the waiter stands, and all is replicated

	f.fail()
	locktest.Eventually(t, "there is a new master", f.promoted)
	began := time.Now()
	release(acquire(fresh, "{a}fresh"))
	if took := time.Since(began); took > 2*time.Second { // alone it is well under a second
		t.Errorf("a lock was acquired %v after the new master was up", took)
	} else {
		t.Logf("a lock was acquired %v after the new master was up", took)
	}

	time.Sleep(holdfast.DefaultTTL)
	if err := held.Err(); err != nil {
		if !errors.Is(err, holdfast.ErrLost) {
			t.Errorf("the holder: %v", err)
		}
		t.Logf("the holder: %v", err)
	} else if err := held.Check(ctx); err != nil {
		t.Errorf("the holder had a live context, but %v", err)
	}
	select {
	case s := <-waited:
		if s != nil && held.Err() == nil {
			t.Error("two owners")
		}
		waited <- s
	default:
	}
	began = time.Now()
	release(held)
	if s := <-waited; s != nil {
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the waiter had the lock %v after it was free", took)
		}
		release(s)
	}
}

// TestClusterFailover: go-redis alone looks who is master once a minute.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	for how, fail := range map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill, "frozen": (*redistest.Server).Stop,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := redistest.StartReplicatedCluster(t)
			master, err := c.Client().MasterForKey(t.Context(), "{a}held")
			if err != nil {
				t.Fatal(err)
			}
			f := &failover{t: t, client: func() redis.UniversalClient { return c.Client() }}
			for i, node := range c.Nodes[:3] {
				if node.Addr() != master.Options().Addr {
					continue
				}
				f.fail = func() { fail(node) }
				f.promoted = func() bool {
					info, _ := c.Nodes[i+3].Client().Info(t.Context(), "replication").Result()
					return strings.Contains(info, "role:master")
				}
			}
			f.run()
		})
	}
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	for how, fail := range map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill, "frozen": (*redistest.Server).Stop,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := redistest.StartSentinel(t)
			old := s.Master()
			f := &failover{
				t: t, client: func() redis.UniversalClient { return s.Client() },
				fail:     func() { fail(old) },
				promoted: func() bool { return s.Master().Addr() != old.Addr() },
			}
			f.run()
		})
	}
}

// TestClusterReplicas: the node that has the lock is asked for its replicas.
func TestClusterReplicas(t *testing.T) {
	t.Parallel()
	c := redistest.StartReplicatedCluster(t)
	l := holdfast.New(c.Client())
	defer l.Close()
	for _, name := range []string{"a", "b", "c", "d", "{e}f"} {
		s, err := l.Mutex(name, holdfast.WithReplicas(1, 2*time.Second)).Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context()); err != nil {
			t.Error(err)
		}
		_, err = l.Mutex(name, holdfast.WithReplicas(2, 100*time.Millisecond)).Acquire(t.Context())
		tooFew(t, name, err)
	}
}

// TestDemotedMaster: a master becomes the replica of another without going away. Those who
// listened there listen to the new one soon, which would not count them else.
func TestDemotedMaster(t *testing.T) {
	t.Parallel()
	old, replicas := locktest.Replicated(t, 2)
	next := replicas[0]
	var at atomic.Pointer[string]
	point := func(s *redistest.Server) { addr := s.Addr(); at.Store(&addr) }
	point(old)
	locker := func() *holdfast.Locker {
		client := old.Client(func(o *redis.Options) {
			o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, *at.Load())
			}
		})
		l := holdfast.New(client)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	holder, err := locker().Mutex("a").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	mu := locker().Mutex("a")
	go func() {
		s, err := mu.Acquire(t.Context())
		if err == nil {
			err = s.Release(t.Context())
		}
		waited <- err
	}()
	locktest.Eventually(t, "it waits", func() bool { info, _ := mu.Inspect(t.Context()); return info.Waiters == 1 })

	host, port, _ := net.SplitHostPort(next.Addr())
	if err := next.Client().Do(t.Context(), "replicaof", "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	point(next)
	if err := old.Client().Do(t.Context(), "replicaof", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	client := next.Client()
	locktest.Eventually(t, "the waiter listens to the new master", func() bool {
		channels, _ := client.PubSubChannels(t.Context(), "holdfast:*").Result()
		return len(channels) == 1
	})
	if err := holder.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// TestClusterSlowStart: a request that was sent before it was known which server has the lock
// is not given up for another.
func TestClusterSlowStart(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	l := holdfast.New(c.Client())
	defer l.Close()
	token := detached(t, l.Mutex("a"))
	slow := holdfast.New(c.Client(func(o *redis.ClusterOptions) {
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(400 * time.Millisecond)
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}))
	defer slow.Close()
	s, err := slow.Mutex("a").Resume(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
