package main

import (
	"context"
	"errors"
	"math"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
)

type usesRedsync struct {
	setup
	client *redis.Client
	locks  *redsync.Redsync
}

func openRedsync(s setup) (contender, error) {
	client := goRedis(s.Addr)
	return &usesRedsync{s, client, redsync.New(goredis.NewPool(client))}, nil
}

func (u *usesRedsync) lock(name string) acquirer {
	mu := u.locks.NewMutex(name, redsync.WithExpiry(u.TTL), redsync.WithTries(math.MaxInt),
		redsync.WithRetryDelay(pollEvery), redsync.WithFailFast(true))
	release := func() error {
		if ok, err := mu.Unlock(); err != nil || !ok {
			return errors.Join(errors.New("not released"), err)
		}
		return nil
	}
	return func(ctx context.Context) (func() error, context.Context, error) {
		if err := mu.LockContext(ctx); err != nil {
			return nil, nil, err
		}
		if !u.Renew {
			return release, nil, nil
		}
		stop := renewing(u.TTL, func() { _, _ = mu.Extend() })
		return func() error { stop(); return release() }, nil, nil
	}
}

func (u *usesRedsync) close() { _ = u.client.Close() }
