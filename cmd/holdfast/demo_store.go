package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed demo_store.lua
var storeSource string

var storeScript = redis.NewScript(storeSource)

// storeExpiry bounds how long a demo that was killed leaves its store behind.
const storeExpiry = 10 * time.Minute

// fencedStore is the data that the leader works on: a key of the same Redis
// whose writes must carry a fence.
type fencedStore struct {
	client redis.UniversalClient
	key    string
}

// verdict is the store's answer to a write.
type verdict struct {
	accepted bool
	count    int64 // writes accepted so far, if accepted
	newest   int64 // the newest fence, if refused
}

func (s fencedStore) write(ctx context.Context, fence int64, value string) (verdict, error) {
	reply, err := storeScript.Run(ctx, s.client, []string{s.key},
		fence, value, storeExpiry.Milliseconds()).Int64Slice()
	if err != nil {
		return verdict{}, err
	}
	if len(reply) != 2 {
		return verdict{}, fmt.Errorf("the store replied %v, want two numbers", reply)
	}
	if reply[0] == 0 {
		return verdict{newest: reply[1]}, nil
	}
	return verdict{accepted: true, count: reply[1]}, nil
}

func (s fencedStore) delete(ctx context.Context) error {
	return s.client.Del(ctx, s.key).Err()
}
