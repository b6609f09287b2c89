package main

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

type usesHoldfast struct {
	client *redis.Client
	locks  *holdfast.Locker
}

func openHoldfast(s setup) (contender, error) {
	if s.Lockers > 0 {
		return openFleet(s)
	}
	client := goRedis(s.Addr)
	return &usesHoldfast{client, holdfast.New(client, holdfast.WithTTL(s.TTL), holdfast.WithLogger(nil), holdfast.WithLinger(s.Linger))}, nil
}

func (u *usesHoldfast) lock(name string) acquirer { return using(u.locks.Mutex(name)) }

func (u *usesHoldfast) semaphore(name string, permits int) acquirer {
	return using(u.locks.Semaphore(name, permits))
}

// using is how one caller acquires a Mutex or a Semaphore.
func using(l interface {
	Acquire(context.Context, ...holdfast.Option) (*holdfast.Session, error)
}) acquirer {
	return func(ctx context.Context) (func() error, context.Context, error) {
		s, err := l.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return func() error { return s.Release(context.Background()) }, s.Context(), nil
	}
}

func (u *usesHoldfast) close() {
	_ = u.locks.Close()
	_ = u.client.Close()
}
