package redistest

import (
	"context"
	"fmt"
	"net"
	"testing"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	ctx := context.Background()
	client := c.Client()
	// Keys in all slots: every node serves its part at once.
	for i := range 100 {
		if err := client.Set(ctx, fmt.Sprint(i), "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range c.Nodes {
		if n := node.Client().DBSize(ctx).Val(); n == 0 {
			t.Fatal("a node without keys")
		}
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	ctx := context.Background()
	client := s.Client()
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// The replicas are in sync, so that WAIT succeeds at once.
	if n := s.Master().Client().Wait(ctx, 2, 0).Val(); n != 2 {
		t.Fatalf("%d replicas", n)
	}
	old := s.Master()
	if old.Addr() != s.Servers[0].Addr() {
		t.Fatal("wrong master")
	}
	old.Kill()
	eventually(t, "failover", func() bool { return s.Master() != old })
	eventually(t, "client follows", func() bool {
		return client.Set(ctx, "k", "w", 0).Err() == nil
	})
	if got := get(s.Master().Client(), "k"); got != "w" {
		t.Fatalf("new master has %q", got)
	}
}

// TestSentinelWatch: the Sentinels name another master as soon as they are told, and would replace it.
func TestSentinelWatch(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	ctx, next := context.Background(), s.Servers[1]
	for _, server := range s.Servers {
		host, port, _ := net.SplitHostPort(next.Addr())
		if server == next {
			host, port = "no", "one"
		}
		if err := server.Client().ReplicaOf(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Watch(next); err != nil {
		t.Fatal(err)
	}
	if s.Master() != next || !s.Agree() {
		t.Error("they name another")
	}
}
