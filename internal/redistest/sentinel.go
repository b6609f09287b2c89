package redistest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is what the Sentinels call the master they watch.
const MasterName = "holdfast"

// Sentinel is a master with two replicas, watched by three Sentinels (quorum 2).
type Sentinel struct {
	Servers   []*Server // the first is the original master
	Sentinels []*Server
	t         testing.TB
}

// StartSentinel starts them all, the servers with these arguments, and waits until a failover would
// work: the replicas are in sync and each Sentinel knows everybody.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	// The default waits 5 s for more replicas before it feeds the first.
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	master := Start(t, args...)
	host, port, _ := net.SplitHostPort(master.Addr())
	s := &Sentinel{Servers: []*Server{master}, t: t}
	args = append(args, "--replicaof", host, port)
	s.Servers = append(s.Servers, Start(t, args...), Start(t, args...))
	for _, replica := range s.Servers[1:] {
		replica.waitSynced(ctx, t)
	}
	// Only now, so that the Sentinels' first look at the master shows both
	// replicas: the next look is 10 s later.
	conf := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 2\n"+
		"sentinel down-after-milliseconds %[1]s 1000\n"+
		"sentinel failover-timeout %[1]s 3000\n", MasterName, host, port)
	for range 3 {
		s.Sentinels = append(s.Sentinels, startFor(t, conf, nil, nil))
	}
	for _, sentinel := range s.Sentinels {
		waitFor(ctx, t, "Sentinel", func() bool { return sentinel.knowsAll(ctx) })
	}
	return s
}

// Watch has the Sentinels forget their master and watch this one, which has replicas already, and waits
// until a failover would work. Meanwhile they name no master.
func (s *Sentinel) Watch(master *Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	host, port, _ := net.SplitHostPort(master.Addr())
	for _, step := range [][]any{ // each on all of them, else one that is behind changes the others' minds
		{"sentinel", "remove", MasterName},
		{"sentinel", "monitor", MasterName, host, port, 2},
		{"sentinel", "set", MasterName, "down-after-milliseconds", 1000, "failover-timeout", 3000},
	} {
		for _, sentinel := range s.Sentinels {
			if err := sentinel.do(ctx, step...).Err(); err != nil {
				return fmt.Errorf("redistest: %v: %w", step, err)
			}
		}
	}
	for _, sentinel := range s.Sentinels {
		for !sentinel.knowsAll(ctx) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("redistest: a Sentinel does not know all: %w", ctx.Err())
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// knowsAll tells whether a Sentinel knows the replicas and its colleagues and
// finds the replicas fit to become master.
func (s *Server) knowsAll(ctx context.Context) bool {
	c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr()})
	defer c.Close()
	m, _ := c.Master(ctx, MasterName).Result()
	if m["num-slaves"] != "2" || m["num-other-sentinels"] != "2" || m["flags"] != "master" {
		return false
	}
	replicas, _ := c.Replicas(ctx, MasterName).Result()
	for _, r := range replicas {
		if r["flags"] != "slave" || r["master-link-status"] != "ok" {
			return false
		}
	}
	return len(replicas) == 2
}

// Master is the server that the Sentinels name as the master at present. They
// change their minds some time after it has failed.
func (s *Sentinel) Master() *Server {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	var master *Server
	waitFor(ctx, s.t, "master", func() bool {
		for _, sentinel := range s.Sentinels {
			at, err := sentinel.masterAddr(ctx)
			if err != nil {
				continue // this one may be down: ask the next
			}
			for _, server := range s.Servers {
				if server.Addr() == at {
					master = server
					return true
				}
			}
		}
		return false
	})
	return master
}

// Agree reports whether all Sentinels name the same master. One that a busy machine has kept
// waiting (TILT) may name the old one for half a minute, and a client asks any of them.
func (s *Sentinel) Agree() bool {
	var first string
	for _, sentinel := range s.Sentinels {
		at, err := sentinel.masterAddr(context.Background())
		if err != nil || first != "" && at != first {
			return false
		}
		first = at
	}
	return true
}

// masterAddr is where a Sentinel says the master is.
func (s *Server) masterAddr(ctx context.Context) (string, error) {
	at, err := s.do(ctx, "sentinel", "get-master-addr-by-name", MasterName).StringSlice()
	if err != nil {
		return "", err
	}
	if len(at) != 2 {
		return "", fmt.Errorf("redistest: a master's address of %d parts", len(at))
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// Addrs are the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string { return addrs(s.Sentinels) }

// Client returns a client that asks the Sentinels for the master, with
// go-redis's defaults, changed by opts. It is closed at the end of the test.
func (s *Sentinel) Client(opts ...func(*redis.FailoverOptions)) *redis.Client {
	o := &redis.FailoverOptions{MasterName: MasterName, SentinelAddrs: s.Addrs()}
	for _, opt := range opts {
		opt(o)
	}
	c := redis.NewFailoverClient(o)
	s.t.Cleanup(func() { c.Close() })
	return c
}
