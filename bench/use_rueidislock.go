package main

import (
	"context"
	"time"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

type usesRueidislock struct{ rueidislock.Locker }

func openRueidislock(s setup) (contender, error) {
	l, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption:   rueidis.ClientOption{InitAddress: []string{s.Addr}},
		KeyValidity:    s.TTL,
		KeyMajority:    1,
		NoLoopTracking: true,
		// By default a request that takes longer than 20 ms is given up for the next key's.
		// There is none here, and on a busy machine it would then wait for word of a lock
		// that is free.
		TryNextAfter: time.Second,
	})
	return usesRueidislock{l}, err
}

func (u usesRueidislock) lock(name string) acquirer {
	return func(ctx context.Context) (func() error, context.Context, error) {
		held, cancel, err := u.WithContext(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		// It returns when the key is deleted, and reports nothing.
		return func() error { cancel(); return nil }, held, nil
	}
}

func (u usesRueidislock) close() { u.Close() }
