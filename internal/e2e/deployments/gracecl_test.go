package deployments_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestGraceCluster: of a Cluster each node has a history and a stamp of its own. One that is promoted gives nothing for
// the grace; the others go on.
func TestGraceCluster(t *testing.T) {
	c := redistest.StartReplicatedCluster(t)
	const grace = 4 * time.Second
	opts := []holdfast.Option{holdfast.WithTTL(time.Second), holdfast.WithFailoverGrace(grace)}
	admin := c.Client()
	member := func() *holdfast.Locker {
		l := holdfast.New(c.Client(), opts...)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first := member()
	if s, err := first.Mutex("lock").TryAcquire(t.Context()); !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Fatalf("the first: %v, %v", s, err)
	}
	must(first.SettleHistory(t.Context()))
	if n := stamps(t, c); n != 3 {
		t.Errorf("%d nodes have a stamp", n)
	}
	names := namesOfNodes(t, admin, c)
	cycle := func(l *holdfast.Locker, name string) error {
		s, err := l.Mutex(name).TryAcquire(t.Context())
		if err == nil {
			err = s.Release(t.Context())
		}
		return err
	}
	for _, name := range names {
		must(cycle(first, name))
		must(cycle(member(), name)) // one that is new pays no grace
	}

	began := time.Now()
	must(c.Nodes[3].Client().Do(t.Context(), "cluster", "failover", "takeover").Err()) // of the first node
	locktest.Eventually(t, "the new master is known", func() bool {
		return errors.Is(cycle(first, names[0]), holdfast.ErrFailoverGrace)
	})
	if err := cycle(member(), names[0]); !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Errorf("a new one, at the new master: %v", err)
	}
	if took := time.Since(began); took < grace/2 {
		for _, name := range names[1:] {
			must(cycle(first, name))
			must(cycle(member(), name))
		}
	}
	s, err := first.Mutex(names[0]).Acquire(t.Context())
	must(err)
	if took := time.Since(began); took < grace {
		t.Errorf("the new master gave a lock after %v", took)
	}
	must(s.Release(t.Context()))
}

// namesOfNodes returns the name of a lock for each master.
func namesOfNodes(t *testing.T, client *redis.ClusterClient, c *redistest.Cluster) (names []string) {
	for _, n := range c.Nodes[:3] {
		for i := 0; ; i++ {
			name := fmt.Sprint("lock", i)
			master, err := client.MasterForKey(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if master.Options().Addr == n.Addr() {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// stamps returns how many masters have one stamp.
func stamps(t *testing.T, c *redistest.Cluster) (n int) {
	for _, node := range c.Nodes[:3] {
		if keys := node.Client().Keys(t.Context(), "holdfast:2:h:*").Val(); len(keys) == 1 {
			n++
		} else {
			t.Errorf("%s has the stamps %q", node.Addr(), keys)
		}
	}
	return n
}
