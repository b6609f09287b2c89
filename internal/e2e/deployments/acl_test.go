package deployments_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// rightsFor are docs/acl.md's rights everywhere, those it recommends, and those at some places, for
// locks whose names match jobs:* or {jobs:*.
func rightsFor(t *testing.T, places ...string) (rights []string) {
	t.Helper()
	all := redistest.Rights(t)
	for _, place := range append([]string{"everywhere", "recommended"}, places...) {
		if len(all[place]) == 0 {
			t.Fatalf("docs/acl.md has no rights for %q", place)
		}
		for _, right := range all[place] {
			if right == "~NAME" {
				rights = append(rights, "~jobs:*", "~{jobs:*")
				continue
			}
			rights = append(rights, right)
		}
	}
	return rights
}

// everyOperation does what the library can do, and sees that nothing is denied.
func everyOperation(t *testing.T, client redis.UniversalClient, replicas int, servers ...*redistest.Server) {
	t.Helper()
	through(t, client, "jobs:a", "{jobs:b}")
	handOver(t, client, "jobs:c", replicas)
	locks := holdfast.New(client)
	defer locks.Close()
	if _, err := locks.Mutex("jobs:d").Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	permits(t, locks.Semaphore("jobs:e", 2))
	listed := 0
	for entry, err := range locks.List(t.Context(), "jobs:*") {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if entry.Name == "jobs:d" {
			listed++
		}
	}
	if listed != 1 {
		t.Errorf("List has jobs:d %d times", listed)
	}
	if err := locks.Mutex("jobs:d").ForceRelease(t.Context()); err != nil {
		t.Errorf("ForceRelease: %v", err)
	}
	for _, server := range servers {
		if denied := server.Denied(t); len(denied) > 0 {
			t.Errorf("%s denied %q", server.Addr(), denied)
		}
	}
}

// handOver hands a lock from one Locker to another some times. Waiters that are not told take a
// second each time.
func handOver(t *testing.T, client redis.UniversalClient, name string, replicas int) {
	t.Helper()
	var opts []holdfast.Option
	if replicas > 0 {
		opts = append(opts, holdfast.WithReplicas(replicas, 5*time.Second))
	}
	mine, theirs := holdfast.New(client, opts...), holdfast.New(client, opts...)
	defer mine.Close()
	defer theirs.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	quickest := time.Hour
	for range 3 {
		first, err := mine.Mutex(name).Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		type won struct {
			s   *holdfast.Session
			err error
		}
		next := make(chan won, 1)
		go func() { // ends with ctx at the latest
			s, err := theirs.Mutex(name).Acquire(ctx)
			next <- won{s, err}
		}()
		waitForWaiters(t, mine.Mutex(name), 1)
		released := time.Now()
		if err := first.Release(ctx); err != nil {
			t.Error(err)
		}
		second := <-next
		if second.err != nil {
			t.Fatal(second.err)
		}
		quickest = min(quickest, time.Since(released))
		if err := second.s.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	if quickest > 500*time.Millisecond {
		t.Errorf("the quickest hand-over took %v: the waiters polled", quickest)
	}
}

// waitForWaiters waits until so many wait for a lock.
func waitForWaiters(t *testing.T, mu *holdfast.Mutex, n int) {
	t.Helper()
	for range 1000 {
		info, err := mu.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.Waiters == n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("nobody came to wait for %v", mu)
}

// permits does what there is to do with permits.
func permits(t *testing.T, sem *holdfast.Semaphore) {
	t.Helper()
	for range 2 {
		s, err := sem.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release(t.Context())
		if err := s.Reacquire(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := sem.TryAcquire(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
		t.Error(err)
	}
	all, err := sem.Holders(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if err := sem.ForceReleaseFence(t.Context(), all[0].Fence); err != nil {
		t.Error(err)
	}
}

// TestLeastRights: the rights that docs/acl.md lists are enough, and nothing that is asked needs
// more.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	as := func(o *redis.Options) { o.Username, o.Password = "worker", "secret" }
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		server.SetUser(t, "worker", rightsFor(t, "Locker.List", "Semaphore, RWMutex")...)
		everyOperation(t, server.Client(as), 0, server)
	})
	t.Run("without what is recommended", func(t *testing.T) {
		t.Parallel()
		leastOfAll(t, as)
	})
	t.Run("database 5", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		server.SetUser(t, "worker", rightsFor(t, "Locker.List", "Semaphore, RWMutex", "database other than 0")...)
		everyOperation(t, server.Client(as, func(o *redis.Options) { o.DB = 5 }), 0, server)
	})
	t.Run("notifications", func(t *testing.T) {
		t.Parallel()
		leastNotified(t, as)
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		c := redistest.StartCluster(t)
		for _, node := range c.Nodes {
			node.SetUser(t, "worker", rightsFor(t, "Locker.List", "Semaphore, RWMutex", "Cluster")...)
		}
		client := c.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "worker", "secret" })
		everyOperation(t, client, 0, c.Nodes...)
		leastMigrated(t, c, client)
	})
	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		leastSentinel(t)
	})
}

// leastOfAll takes locks and hands them over without the rights that are only recommended.
func leastOfAll(t *testing.T, as func(*redis.Options)) {
	server := redistest.Start(t)
	recommended := redistest.Rights(t)["recommended"]
	server.SetUser(t, "worker", slices.DeleteFunc(rightsFor(t), func(right string) bool { return slices.Contains(recommended, right) })...)
	client := server.Client(as)
	through(t, client, "jobs:a")
	handOver(t, client, "jobs:b", 0)
	for _, denied := range server.Denied(t) {
		if !strings.HasSuffix(denied, " info") && !strings.Contains(denied, " script") {
			t.Errorf("denied %q", denied)
		}
	}
}

// leastSentinel does everything behind Sentinels, which have a user of their own.
func leastSentinel(t *testing.T) {
	s := redistest.StartSentinel(t)
	for _, server := range s.Servers {
		server.SetUser(t, "worker", rightsFor(t, "Locker.List", "Semaphore, RWMutex", "WithReplicas")...)
	}
	if !redistest.KnowsChannels(t, s.Servers[0].Client()) {
		everyOperation(t, s.Client(func(o *redis.FailoverOptions) { o.Username, o.Password = "worker", "secret" }), 1, s.Servers...)
		return // the Sentinels of Redis 6.0 have no users
	}
	for _, sentinel := range s.Sentinels {
		sentinel.SetUser(t, "looker", redistest.Rights(t)["the Sentinels themselves"]...)
	}
	client := s.Client(func(o *redis.FailoverOptions) {
		o.Username, o.Password, o.SentinelUsername, o.SentinelPassword = "worker", "secret", "looker", "secret"
	})
	everyOperation(t, client, 1, append(s.Servers, s.Sentinels...)...)
}

// leastNotified sees that a waiter is told when a stranger releases.
func leastNotified(t *testing.T, as func(*redis.Options)) {
	server := redistest.Start(t, "--notify-keyspace-events", "Kg$x")
	server.SetUser(t, "worker", rightsFor(t, "keyspace notifications")...)
	locks := holdfast.New(server.Client(as), holdfast.WithRetryInterval(20*time.Second))
	defer locks.Close()
	admin := server.Client()
	admin.Set(t.Context(), "jobs:a", "a stranger's", time.Minute)
	taken := make(chan error, 1)
	go func() { // ends with the Locker at the latest
		_, err := locks.Mutex("jobs:a").Acquire(t.Context())
		taken <- err
	}()
	channel := "__keyspace@0__:jobs:a"
	for range 1000 {
		if admin.PubSubNumSub(t.Context(), channel).Val()[channel] == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	admin.Del(t.Context(), "jobs:a")
	select {
	case err := <-taken:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the waiter was not told that the stranger has released")
	}
	if denied := server.Denied(t); len(denied) > 0 {
		t.Errorf("denied %q", denied)
	}
}

// leastMigrated sees that a held lock outlives that its slot is moved to another node key by key.
func leastMigrated(t *testing.T, c *redistest.Cluster, client *redis.ClusterClient) {
	locks := holdfast.New(client, holdfast.WithTTL(2*time.Second))
	defer locks.Close()
	s, err := locks.Mutex("jobs:moves").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	master, err := client.MasterForKey(t.Context(), "jobs:moves")
	if err != nil {
		t.Fatal(err)
	}
	var from, to *redis.Client
	for _, node := range c.Nodes {
		if node.Addr() == master.Options().Addr {
			from = node.Client()
		} else {
			to = node.Client()
		}
	}
	slot := from.ClusterKeySlot(t.Context(), "jobs:moves").Val()
	fromID, toID := from.Do(t.Context(), "cluster", "myid").Val(), to.Do(t.Context(), "cluster", "myid").Val()
	host, port, _ := strings.Cut(to.Options().Addr, ":")
	for _, err := range []error{
		to.Do(t.Context(), "cluster", "setslot", slot, "importing", fromID).Err(),
		from.Do(t.Context(), "cluster", "setslot", slot, "migrating", toID).Err(),
		from.Do(t.Context(), "migrate", host, port, "", 0, 5000, "keys", "jobs:moves", "holdfast:2:n:{jobs:moves}").Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second) // more than two TTLs
	if err := s.Err(); err != nil {
		t.Errorf("lost while its slot was moved: %v", err)
	}
	for _, node := range c.Nodes {
		if denied := node.Denied(t); len(denied) > 0 {
			t.Errorf("%s denied %q", node.Addr(), denied)
		}
	}
}
