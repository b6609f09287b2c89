package main

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// contender is a lock library set up in one process, as one of its users would.
type contender interface {
	// lock returns how one caller acquires that lock: again and again, but never twice at
	// the same time. What can be made once for many acquisitions is made here.
	lock(name string) acquirer
	close()
}

// semaphores is a contender that has semaphores, too.
type semaphores interface {
	// semaphore is lock for one caller that takes a permit, of so many.
	semaphore(name string, permits int) acquirer
}

// acquirer waits for the lock until ctx ends. The library ends the context lost when
// it learns that the lock is no longer the caller's; nil if it has no such signal.
type acquirer func(ctx context.Context) (release func() error, lost context.Context, err error)

// setup is what a process is told before anything else.
type setup struct {
	Library string
	Addr    string
	TTL     time.Duration
	// Renew is for libraries that leave renewing to the caller, where a workload holds a
	// lock for longer than its TTL.
	Renew bool
	// Linger is for Holdfast alone: see workload.
	Linger time.Duration
	// Lockers is for Holdfast alone: so many of them, which count what they send. Share of them have a
	// client between them, for want of file descriptors for one each; 0: all have one, with its defaults.
	Lockers, Share int
	Cluster        bool // Addr is a node of one
}

// library is a contender that can be chosen, and what the report says of it.
type library struct {
	name   string
	column string // in which it is shown, in rows of its own; empty: one of its own
	module string // of Go, whose version the report states
	config string // how it is set up here
	open   func(setup) (contender, error)
	// key is the key in Redis of a lock's name.
	key func(name string) string
}

const (
	ours     = "Holdfast"
	python   = "redis-py"
	nodejs   = "redis-semaphore"
	baseline = "bare commands"
	fenced   = "redislock with a fence"
)

// pollEvery is the pause between two tries where a library polls and leaves the interval
// to its caller. Their examples say 100 and 500 ms, their defaults 50 to 250 ms, which
// would make every hand-off that slow.
const pollEvery = 5 * time.Millisecond

func asIs(name string) string { return name }

// libraries is in the order of the report's columns.
var libraries = []library{
	{
		name: ours, module: "github.com/holdfast-go/holdfast", open: openHoldfast, key: asIs,
		config: "its defaults",
	},
	{
		name: "rueidislock", module: "github.com/redis/rueidis", open: openRueidislock,
		key: func(name string) string { return "rueidislock:0:" + name },
		config: "`KeyMajority: 1` and `NoLoopTracking: true`, as its README advises for one " +
			"Redis from 7.0.5 on; `TryNextAfter: 1s` rather than 20 ms, since with one key there is no next " +
			"one to try, and after a slow answer it can wait on a lock that is free",
	},
	{
		name: "redislock", module: "github.com/bsm/redislock", open: openRedislock, key: asIs,
		config: "`LinearBackoff(" + pollEvery.String() + ")`; it doesn't renew, so where a lock is held " +
			"for longer than its TTL a goroutine for each lock calls `Refresh` at half the TTL",
	},
	{
		name: fenced, column: "redislock", module: "github.com/bsm/redislock", open: openFenced, key: asIs,
		config: "neither this version nor v0.10.0 has a fence, which Holdfast always has. So that like is compared with like, " +
			"its `Obtain` runs a script here that does `SET NX PX` and `INCR`, the least that a fence takes; all else is its own",
	},
	{
		name: "redsync", module: "github.com/go-redsync/redsync/v4", open: openRedsync, key: asIs,
		config: "one go-redis pool, `WithRetryDelay(" + pollEvery.String() + ")`, tries without end, " +
			"`WithFailFast(true)`; it doesn't renew, so a goroutine for each lock calls `Extend` in the same way",
	},
	{
		name: python, key: asIs,
		config: "`Lock(timeout=TTL, sleep=" + pollEvery.String() + ")`, one client a process; only in the " +
			"workloads in which a Python program could be set up like that",
	},
	{
		name: nodejs, key: func(name string) string { return "semaphore:" + name },
		config: "`Semaphore` with `lockTimeout: TTL`, `retryInterval: " + strconv.Itoa(int(pollEvery/time.Millisecond)) + "` and no " +
			"`acquireTimeout`; one ioredis client a process, with its defaults: `enableAutoPipelining` makes it no faster here",
	},
	{
		name: baseline, module: "github.com/redis/go-redis/v9", open: openBare, key: asIs,
		config: "`SET NX PX`, and compare-and-delete by `EVALSHA`, on go-redis: what any lock costs. As a semaphore, a script of " +
			"`ZREMRANGEBYSCORE`, `ZCARD` and, if there is room, `ZADD`, again after " + pollEvery.String() + " if not, and `ZREM`",
	},
}

func find(name string) *library {
	for i := range libraries {
		if libraries[i].name == name {
			return &libraries[i]
		}
	}
	return nil
}

// goRedis returns the client that all but rueidislock work on, with its defaults.
func goRedis(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr})
}

// renewing calls renew at half the TTL until the returned function is called, which waits
// for the call under way.
func renewing(ttl time.Duration, renew func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(ttl / 2)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				renew()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
