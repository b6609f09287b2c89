package deployments_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestReplicasPool: those that wait for replicas don't use up the connections by which other
// locks are renewed. On a Cluster there are no others.
func TestReplicasPool(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]redis.UniversalClient{
		"single":  redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr(), PoolSize: 8}),
		"cluster": redistest.StartCluster(t).Client(func(o *redis.ClusterOptions) { o.PoolSize = 8 }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer client.Close()
			redistest.Steady(t, time.Second, func(t *testing.T, pace time.Duration) error {
				l := holdfast.New(client)
				defer l.Close()
				return replicasPool(t, l, 2*time.Second*pace)
			})
		})
	}
}

// replicasPool returns what is wrong on a machine that did not stall.
func replicasPool(t *testing.T, l *holdfast.Locker, ttl time.Duration) error {
	held, err := l.Mutex("{one}held").Acquire(t.Context(), holdfast.WithTTL(ttl))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 64 {
		running.Go(func() {
			mu := l.Mutex(fmt.Sprint("{one}other ", i))
			for ctx.Err() == nil {
				_, err := mu.Acquire(ctx, holdfast.WithReplicas(1, ttl))
				if ctx.Err() == nil && !errors.Is(err, holdfast.ErrReplicas) {
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(3 * ttl)
	err = held.Check(t.Context())
	cancel()
	running.Wait()
	return errors.Join(err, held.Release(t.Context()))
}

// TestReplicasPass: what nobody has acknowledged is passed on to nobody, also if the call that
// it was given to ends at that moment.
func TestReplicasPass(t *testing.T) {
	t.Parallel()
	master, replicas := locktest.Replicated(t, 1)
	replica := replicas[0]
	if admin := master.Client(); !redistest.KnowsChannels(t, admin) {
		redistest.Lacks(t, admin, "rights to channels")
	}
	if err := master.Client().Do(t.Context(), "acl", "setuser", "default", "resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	var hook atomic.Pointer[context.CancelFunc]
	l := holdfast.New(master.Client(), holdfast.WithObserver(&holdfast.Observer{
		Sent: func(what holdfast.Traffic, _ int, _ time.Duration) {
			if cancel := hook.Load(); cancel != nil && what == holdfast.Calls && hook.CompareAndSwap(cancel, nil) {
				(*cancel)()
			}
		},
	}))
	defer l.Close()
	mu := l.Mutex("lock")
	for range 10 {
		s, err := mu.Acquire(t.Context(), holdfast.WithReplicas(1, 5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		replica.Stop()
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(ctx context.Context) chan error {
			done := make(chan error, 1)
			go func() { done <- second(mu.Acquire(ctx, holdfast.WithReplicas(1, 50*time.Millisecond))) }()
			time.Sleep(15 * time.Millisecond) // it waits
			return done
		}
		first, next := wait(ctx), wait(t.Context())
		hook.Store(&cancel) // when the release that gives the lock to the first is answered
		if err := s.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-first; err == nil {
			t.Error("acquired without a replica")
		}
		if err := <-next; !errors.Is(err, holdfast.ErrReplicas) {
			t.Fatalf("passed on without a replica: %v", err)
		}
		hook.Store(nil)
		cancel()
		replica.Cont()
	}
}

// detached acquires a lock and leaves it to its token.
func detached(t *testing.T, mu *holdfast.Mutex) (token string) {
	t.Helper()
	s, err := mu.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if token, err = s.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
	return token
}

// TestReplicasResume: a lease that was taken up stays its token's if too few replicas have it.
func TestReplicasResume(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	l := holdfast.New(client)
	defer l.Close()
	mu := l.Mutex("lock")
	token := detached(t, mu)
	if _, err := mu.Resume(t.Context(), token, holdfast.WithReplicas(1, 50*time.Millisecond)); !errors.Is(err, holdfast.ErrReplicas) {
		t.Errorf("Resume: %v", err)
	}
	s, err := mu.Resume(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReplicasHang: a call that ends while it waits for replicas, and Redis says nothing,
// returns at once.
func TestReplicasHang(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := holdfast.New(server.Client())
	defer l.Close()
	defer server.Cont()
	ctx, cancel := context.WithCancel(t.Context())
	var began time.Time
	time.AfterFunc(200*time.Millisecond, func() {
		server.Stop()
		began = time.Now()
		cancel()
	})
	_, err := l.Mutex("lock").Acquire(ctx, holdfast.WithReplicas(1, 5*time.Second))
	if took := time.Since(began); took > 3*time.Second || !errors.Is(err, context.Canceled) {
		t.Errorf("after %v: %v", took, err)
	}
}

// TestReplicasLead: a leader's later campaign goes on through a master that does not answer
// for a while, and ends with its context.
func TestReplicasLead(t *testing.T) {
	t.Parallel()
	master, replicas := locktest.Replicated(t, 1)
	replica := replicas[0]
	admin := master.Client()
	var armed atomic.Bool
	client := redis.NewClient(&redis.Options{Addr: master.Addr(), ReadTimeout: 200 * time.Millisecond})
	defer client.Close()
	l := holdfast.New(client, holdfast.WithObserver(&holdfast.Observer{
		Sent: func(what holdfast.Traffic, _ int, _ time.Duration) {
			if what == holdfast.Calls && armed.CompareAndSwap(true, false) {
				master.Stop()
				time.AfterFunc(2*time.Second, master.Cont)
			}
		},
	}))
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	terms := 0
	err := l.Mutex("lead", holdfast.WithReplicas(1, 2*time.Second)).Lead(ctx, func(ctx context.Context) error {
		terms++
		s, _ := holdfast.FromContext(ctx)
		switch terms {
		case 1:
			defer armed.Store(true)
		case 2:
			replica.Stop() // there will be no third
			time.AfterFunc(time.Second, cancel)
		}
		_ = admin.Del(ctx, "lead").Err()
		_ = s.Check(ctx) // finds the lock lost
		return nil
	})
	replica.Cont()
	if terms != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d terms: %v", terms, err)
	}
}
