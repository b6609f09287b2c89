#!/usr/bin/env bash
# One would expect: Obtain of a lock that another holds, with a retry strategy and without a deadline,
# waits until it has the lock, or ends with ErrNotObtained. What happens: the time to wait is bounded by the
# TTL that was asked for, and it ends with context.DeadlineExceeded, although the caller's context has no
# deadline. Code that asks errors.Is(err, redislock.ErrNotObtained) treats that as a failure of Redis.
# bsm/redislock v0.9.4 (Client.Obtain), go-redis v9.23.0.
. "$(dirname "$0")/lib.sh"
begin "redislock's Obtain reports a deadline that the caller did not set"
go_program github.com/bsm/redislock@v0.9.4 github.com/redis/go-redis/v9@v9.23.0 <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	locks := redislock.New(redis.NewClient(&redis.Options{Addr: os.Args[1]}))
	if _, err := locks.Obtain(ctx, "job", 10*time.Second, nil); err != nil {
		panic(err)
	}
	began := time.Now()
	_, err := locks.Obtain(ctx, "job", 700*time.Millisecond, &redislock.Options{RetryStrategy: redislock.LinearBackoff(50 * time.Millisecond)})
	fmt.Printf("Obtain with a TTL of 700ms ended after about %v: %v\n", time.Since(began).Round(100*time.Millisecond), err)
	fmt.Println("it is ErrNotObtained:", errors.Is(err, redislock.ErrNotObtained))
	fmt.Println("it is context.DeadlineExceeded:", errors.Is(err, context.DeadlineExceeded))
}
GO
"$dir/program" "$addr" | expect 'ErrNotObtained: false' 'DeadlineExceeded: true'
