package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/redis/go-redis/v9"
)

// usesBare sends the two commands that any lock on one key needs. It doesn't wait: it is
// for locks that nobody else wants.
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

func (u *usesBare) close() { _ = u.client.Close() }
