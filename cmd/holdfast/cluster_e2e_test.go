//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestClusterHungNodes: who wants a lock asks the master that has it. Nodes that hang, a replica of
// that master and the whole of another shard, don't stop it, also if they are the first in the URL.
func TestClusterHungNodes(t *testing.T) {
	t.Parallel()
	const name = "{06S}" // its slot, 0, is the first node's
	c := redistest.StartReplicatedCluster(t)
	for _, node := range c.Nodes {
		// Else the others refuse to serve without that shard.
		if err := node.Client().ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if slot, err := c.Nodes[0].Client().ClusterKeySlot(t.Context(), name).Result(); err != nil || slot != 0 {
		t.Fatal(slot, err)
	}
	var hung []string
	for _, i := range []int{3, 1, 4} { // the replicas follow in the order of their masters
		c.Nodes[i].Stop()
		defer c.Nodes[i].Cont()
		hung = append(hung, c.Nodes[i].Addr())
	}
	all := "redis-cluster://" + strings.Join(append(hung, c.Nodes[0].Addr(), c.Nodes[2].Addr()), ",")
	well := "redis-cluster://" + c.Nodes[2].Addr() + "," + c.Nodes[0].Addr()
	for range 20 {
		// A node that hangs would be waited for until the read timeout.
		if took := pingOf(t, well, name); took > readTimeout/2 {
			t.Errorf("the lock's master: answer after %v", took)
		}
		if took := pingOf(t, well, ""); took > readTimeout/2 {
			t.Errorf("any master: answer after %v", took)
		}
	}
	start := time.Now()
	// Its trial lock is not in the shard that hangs: by chance it would wait for more time-outs.
	check := newTool(t, "-", "check", "--json", "--redis", well, "--name", name).start()
	var others []*tool // at the same time
	for _, url := range []string{well, all} {
		others = append(others,
			newTool(t, "-", "run", "--redis", url, name, "--", "true").start(), newTool(t, "-", "inspect", "--redis", url, name).start())
	}
	for _, tl := range others {
		if status := tl.wait(); status != 0 {
			t.Errorf("%q: status %d: %s", tl.cmd.Args[1:], status, tl.err())
		}
	}
	if status := check.wait(); status != statusFailed {
		t.Errorf("check: status %d: %s%s", status, check.out(), check.err())
	}
	// A Cluster names a master that has failed, but no replica that has.
	if !strings.Contains(check.out(), hung[1]+": no answer") {
		t.Errorf("check does not say that %s does not answer: %s", hung[1], check.out())
	}
	if took := time.Since(start); took > 45*time.Second { // alone it is 15 s
		t.Errorf("check took %v", took)
	}
}

// pingOf returns how long the first look takes, which has to succeed.
func pingOf(t *testing.T, url, name string) time.Duration {
	t.Helper()
	u, err := parseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	target, err := u.client("")
	if err != nil {
		t.Fatal(err)
	}
	defer target.client.Close()
	start := time.Now()
	if err := target.ping(t.Context(), name); err != nil {
		t.Errorf("%q: %v", name, err)
	}
	return time.Since(start)
}

// TestClusterLockHung: if it is the lock's master that hangs, that is told in time.
func TestClusterLockHung(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	c.Nodes[0].Stop()
	defer c.Nodes[0].Cont()
	start := time.Now()
	url := "redis-cluster://" + strings.Join(c.Addrs(), ",")
	newTool(t, "-", "run", "--redis", url, "{06S}", "--", "true").start().want(statusUnavailable, "no answer from Redis at")
	if took := time.Since(start); took > clusterPingTimeout+5*time.Second {
		t.Errorf("it took %v", took)
	}
}
