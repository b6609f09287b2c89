package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// offset is how far a server's clock is ahead of ours, to within half of a round trip.
type offset struct{ ahead, within time.Duration }

// clockOf reads a server's clock some times and keeps what took least.
func clockOf(ctx context.Context, c *redis.Client) (best offset, err error) {
	for i := range 7 {
		before := time.Now()
		at, err := c.Time(ctx).Result()
		if err != nil {
			return best, err
		}
		within := time.Since(before) / 2
		if i == 0 || within < best.within {
			best = offset{at.Sub(before.Add(within)), within}
		}
	}
	return best, nil
}

// stepAllowed is the fixed part of the margin by which a clock may step when another
// server takes over: see "What is not promised" in the library's manual.
const stepAllowed = 20 * time.Millisecond

func checkClocks(ctx context.Context, nodes []node) []finding {
	const check = "clocks"
	var read []offset
	for _, n := range nodes {
		o, err := clockOf(ctx, n.client)
		if err != nil {
			if len(nodes) == 1 {
				return []finding{cantLook(check, n.client, err, "time")}
			}
			continue // a replica that this user can't ask, say
		}
		read = append(read, o)
	}
	if len(read) == 0 {
		return []finding{{check, unknown, "no server tells its time", "A server's clock must not step by more than the margin."}}
	}
	low, high, within := read[0].ahead, read[0].ahead, read[0].within
	for _, o := range read {
		low, high, within = min(low, o.ahead), max(high, o.ahead), max(within, o.within)
	}
	if len(read) == 1 {
		return []finding{{check, good, fmt.Sprintf("the server is %s ours, within %v", ahead(low), within.Round(time.Microsecond)),
			"That does not matter: a lease is counted here from before it was asked for. The server's clock must not step by more than 2% of the TTL + 20 ms within a TTL."}}
	}
	apart := high - low
	found := fmt.Sprintf("%d servers, %v apart, within %v", len(read), apart.Round(time.Microsecond), (2 * within).Round(time.Microsecond))
	if apart-2*within > stepAllowed {
		return []finding{{check, warn, found, fmt.Sprintf("More than %v: a failover to a server that is ahead can end a lease before its holder expects it, "+
			"and after one to a server that is behind, locks last longer than they say. Run NTP.", stepAllowed)}}
	}
	return []finding{{check, good, found, "A failover steps the clock by no more than the margin allows."}}
}

func ahead(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Microsecond).String() + " behind"
	}
	return d.Round(time.Microsecond).String() + " ahead of"
}

// checkDeployment looks at what a Cluster or Sentinels say of themselves.
func (t *target) checkDeployment(ctx context.Context, nodes []node) []finding {
	switch {
	case t.sentinels != nil:
		return []finding{t.checkSentinels(ctx)}
	case len(nodes) > 0:
		if _, cluster := t.client.(*redis.ClusterClient); cluster {
			return perMaster(ctx, nodes, checkCluster)
		}
	}
	return nil
}

func checkCluster(ctx context.Context, c *redis.Client) finding {
	const check = "cluster"
	text, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		return cantLook(check, c, err, "cluster", "info")
	}
	fields := fieldsOf(text)
	found := fmt.Sprintf("state %s, %s of 16384 slots served, %s masters", fields["cluster_state"], fields["cluster_slots_ok"], fields["cluster_size"])
	if fields["cluster_state"] != "ok" || fields["cluster_slots_ok"] != "16384" {
		return finding{check, bad, found, "The locks of some slots, or all, can't be had."}
	}
	return finding{check, good, found, "Each lock lives on one master, which its name decides."}
}

// sentinel calls f with a client of each Sentinel until it returns true.
func (t *target) sentinel(f func(*redis.SentinelClient) bool) {
	for _, addr := range t.sentinels.SentinelAddrs {
		c := redis.NewSentinelClient(&redis.Options{
			Addr: addr, Username: t.sentinels.SentinelUsername, Password: t.sentinels.SentinelPassword, TLSConfig: t.sentinels.TLSConfig,
			DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: readTimeout, MaxRetries: -1,
		})
		stop := f(c)
		c.Close()
		if stop {
			return
		}
	}
}

func (t *target) checkSentinels(ctx context.Context) finding {
	const check = "sentinel"
	answers, without, master, denied := 0, 0, map[string]string(nil), refusal{}
	t.sentinel(func(c *redis.SentinelClient) bool {
		m, err := c.Master(ctx, t.sentinels.MasterName).Result()
		if r := refusalOf([]any{"sentinel", "master"}, 0, err); r.right != "" {
			denied = r
		}
		if err != nil {
			return false
		}
		answers, master = answers+1, m
		err = c.CkQuorum(ctx, t.sentinels.MasterName).Err()
		if r := refusalOf([]any{"sentinel", "ckquorum"}, 0, err); r.right != "" {
			denied = r
		} else if err != nil {
			without++
		}
		return false
	})
	found := fmt.Sprintf("%d of %d Sentinels answer", answers, len(t.sentinels.SentinelAddrs))
	if answers > 0 {
		found += fmt.Sprintf(", master %s, %s replicas, quorum %s, down-after %sms, failover-timeout %sms",
			net.JoinHostPort(master["ip"], master["port"]), master["num-slaves"], master["quorum"], master["down-after-milliseconds"], master["failover-timeout"])
	}
	switch {
	case without > 0:
		return finding{check, warn, found, "There is no quorum for a failover: if the master fails, no lock can be had until somebody mends that."}
	case denied.right != "":
		return finding{check, unknown, found, "The user of the Sentinels may not look at all of that: it needs " + denied.right + " there, and for that only."}
	case answers == 0:
		return finding{check, bad, found, "Nobody says where the master is."}
	}
	return finding{check, good, found, "A session goes on if its lease outlasts the failover: by default at least half of the TTL is left, less the margin of 2% and 20ms. What a failover can lose is under replicas."}
}

// replicas returns those that the Sentinels know of. The clients are the caller's to close.
func (t *target) replicas(ctx context.Context) (nodes []node) {
	t.sentinel(func(c *redis.SentinelClient) bool {
		list, err := c.Replicas(ctx, t.sentinels.MasterName).Result()
		for _, r := range list {
			addr := net.JoinHostPort(r["ip"], r["port"])
			nodes = append(nodes, node{addr, false, redis.NewClient(&redis.Options{
				Addr: addr, Username: t.sentinels.Username, Password: t.sentinels.Password, TLSConfig: t.sentinels.TLSConfig,
				DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: readTimeout, MaxRetries: -1,
			})})
		}
		return err == nil
	})
	return nodes
}
