//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestCheckGraceTooQuick: no grace covers a master that is replaced before it has been silent for a second; and one that
// was frozen for less than a TTL makes the grace longer.
func TestCheckGraceTooQuick(t *testing.T) {
	t.Parallel()
	const check = "failover grace"
	s := redistest.StartSentinel(t)
	for down, want := range map[string]finding{
		"999":   {check, warn, "at least 31.6s with a TTL of 10s, which is 1.02 x (TTL + 21.001s)", "down-after-milliseconds 999"},
		"1000":  {check, warn, "at least 31.6s with a TTL of 10s, which is 1.02 x (TTL + 21s)", ""},
		"30000": {check, warn, "at least 25.5s with a TTL of 10s, which is 1.02 x (TTL + 15s)", ""},
	} {
		for _, sentinel := range s.Sentinels {
			if err := sentinel.Client().Do(t.Context(), "sentinel", "set", redistest.MasterName, "down-after-milliseconds", down).Err(); err != nil {
				t.Fatal(err)
			}
		}
		f := checked(t, 0, "", envURL+"=redis-sentinel://"+strings.Join(s.Addrs(), ",")+"/"+redistest.MasterName)
		wants(t, f, check, want.Verdict, want.Found)
		if means := f[check].Means; !strings.Contains(means, want.Means) || want.Means == "" && strings.Contains(means, "down-after") {
			t.Errorf("down-after-milliseconds %s: %s", down, means)
		}
	}
	c := redistest.StartCluster(t)
	url := envURL + "=redis-cluster://" + strings.Join(c.Addrs(), ",")
	wants(t, checked(t, 0, "", url), check, good, "at least 12.2s with a TTL of 10s")
	for _, n := range c.Nodes {
		if err := n.Client().ConfigSet(t.Context(), "cluster-node-timeout", "900").Err(); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, checked(t, 0, "", url), check, warn, "at least 11.1s with a TTL of 10s")
}
