package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestPatience: how long redsync and redislock wait by default, for a lock that Holdfast holds for longer than they ever
// held it. docs/interop.md says what to set before the first worker of Holdfast comes.
func TestPatience(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	locks := holdfast.New(client, holdfast.WithLogger(nil))
	defer locks.Close()
	s, err := locks.Mutex(name).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release(context.WithoutCancel(t.Context()))
	const ttl = 700 * time.Millisecond
	for _, c := range []struct {
		library     string
		lock        func() error
		want        error
		least, most time.Duration
	}{
		{"redsync", redsync.New(goredis.NewPool(client)).NewMutex(name).Lock, &redsync.ErrTaken{}, 1600 * time.Millisecond, 20 * time.Second},
		{"redislock", func() error {
			_, err := redislock.New(client).Obtain(context.Background(), name, ttl, &redislock.Options{RetryStrategy: redislock.LinearBackoff(20 * time.Millisecond)})
			return err
		}, context.DeadlineExceeded, ttl, 10 * ttl},
	} {
		start := time.Now()
		err := c.lock()
		took := time.Since(start)
		t.Logf("%s: %v after %v", c.library, err, took.Round(time.Millisecond))
		if taken := new(redsync.ErrTaken); !errors.Is(err, c.want) && !errors.As(err, &taken) || took < c.least || took > c.most {
			t.Errorf("%s: %v after %v; want %v after %v to %v", c.library, err, took, c.want, c.least, c.most)
		}
	}
}
