package main

import (
	"context"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
)

type usesRedislock struct {
	setup
	client *redis.Client
	locks  *redislock.Client
}

func openRedislock(s setup) (contender, error) {
	client := goRedis(s.Addr)
	return &usesRedislock{s, client, redislock.New(client)}, nil
}

func (u *usesRedislock) lock(name string) acquirer {
	return u.with(u.locks, name)
}

func (u *usesRedislock) with(locks *redislock.Client, name string) acquirer {
	opts := &redislock.Options{RetryStrategy: redislock.LinearBackoff(pollEvery)}
	return func(ctx context.Context) (func() error, context.Context, error) {
		l, err := locks.Obtain(ctx, name, u.TTL, opts)
		if err != nil {
			return nil, nil, err
		}
		release := func() error { return l.Release(context.Background()) }
		if !u.Renew {
			return release, nil, nil
		}
		stop := renewing(u.TTL, func() { _ = l.Refresh(context.Background(), u.TTL, nil) })
		return func() error { stop(); return release() }, nil, nil
	}
}

func (u *usesRedislock) close() { _ = u.client.Close() }
