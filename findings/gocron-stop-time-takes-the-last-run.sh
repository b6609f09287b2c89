#!/usr/bin/env bash
# One would expect: a job with WithStopAt is run at each of its times up to then. What happens: gocron
# looks for the time after the next when a run begins, finds none before the stop time, and removes the
# job: so the context of the last run is cancelled while it runs, and in singleton mode, where it looks
# before the run, the last run is left out.
# gocron v2.21.2.
. "$(dirname "$0")/lib.sh"
begin "The last run of a gocron job that has a stop time is cancelled, or left out"
go_program github.com/go-co-op/gocron/v2@v2.21.2 <<'GO'
package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-co-op/gocron/v2"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// runs has a job with three times before its stop time, and returns how many runs there were, and how
// many of them found their context done.
func runs(options ...gocron.JobOption) (ran, cancelled int64) {
	var all, done atomic.Int64
	s := must(gocron.NewScheduler())
	start := time.Now().Add(time.Second)
	options = append(options, gocron.WithStartAt(gocron.WithStartDateTime(start)),
		gocron.WithStopAt(gocron.WithStopDateTime(start.Add(2500*time.Millisecond))))
	must(s.NewJob(gocron.DurationJob(time.Second), gocron.NewTask(func(ctx context.Context) {
		all.Add(1)
		time.Sleep(200 * time.Millisecond)
		if ctx.Err() != nil {
			done.Add(1)
		}
	}), options...))
	s.Start()
	time.Sleep(5 * time.Second)
	_ = s.Shutdown()
	return all.Load(), done.Load()
}

func main() {
	ran, cancelled := runs()
	fmt.Printf("3 times before the stop time: %d runs, of which %d found their context done\n", ran, cancelled)
	ran, cancelled = runs(gocron.WithSingletonMode(gocron.LimitModeReschedule))
	fmt.Printf("3 times before the stop time, in singleton mode: %d runs, of which %d found their context done\n", ran, cancelled)
}
GO
"$dir/program" | expect 'stop time: 3 runs, of which 1 found' 'singleton mode: 2 runs, of which 0 found'
