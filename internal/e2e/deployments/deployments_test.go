package deployments_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// through takes locks of several names through their whole life.
func through(t *testing.T, client redis.UniversalClient, names ...string) {
	t.Helper()
	const ttl = 2 * time.Second
	locks := holdfast.New(client, holdfast.WithTTL(ttl))
	defer locks.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, name := range names {
		mu := locks.Mutex(name)
		wg.Go(func() {
			s, err := mu.Acquire(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := mu.TryAcquire(ctx); err == nil {
				t.Errorf("%q is held twice", name)
			}
			if err := s.Extend(ctx, ttl); err != nil {
				t.Error(err)
			}
			time.Sleep(ttl * 3 / 2) // renewed
			if err := s.Check(ctx); err != nil {
				t.Error(err)
			}
			token, err := s.Detach(ctx)
			if err != nil {
				t.Error(err)
			}
			next, err := mu.Resume(ctx, token)
			if err != nil {
				t.Error(err)
				return
			}
			if info, err := mu.Inspect(ctx); err != nil || info.Fence != next.Fence() {
				t.Errorf("Inspect = %+v, %v", info, err)
			}
			if err := next.Release(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func manyNames() []string {
	names := []string{"{tag}:a", "a{tag}", "ключ", "\x00\n\xff", "a{b"}
	for i := range 30 {
		names = append(names, fmt.Sprint("lock", i))
	}
	return names
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	client := c.Client()
	through(t, client, manyNames()...)
	if err := client.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		n, err := node.DBSize(ctx).Result()
		if n == 0 {
			t.Errorf("no key on %v: were the locks spread?", node)
		}
		if err == nil {
			err = node.ScriptFlush(ctx).Err()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	through(t, client, "after a flush of the scripts")
}

// TestClusterSlotMoves: a lock is held, renewed and released while its slot migrates to
// another node and after.
func TestClusterSlotMoves(t *testing.T) {
	t.Parallel()
	redistest.Steady(t, time.Second/2, func(t *testing.T, pace time.Duration) error { return slotMoves(t, time.Second*pace) })
}

// slotMoves returns what is wrong on a machine that did not stall.
func slotMoves(t *testing.T, ttl time.Duration) error {
	c := redistest.StartCluster(t)
	client := c.Client()
	locks := holdfast.New(client, holdfast.WithTTL(ttl))
	defer locks.Close()
	ctx := t.Context()
	s, err := locks.Mutex("a").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	from, err := client.MasterForKey(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	slot := client.ClusterKeySlot(ctx, "a").Val()
	fromID := from.Do(ctx, "cluster", "myid").Val()
	var to *redis.Client
	for _, n := range c.Nodes {
		if node := n.Client(); node.Do(ctx, "cluster", "myid").Val() != fromID {
			to = node
		}
	}
	toID := to.Do(ctx, "cluster", "myid").Val()
	must(t, to.Do(ctx, "cluster", "setslot", slot, "importing", fromID).Err())
	must(t, from.Do(ctx, "cluster", "setslot", slot, "migrating", toID).Err())
	time.Sleep(ttl)
	if err := s.Check(ctx); err != nil {
		return fmt.Errorf("while the slot migrates, keys not moved: %w", err)
	}
	host, port := "127.0.0.1", to.Options().Addr[len("127.0.0.1:"):]
	must(t, from.Do(ctx, "migrate", host, port, "", 0, 5000, "keys", "a", "holdfast:2:n:{a}").Err())
	time.Sleep(ttl)
	if err := s.Check(ctx); err != nil {
		return fmt.Errorf("while the slot migrates, keys moved: %w", err)
	}
	for _, n := range c.Nodes {
		must(t, n.Client().Do(ctx, "cluster", "setslot", slot, "node", toID).Err())
	}
	time.Sleep(2 * ttl)
	if err := s.Check(ctx); err != nil {
		return fmt.Errorf("after the slot has moved: %w", err)
	}
	return s.Release(ctx)
}

// TestClusterBatches: many locks on a Cluster are renewed, taken and released together by
// node; when a node hangs, those of the others don't notice.
func TestClusterBatches(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	client := c.Client()
	for _, node := range c.Nodes { // else all of them stop when one does
		if err := node.Client().ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	const n, ttl = 300, 3 * time.Second
	l := holdfast.New(client, holdfast.WithTTL(ttl))
	defer l.Close()
	ctx := atMost(t)
	sessions := make([]*holdfast.Session, n)
	var taking sync.WaitGroup
	for i := range sessions {
		taking.Go(func() {
			var err error
			if sessions[i], err = l.Mutex(fmt.Sprint("lock", i)).Acquire(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	taking.Wait()
	if t.Failed() {
		return
	}
	time.Sleep(2 * ttl)
	for i, s := range sessions {
		if err := s.Err(); err != nil {
			t.Fatalf("lock%d: %v", i, err)
		}
	}
	hung := c.Nodes[0]
	on := make([]bool, n)
	for i := range on {
		node, err := client.MasterForKey(ctx, fmt.Sprint("lock", i))
		if err != nil {
			t.Fatal(err)
		}
		on[i] = node.Options().Addr == hung.Addr()
	}
	hung.Stop()
	defer hung.Cont()
	time.Sleep(2 * ttl)
	lost := 0
	for i, s := range sessions {
		switch err := s.Err(); {
		case on[i] && !errors.Is(err, holdfast.ErrLost):
			t.Errorf("lock%d, on the node that hangs: %v", i, err)
		case !on[i] && err != nil:
			t.Errorf("lock%d, on another node: %v", i, err)
		case on[i]:
			lost++
		}
	}
	if lost == 0 || lost == n {
		t.Errorf("%d of %d locks were on the node that hangs", lost, n)
	}
	var wg sync.WaitGroup
	for i, s := range sessions {
		if !on[i] {
			wg.Go(func() {
				if err := s.Release(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

func TestRing(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	type inner struct{ *redis.Ring }
	for _, client := range []redis.UniversalClient{
		ring, struct{ *redis.Ring }{ring}, &struct{ redis.UniversalClient }{ring}, struct{ inner }{inner{ring}},
	} {
		locks := holdfast.New(client)
		defer locks.Close()
		if err := locks.Mutex("a").Err(); !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "Ring") {
			t.Errorf("a lock on a Ring, %T: %v", client, err)
		}
	}
}

// TestWrapped: a struct that embeds a client that can be used can be used, too.
func TestWrapped(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for _, wrapper := range []redis.UniversalClient{
		struct{ *redis.Client }{client}, &struct{ redis.UniversalClient }{client},
	} {
		through(t, wrapper, "a")
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	client := s.Client()
	through(t, client, "a")

	// A session rides out a failover: the margin of the defaults is made for that.
	locks := holdfast.New(client)
	defer locks.Close()
	sess, err := locks.Mutex("b").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // replicated
	s.Master().Kill()
	time.Sleep(holdfast.DefaultTTL)
	if err := sess.Check(t.Context()); err != nil {
		t.Errorf("after the failover: %v", err)
	}
	if err := sess.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProtocol2(t *testing.T) {
	t.Parallel()
	through(t, redistest.Start(t).Client(func(o *redis.Options) { o.Protocol = 2 }), "a", "{b}")
}
