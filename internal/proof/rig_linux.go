package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// The deployments.
const (
	Single      = "single"       // one server that keeps nothing on disk
	AOF         = "aof"          // one server with appendfsync always
	Everysec    = "everysec"     // one server with appendfsync everysec
	RDB         = "rdb"          // one server that saves a snapshot every second
	Clock       = "clock"        // one server whose clock is stepped
	Moved       = "moved"        // a master and a replica at one address, which is moved by hand
	Sentinel    = "sentinel"     // a master, two replicas, three Sentinels
	Brisk       = "brisk"        // the same, and the Sentinels demote an old master five times as soon
	MinReplicas = "min-replicas" // brisk, and a master that lost a replica takes no writes
	Cluster     = "cluster"      // three masters with a replica each
)

// Deployments are all of them.
var Deployments = []string{Single, AOF, Everysec, RDB, Clock, Moved, Sentinel, Brisk, MinReplicas, Cluster}

// windows are for how long a master that was replaced may go on answering.
var windows = map[string]time.Duration{
	Moved:       3 * time.Second,  // the faults see to that
	Sentinel:    15 * time.Second, // until a Sentinel has demoted it
	Brisk:       4 * time.Second,
	MinReplicas: 2 * time.Second, // min-replicas-max-lag and a second
	Cluster:     2 * time.Second, // cluster-node-timeout
}

// graceOf returns the failover grace that a deployment needs.
func graceOf(kind string, ttl time.Duration) time.Duration {
	d := ttl + windows[kind]
	return d + d/50
}

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
	grace    time.Duration     // the clients' failover grace; 0: none
	at       *redistest.Server // of Moved: where the address leads to
	window   time.Duration     // for how long a master that was replaced may go on answering
	ttl      time.Duration
}

func newRig(t testing.TB, kind string, workers int, ttl, grace time.Duration) *rig {
	g := &rig{t: t, kind: kind, ttl: ttl, grace: grace, window: windows[kind], nodes: make(map[*redistest.Server]*redis.Client)}
	g.start()
	for _, s := range slices.Concat(g.sentinels(), g.servers) {
		g.nodes[s] = s.Client(func(o *redis.Options) {
			o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.DialerRetries = -1, time.Second, 2*time.Second, 1
		})
	}
	for _, s := range g.servers {
		if err := g.nodes[s].ConfigSet(context.Background(), "lua-time-limit", "100").Err(); err != nil {
			t.Fatalf("proof: %v", err)
		}
	}
	for _, s := range g.sentinels() { // on a busy machine a second is soon over
		g.patient(s)
		if g.kind == Brisk || g.kind == MinReplicas {
			g.hurry(s)
		}
	}
	if err := g.replicated(); err != nil {
		t.Fatalf("proof: %v", err)
	}
	g.behind = slices.Concat(g.sentinels(), g.servers)
	if kind == Moved {
		g.at, g.behind = g.servers[0], g.servers[:1]
	}
	for range workers {
		var links []*redistest.Proxy
		for _, s := range g.behind {
			links = append(links, s.Proxy(t))
		}
		g.links = append(g.links, links)
	}
	return g
}

func (g *rig) sentinels() []*redistest.Server {
	if g.sentinel == nil {
		return nil
	}
	return g.sentinel.Sentinels
}

// several reports whether servers decide among themselves who is master.
func (g *rig) several() bool { return g.sentinel != nil || g.kind == Cluster }

// start starts the servers.
func (g *rig) start() {
	t := g.t
	switch g.kind {
	case Single:
		g.servers = []*redistest.Server{redistest.Start(t)}
	case AOF:
		g.servers = []*redistest.Server{redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")}
	case Everysec:
		g.servers = []*redistest.Server{redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")}
	case RDB:
		g.servers = []*redistest.Server{redistest.Start(t, "--save", "1 1")}
	case Clock:
		var env []string
		g.clock, env = newClockFile(t)
		g.servers = []*redistest.Server{redistest.StartEnv(t, env)}
	case Moved:
		args := []string{"--repl-diskless-sync-delay", "0"}
		master := redistest.Start(t, args...)
		host, port := hostPort(master)
		g.servers = []*redistest.Server{master, redistest.Start(t, append(args, "--replicaof", host, port)...)}
	case Sentinel, Brisk:
		g.sentinel = redistest.StartSentinel(t)
		g.servers = g.sentinel.Servers
	case MinReplicas: // all of them
		g.sentinel = redistest.StartSentinel(t, "--min-replicas-to-write", "2", "--min-replicas-max-lag", "1")
		g.servers = g.sentinel.Servers
	case Cluster:
		g.servers = redistest.StartReplicatedCluster(t).Nodes
	default:
		t.Fatalf("proof: no deployment is called %q: %s", g.kind, strings.Join(Deployments, ", "))
	}
}

// patient has a Sentinel wait for longer before it takes a master for dead.
func (g *rig) patient(sentinel *redistest.Server) {
	if err := g.nodes[sentinel].Do(context.Background(), "sentinel", "set", redistest.MasterName, "down-after-milliseconds", "2500").Err(); err != nil {
		g.t.Fatalf("proof: %v", err)
	}
}

// hurry shortens what a Sentinel's wait before it demotes an old master is made of (Redis 7.0 or later),
// so that more failovers fit into a run.
func (g *rig) hurry(sentinel *redistest.Server) {
	err := g.nodes[sentinel].Do(context.Background(), "sentinel", "debug", "info-period", 2000, "publish-period", 400).Err()
	if err != nil {
		g.t.Fatalf("proof: %v", err)
	}
}

// target is where the worker of a slot finds the deployment.
func (g *rig) target(slot int) Target {
	t := Target{Kind: Single, TTL: g.ttl, Grace: g.grace, Route: make(map[string]string)}
	switch {
	case g.sentinel != nil:
		t.Kind = Sentinel
	case g.kind == Cluster:
		t.Kind = Cluster
	}
	for i, s := range g.behind {
		t.Route[s.Addr()] = g.links[slot][i].Addr()
	}
	addrs := g.servers
	switch {
	case g.sentinel != nil:
		addrs = g.sentinels()
	case g.kind == Moved:
		addrs = g.servers[:1]
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
	case Moved:
		return []*redistest.Server{g.at}
	case Sentinel, Brisk, MinReplicas:
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

// has reports whether the servers have the command; all have "".
func (g *rig) has(command string) bool {
	return command == "" || redistest.Has(g.t, g.nodes[g.servers[0]], command)
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

// replicated waits until every replica is in sync.
func (g *rig) replicated() error {
	if len(g.servers) == 1 {
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
		return g.kind != Cluster && masters == 1 || g.kind == Cluster && masters == 3 && g.whole()
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
