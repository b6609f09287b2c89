package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// info returns fields of a section of INFO.
func info(ctx context.Context, c *redis.Client, section string) (map[string]string, error) {
	text, err := c.Info(ctx, section).Result()
	return fieldsOf(text), err
}

// fieldsOf reads lines of key:value.
func fieldsOf(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[key] = value
		}
	}
	return fields
}

// oldest is the first major version whose commands suffice.
const oldest = 6

func checkVersion(ctx context.Context, c *redis.Client) finding {
	const check = "version"
	server, err := info(ctx, c, "server")
	if err != nil {
		return cantLook(check, c, err, "info")
	}
	version := server["redis_version"]
	if name := server["server_name"]; name != "" && name != "redis" {
		// Forks count on from the version that they speak for.
		found := strings.TrimSpace(strings.ToUpper(name[:1])+name[1:]+" "+server[name+"_version"]) + ", as Redis " + version
		return finding{check, good, found, "The trial lock says whether it does what is needed."}
	}
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	switch {
	case err != nil:
		return finding{check, unknown, fmt.Sprintf("%q", version), "The trial lock says whether it does what is needed."}
	case major < oldest:
		return finding{check, bad, "Redis " + version, fmt.Sprintf("Redis %d or later is needed.", oldest)}
	}
	return finding{check, good, "Redis " + version, fmt.Sprintf("Redis %d or later is needed.", oldest)}
}

func checkEviction(ctx context.Context, c *redis.Client) finding {
	const check = "eviction"
	memory, err := info(ctx, c, "memory")
	if err != nil {
		return cantLook(check, c, err, "info")
	}
	policy, limit := memory["maxmemory_policy"], memory["maxmemory_human"]
	found := fmt.Sprintf("maxmemory %s, policy %s", limit, policy)
	switch {
	case memory["maxmemory"] == "0":
		return finding{check, good, found, "Nothing is evicted as long as maxmemory is 0. Set noeviction before you set it."}
	case policy == "noeviction":
		return finding{check, good, found, "A full memory refuses new locks and loses none."}
	}
	return finding{check, bad, found, "Under memory pressure Redis may evict a lock in use: its holder learns of it at its next renewal, " +
		"and until then there can be two. Set maxmemory-policy to noeviction, or give locks a Redis of their own."}
}

func checkPersistence(ctx context.Context, c *redis.Client) finding {
	const check = "persistence"
	p, err := info(ctx, c, "persistence")
	if err != nil {
		return cantLook(check, c, err, "info")
	}
	const forgets = "After a restart %s are forgotten while their holders work on, until their next renewal: two owners are possible for so long. Fences grow all the same."
	aof := p["aof_enabled"] == "1"
	config, err := c.ConfigGet(ctx, "appendfsync").Result()
	saves, errSaves := c.ConfigGet(ctx, "save").Result()
	switch {
	case aof && err == nil && config["appendfsync"] == "always":
		return finding{check, good, "AOF, appendfsync always", "A restart loses no lock."}
	case aof && err == nil:
		return finding{check, warn, "AOF, appendfsync " + config["appendfsync"], fmt.Sprintf(forgets, "the locks of the last second or so")}
	case aof:
		return finding{check, warn, "AOF (appendfsync unknown)", fmt.Sprintf(forgets, "the last locks, unless appendfsync is always,")}
	case errSaves != nil:
		return finding{check, unknown, "no AOF; snapshots unknown", fmt.Sprintf(forgets, "locks")}
	case saves["save"] == "":
		return finding{check, warn, "none", fmt.Sprintf(forgets, "all locks") + " A process manager that restarts Redis later than the longest TTL avoids that."}
	}
	return finding{check, warn, "snapshots only: save " + saves["save"], fmt.Sprintf(forgets, "the locks since the last snapshot") +
		" A process manager that restarts Redis later than the longest TTL avoids that."}
}

func checkReplicas(ctx context.Context, c *redis.Client) finding {
	const check = "replicas"
	r, err := info(ctx, c, "replication")
	if err != nil {
		return cantLook(check, c, err, "info")
	}
	switch {
	case r["role"] != "master":
		return finding{check, bad, "this server is a replica of " + r["master_host"] + ":" + r["master_port"], "It refuses to write: connect to the master, or by redis-sentinel://."}
	case r["connected_slaves"] == "0":
		return finding{check, good, "none", "No failover, so none that could lose a lock. If this server is gone, no lock can be had, and holders stop before their TTL ends."}
	}
	found := r["connected_slaves"] + " connected"
	lag := 0
	for key, value := range r {
		if !strings.HasPrefix(key, "slave") || !strings.Contains(value, "lag=") {
			continue
		}
		_, after, _ := strings.Cut(value, "lag=")
		n, _ := strconv.Atoi(strings.SplitN(after, ",", 2)[0])
		lag = max(lag, n)
	}
	const means = "Replication is asynchronous: a failover can lose the write that made somebody the holder, and then two can hold the lock " +
		"until the first one's next renewal. What the fence protects stays right."
	if lag > 2 {
		return finding{check, warn, fmt.Sprintf("%s, one is %ds behind", found, lag), means + " The further behind, the more is lost."}
	}
	return finding{check, warn, found, means}
}
