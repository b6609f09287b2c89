#!/usr/bin/env bash
# One would expect: with gocron's distributed locker, one scheduler of many runs the job of a tick, and
# the others skip it. What happens: at its default options the Redis locker goes on trying for some
# seconds (redsync's 32 tries), so a job that takes 300 ms runs again on the next scheduler as soon
# as the first has finished. WithTries(1) makes the others skip.
# gocron v2.21.2, gocron-redis-lock v2.2.1, redsync v4.13.0 (which has the default).
. "$(dirname "$0")/lib.sh"
begin "A job with gocron's Redis locker runs on each scheduler, one after the other"
go_program github.com/go-co-op/gocron/v2@v2.21.2 github.com/go-co-op/gocron-redis-lock/v2@v2.2.1 github.com/go-redsync/redsync/v4@v4.13.0 <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	redislock "github.com/go-co-op/gocron-redis-lock/v2"
	"github.com/go-co-op/gocron/v2"
	"github.com/go-redsync/redsync/v4"
	"github.com/redis/go-redis/v9"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// tick runs one tick of a job on two schedulers, and returns how often the job ran.
func tick(client *redis.Client, job string, options ...redsync.Option) int {
	runs := make(chan bool, 10)
	at := time.Now().Add(time.Second)
	for range 2 {
		s := must(gocron.NewScheduler(gocron.WithDistributedLocker(must(redislock.NewRedisLocker(client, options...)))))
		must(s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(at)),
			gocron.NewTask(func() { runs <- true; time.Sleep(300 * time.Millisecond) }), gocron.WithName(job)))
		s.Start()
		defer s.Shutdown()
	}
	time.Sleep(4 * time.Second)
	return len(runs)
}

func main() {
	client := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	fmt.Printf("one tick, two schedulers, default options: the job ran %d time(s)\n", tick(client, "report"))
	fmt.Printf("one tick, two schedulers, WithTries(1): the job ran %d time(s)\n", tick(client, "other", redsync.WithTries(1)))
}
GO
"$dir/program" "$addr" | expect 'default options: the job ran 2 time' 'WithTries\(1\): the job ran 1 time'
