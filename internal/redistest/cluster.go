package redistest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// setupTimeout bounds how long a Cluster or Sentinels take to find each other.
const setupTimeout = 30 * time.Second

// Cluster is a Redis Cluster of three masters without replicas.
type Cluster struct {
	Nodes []*Server
	t     testing.TB
}

// StartCluster starts a cluster and waits until every node finds it complete.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	c := &Cluster{t: t}
	const nodes, slots = 3, 16384
	for i := range nodes {
		s := startNode(t)
		c.Nodes = append(c.Nodes, s)
		host, port, _ := strings.Cut(c.Nodes[0].Addr(), ":")
		if err := s.ServeSlots(ctx, i*slots/nodes, (i+1)*slots/nodes-1); err != nil {
			t.Fatalf("redistest: cluster addslots: %v", err)
		}
		steps := [][]any{
			// Different from the start, so that they need not agree on it.
			{"cluster", "set-config-epoch", i + 1},
		}
		if i > 0 {
			steps = append(steps, []any{"cluster", "meet", host, port})
		}
		for _, step := range steps {
			if err := s.do(ctx, step...).Err(); err != nil {
				t.Fatalf("redistest: %v: %v", step[:2], err)
			}
		}
	}
	for _, s := range c.Nodes {
		waitFor(ctx, t, "the cluster", func() bool {
			info, _ := s.do(ctx, "cluster", "info").Text()
			// A node is content with itself before it knows the others.
			return strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots)) &&
				strings.Contains(info, "cluster_size:"+strconv.Itoa(nodes))
		})
	}
	return c
}

// startNode starts a node that knows no other.
func startNode(t testing.TB, args ...string) *Server {
	t.Helper()
	return Start(t, append([]string{
		"--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
		"--repl-diskless-sync-delay", "0", // a master waits 5 s for more replicas before it feeds the first
	}, args...)...)
}

// Addrs are the addresses of the nodes.
func (c *Cluster) Addrs() []string { return addrs(c.Nodes) }

// Client returns a client with go-redis's defaults, changed by opts. It is
// closed at the end of the test.
func (c *Cluster) Client(opts ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := &redis.ClusterOptions{Addrs: c.Addrs()}
	for _, opt := range opts {
		opt(o)
	}
	client := redis.NewClusterClient(o)
	c.t.Cleanup(func() { client.Close() })
	return client
}

func addrs(servers []*Server) []string {
	var list []string
	for _, s := range servers {
		list = append(list, s.Addr())
	}
	return list
}

// do runs one command on a connection of its own.
func (s *Server) do(ctx context.Context, args ...any) *redis.Cmd {
	c := redis.NewClient(&redis.Options{
		Addr: s.Addr(), MaxRetries: -1,
		// The server may be stopped: do not wait for it for long.
		DialTimeout: time.Second, ReadTimeout: time.Second,
	})
	defer c.Close()
	return c.Do(ctx, args...)
}

// waitFor polls until cond is true or ctx ends.
func waitFor(ctx context.Context, t testing.TB, what string, cond func() bool) {
	t.Helper()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("redistest: %s is not ready: %v", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
