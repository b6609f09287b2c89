package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// checkNotifications looks at what tells waiters that a stranger has released a lock.
func checkNotifications(ctx context.Context, c *redis.Client) finding {
	const check = "notifications"
	config, err := c.ConfigGet(ctx, "notify-keyspace-events").Result()
	if err != nil {
		return cantLook(check, c, err, "config", "get")
	}
	flags, db := config["notify-keyspace-events"], c.Options().DB
	all := strings.Contains(flags, "A")
	has := func(flag string) bool { return strings.Contains(flags, flag) || all }
	found := fmt.Sprintf("notify-keyspace-events %q", flags)
	if !strings.Contains(flags, "K") || !has("g") || !has("$") || !has("x") {
		// The two times are of a holder that takes the lock again at once.
		return finding{check, good, found, "Fine among Holdfast's own. If others, redis-py say, use the same locks, set it to \"Kg$x\": " +
			"beside a busy one a waiter of ours, which otherwise asks every 100 ms, waited 5.1 s at most without and 49 ms with it."}
	}
	listen := []any{"subscribe", fmt.Sprintf("__keyspace@%d__:holdfast:check:%s", db, rand.Text())}
	if r := refusalOf(listen, db, attempt(ctx, c, listen)); r.right != "" {
		return finding{check, warn, found, "This user may not listen to them: it needs " + r.right + ". Without that, waiters ask every 100 ms while a stranger holds the lock."}
	}
	return finding{check, good, found, "Waiters are notified at once when a stranger, redis-py say, releases a lock."}
}
