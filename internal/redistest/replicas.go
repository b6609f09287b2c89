package redistest

import (
	"context"
	"strings"
	"testing"
)

// StartReplicatedCluster starts a cluster of three masters with a replica each, which
// follow the masters in Nodes, and waits until these would be promoted.
func StartReplicatedCluster(t testing.TB) *Cluster {
	t.Helper()
	c := StartCluster(t)
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	host, port, _ := strings.Cut(c.Nodes[0].Addr(), ":")
	for _, master := range c.Nodes[:3:3] {
		id, err := master.do(ctx, "cluster", "myid").Text()
		if err != nil {
			t.Fatalf("redistest: %v", err)
		}
		s := startNode(t, "--cluster-replica-validity-factor", "0")
		c.Nodes = append(c.Nodes, s)
		if err := s.do(ctx, "cluster", "meet", host, port).Err(); err != nil {
			t.Fatalf("redistest: %v", err)
		}
		waitFor(ctx, t, "the master's address at its replica", func() bool {
			return s.do(ctx, "cluster", "replicate", id).Err() == nil
		})
		s.waitSynced(ctx, t)
	}
	for _, s := range c.Nodes {
		waitFor(ctx, t, "the cluster", func() bool {
			info, _ := s.do(ctx, "cluster", "info").Text()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:6")
		})
	}
	return c
}

// waitSynced waits until a replica has what its master has.
func (s *Server) waitSynced(ctx context.Context, t testing.TB) {
	t.Helper()
	waitFor(ctx, t, "replica", func() bool {
		info, _ := s.do(ctx, "info", "replication").Text()
		return strings.Contains(info, "master_link_status:up")
	})
}
