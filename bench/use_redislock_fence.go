package main

import (
	"context"
	"fmt"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
)

// usesFenced is redislock with a fence, which its releases up to v0.10.0 lack.
type usesFenced struct{ usesRedislock }

func openFenced(s setup) (contender, error) {
	return &usesFenced{usesRedislock{setup: s, client: goRedis(s.Addr)}}, nil
}

// lock is redislock's, and fails if the fence does not grow.
func (u *usesFenced) lock(name string) acquirer {
	client := &counting{Scripter: u.client, key: name + ":fence"}
	acquire := u.with(redislock.New(client), name)
	return func(ctx context.Context) (func() error, context.Context, error) {
		before := client.fence
		release, lost, err := acquire(ctx)
		if err == nil && client.fence <= before {
			err = fmt.Errorf("fence %d after %d", client.fence, before)
		}
		return release, lost, err
	}
}

// counting is a client that runs another script in place of Obtain's: one that counts, too.
type counting struct {
	redis.Scripter
	key   string
	fence int64 // the last one
}

// obtainFenced has the arguments of Obtain's script: value, token's length, TTL.
var obtainFenced = redis.NewScript(
	`if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3]) then return redis.call('INCR', KEYS[2]) end`)

// EvalSha tells the scripts apart by the number of their arguments: Release's has one.
func (c *counting) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	if len(args) != 3 {
		return c.Scripter.EvalSha(ctx, sha1, keys, args...)
	}
	cmd := obtainFenced.Run(ctx, c.Scripter, []string{keys[0], c.key}, args...)
	if fence, err := cmd.Int64(); err == nil {
		c.fence = fence
	}
	return cmd
}
