package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// usesBare sends the two commands that any lock on one key needs. It doesn't wait: it is
// for locks that nobody else wants. For a semaphore it polls.
type usesBare struct {
	setup
	client *redis.Client
}

var compareAndDelete = redis.NewScript(
	`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

var errNotHeld = errors.New("not held")

func openBare(s setup) (contender, error) { return &usesBare{s, goRedis(s.Addr)}, nil }

func (u *usesBare) lock(name string) acquirer {
	keys := []string{name}
	return func(ctx context.Context) (func() error, context.Context, error) {
		token := rand.Text()
		if ok, err := u.client.SetNX(ctx, name, token, u.TTL).Result(); err != nil || !ok {
			return nil, nil, errors.Join(errNotHeld, err)
		}
		return func() error {
			n, err := compareAndDelete.Run(context.Background(), u.client, keys, token).Int()
			if err == nil && n == 0 {
				err = errNotHeld
			}
			return err
		}, nil, nil
	}
}

// takePermit has the holders in a sorted set, by the times at which they end. Its arguments: token, permits, TTL in ms.
var takePermit = redis.NewScript(`
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

func (u *usesBare) semaphore(name string, permits int) acquirer {
	keys := []string{name}
	return func(ctx context.Context) (func() error, context.Context, error) {
		token := rand.Text()
		for {
			n, err := takePermit.Run(ctx, u.client, keys, token, permits, u.TTL.Milliseconds()).Int()
			if err != nil {
				return nil, nil, err
			}
			if n == 1 {
				break
			}
			select {
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			case <-time.After(pollEvery):
			}
		}
		return func() error {
			n, err := u.client.ZRem(context.Background(), name, token).Result()
			if err == nil && n == 0 {
				err = errNotHeld
			}
			return err
		}, nil, nil
	}
}

func (u *usesBare) close() { _ = u.client.Close() }
