package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// The deployments.
const (
	Single   = "single"   // one server that keeps nothing on disk
	AOF      = "aof"      // one server with appendfsync always
	Clock    = "clock"    // one server whose clock is stepped
	Sentinel = "sentinel" // a master, two replicas, three Sentinels
	Cluster  = "cluster"  // three masters with a replica each
)

// Deployments are all of them.
var Deployments = []string{Single, AOF, Clock, Sentinel, Cluster}

// rig is a deployment with a proxy from each worker to each of its servers.
type rig struct {
	t        testing.TB
	kind     string
	servers  []*redistest.Server
	sentinel *redistest.Sentinel
	nodes    map[*redistest.Server]*redis.Client // not through any proxy
	behind   []*redistest.Server                 // what the proxies lead to: servers and Sentinels
	links    [][]*redistest.Proxy                // by the worker's slot, each in the order of behind
	clock    *clockFile
	ttl      time.Duration
}

func newRig(t testing.TB, kind string, workers int, ttl time.Duration) *rig {
	g := &rig{t: t, kind: kind, ttl: ttl, nodes: make(map[*redistest.Server]*redis.Client)}
	behind := []*redistest.Server(nil)
	switch kind {
	case Single:
		g.servers = []*redistest.Server{redistest.Start(t)}
	case AOF:
		g.servers = []*redistest.Server{redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")}
	case Clock:
		var env []string
		g.clock, env = newClockFile(t)
		g.servers = []*redistest.Server{redistest.StartEnv(t, env)}
	case Sentinel:
		g.sentinel = redistest.StartSentinel(t)
		g.servers, behind = g.sentinel.Servers, g.sentinel.Sentinels
		for _, s := range behind { // on a busy machine a second is soon over
			g.patient(s)
		}
	case Cluster:
		g.servers = redistest.StartReplicatedCluster(t).Nodes
	default:
		t.Fatalf("proof: no deployment is called %q: %s", kind, strings.Join(Deployments, ", "))
	}
	for _, s := range g.servers {
		g.nodes[s] = s.Client(func(o *redis.Options) {
			o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.DialerRetries = -1, time.Second, 2*time.Second, 1
		})
		if err := g.nodes[s].ConfigSet(context.Background(), "lua-time-limit", "100").Err(); err != nil {
			t.Fatalf("proof: %v", err)
		}
	}
	for range workers {
		var links []*redistest.Proxy
		for _, s := range append(behind, g.servers...) {
			links = append(links, s.Proxy(t))
		}
		g.links = append(g.links, links)
	}
	g.behind = append(behind, g.servers...)
	return g
}

// patient has a Sentinel wait for longer before it takes a master for dead.
func (g *rig) patient(sentinel *redistest.Server) {
	c := sentinel.Client()
	if err := c.Do(context.Background(), "sentinel", "set", redistest.MasterName, "down-after-milliseconds", "2500").Err(); err != nil {
		g.t.Fatalf("proof: %v", err)
	}
}

// target is where the worker of a slot finds the deployment.
func (g *rig) target(slot int) Target {
	t := Target{Kind: g.kind, TTL: g.ttl, Route: make(map[string]string)}
	for i, s := range g.behind {
		t.Route[s.Addr()] = g.links[slot][i].Addr()
	}
	addrs := g.servers
	if g.sentinel != nil {
		addrs = g.sentinel.Sentinels
	}
	for _, s := range addrs {
		t.Addrs = append(t.Addrs, s.Addr())
	}
	return t
}

// master returns a server that takes writes; of several, one by chance.
func (g *rig) master(r *rand.Rand) *redistest.Server {
	list := g.masters()
	return list[r.IntN(len(list))]
}

func (g *rig) masters() []*redistest.Server {
	var list []*redistest.Server
	switch g.kind {
	case Sentinel:
		return []*redistest.Server{g.sentinel.Master()}
	case Cluster:
		for _, s := range g.servers {
			if g.role(s) == "master" {
				list = append(list, s)
			}
		}
		if len(list) == 0 {
			g.t.Fatal("proof: no node of the cluster is a master")
		}
		return list
	}
	return g.servers
}

// info returns one field of INFO, or "" if the server does not answer.
func (g *rig) info(s *redistest.Server, section, field string) string {
	text, _ := g.nodes[s].Info(context.Background(), section).Result()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (g *rig) role(s *redistest.Server) string { return g.info(s, "replication", "role") }

// await waits until the condition holds.
func await(what string, bound time.Duration, cond func() bool) error {
	for end := time.Now().Add(bound); ; time.Sleep(20 * time.Millisecond) {
		if cond() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", bound, what)
		}
	}
}

// replicated waits until every replica of a Sentinel deployment or Cluster is in sync.
func (g *rig) replicated() error {
	if g.kind != Sentinel && g.kind != Cluster {
		return nil
	}
	return await("each server is the only master or a replica in sync", 40*time.Second, func() bool {
		masters := 0
		for _, s := range g.servers {
			switch g.role(s) {
			case "master":
				masters++
			case "slave":
				if g.info(s, "replication", "master_link_status") != "up" {
					return false
				}
			default:
				return false
			}
		}
		return g.kind == Sentinel && masters == 1 || g.kind == Cluster && masters == 3 && g.whole()
	})
}

// whole reports whether every node of the Cluster finds it complete.
func (g *rig) whole() bool {
	for _, s := range g.servers {
		info, _ := g.nodes[s].ClusterInfo(context.Background()).Result()
		if !strings.Contains(info, "cluster_state:ok") {
			return false
		}
	}
	return true
}

// left returns the locks that are held in Redis.
func (g *rig) left(locks []string) (held []string) {
	for _, s := range g.masters() {
		for _, name := range locks {
			if n, _ := g.nodes[s].Exists(context.Background(), name).Result(); n > 0 {
				held = append(held, name)
			}
		}
	}
	return held
}

func hostPort(s *redistest.Server) (host, port string) {
	host, port, _ = net.SplitHostPort(s.Addr())
	return host, port
}
