package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// sentinelWindow is for how long a master that was replaced may go on answering: it was up to 11.2 s
// until a Sentinel made it a replica.
const sentinelWindow = 15 * time.Second

const (
	// demoted is how long a Sentinel lets a master go on that comes back after it was replaced.
	demoted = 12 * time.Second
	// leastDown is how long a master has to be silent before it is replaced: see docs/failover.md, R5.
	leastDown = time.Second
)

// checkGrace says what a crash, a restart or a failover can lose, and which failover grace closes that.
func (t *target) checkGrace(ctx context.Context, nodes []node) []finding {
	const check = "failover grace"
	_, cluster := t.client.(*redis.ClusterClient)
	return perMaster(ctx, nodes, func(ctx context.Context, c *redis.Client) finding {
		r, err := info(ctx, c, "replication")
		switch {
		case err != nil:
			return cantLook(check, c, err, "info")
		case len(r["master_replid"]) != 40:
			return finding{check, good, "not possible here", "This server does not tell its replication history."}
		}
		replicas, _ := strconv.Atoi(r["connected_slaves"])
		config := func(name string) string {
			got, _ := c.ConfigGet(ctx, name).Result()
			return got[name]
		}
		if cluster {
			timeout, err := strconv.Atoi(config("cluster-node-timeout"))
			if err != nil {
				timeout = 15000 // what it is if nobody has changed it
			}
			window := time.Duration(timeout) * time.Millisecond
			if window < leastDown {
				return tooQuick(check, "cluster-node-timeout", window, window)
			}
			return finding{check, good, "at least " + graceFor(window), advice(failoverLoses)}
		}
		if replicas == 0 && t.sentinels == nil {
			if config("appendonly") == "yes" && config("appendfsync") == "always" {
				return finding{check, good, "not needed", "There is no failover, and a restart loses nothing."}
			}
			return finding{check, good, "at least " + graceFor(0), advice("a crash or a restart can forget locks that are held")}
		}
		return t.graceOfReplicated(ctx, c, check, replicas, config)
	})
}

// graceOfReplicated is checkGrace for a master with replicas, or Sentinels.
func (t *target) graceOfReplicated(ctx context.Context, c *redis.Client, check string, replicas int, config func(string) string) finding {
	need, _ := strconv.Atoi(config("min-replicas-to-write"))
	lag, _ := strconv.Atoi(config("min-replicas-max-lag"))
	server, _ := info(ctx, c, "server")
	major, _ := strconv.Atoi(strings.SplitN(server["redis_version"], ".", 2)[0])
	down, sentinelWindow := t.downAfter(ctx), sentinelWindow
	if down > 0 {
		sentinelWindow = max(sentinelWindow, demoted+holdfast.DefaultTTL-down)
	}
	switch {
	case 0 < down && down < leastDown:
		return tooQuick(check, "down-after-milliseconds", down, sentinelWindow)
	case need == 0 || replicas == 0 || need < replicas:
		return finding{check, warn, "at least " + graceFor(sentinelWindow), advice(failoverLoses) +
			fmt.Sprintf(" No grace covers a master that is cut off together with its clients for longer: min-replicas-to-write %d does, on Redis 7 or later.", max(replicas, 1))}
	case major < 7:
		return finding{check, warn, "at least " + graceFor(sentinelWindow), advice(failoverLoses) +
			" Redis 6 does not heed min-replicas-to-write in scripts, so a master that is cut off together with its clients for longer is not covered."}
	}
	return finding{check, good, "at least " + graceFor(time.Duration(lag+1)*time.Second), advice(failoverLoses)}
}

// downAfter is for how long the Sentinels wait for a master before they replace it; 0 if that is not known.
func (t *target) downAfter(ctx context.Context) (down time.Duration) {
	if t.sentinels == nil {
		return 0
	}
	t.sentinel(func(c *redis.SentinelClient) bool {
		m, err := c.Master(ctx, t.sentinels.MasterName).Result()
		ms, _ := strconv.Atoi(m["down-after-milliseconds"])
		down = time.Duration(ms) * time.Millisecond
		return err == nil
	})
	return down
}

// tooQuick is a deployment that may replace a master that was frozen for less than leastDown.
func tooQuick(check, setting string, is, window time.Duration) finding {
	return finding{check, warn, "at least " + graceFor(window), advice(failoverLoses) +
		fmt.Sprintf(" With %s %d it does not close it for a master that was frozen, replaced and goes on within 1s: set %d or more.",
			setting, is.Milliseconds(), leastDown.Milliseconds())}
}

const failoverLoses = "a failover can lose locks that are held, and the old master may go on giving some"

// graceFor is the least grace of a lock with the default TTL.
func graceFor(window time.Duration) string {
	ttl := holdfast.DefaultTTL
	return fmt.Sprintf("%v with a TTL of %v, which is 1.02 x (TTL + %v)", ((ttl + window) * 51 / 50).Round(100*time.Millisecond), ttl, window)
}

func advice(what string) string {
	return "Without one " + what + ": then two can hold a lock until the first one's next renewal. WithFailoverGrace, or --failover-grace, closes that for those who all have it."
}
