#!/usr/bin/env bash
# One would expect: with the chain Recover, SkipIfStillRunning a job that panics is recovered from, and
# run again at its next time. What happens: SkipIfStillRunning does not note that the run has ended, so
# all later ones are skipped, for as long as the program runs. At the default logger, which prints errors
# only, nothing says so. With Recover as the inner one of the two the job goes on.
# robfig/cron v3.0.1.
. "$(dirname "$0")/lib.sh"
begin "After one panic a cron job with SkipIfStillRunning is skipped for ever"
go_program github.com/robfig/cron/v3@v3.0.1 <<'GO'
package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
)

// runs has a job that panics at its first run, and returns how often it has begun after some seconds.
func runs(chain ...cron.JobWrapper) int64 {
	var n atomic.Int64
	c := cron.New(cron.WithSeconds(), cron.WithChain(chain...))
	if _, err := c.AddFunc("* * * * * *", func() {
		if n.Add(1) == 1 {
			panic("the first run fails")
		}
	}); err != nil {
		panic(err)
	}
	c.Start()
	time.Sleep(5 * time.Second)
	<-c.Stop().Done()
	return n.Load()
}

func main() {
	quiet := cron.DiscardLogger
	fmt.Println("Recover, SkipIfStillRunning: more than one run in five seconds:", runs(cron.Recover(quiet), cron.SkipIfStillRunning(quiet)) > 1)
	fmt.Println("SkipIfStillRunning, Recover: more than one run in five seconds:", runs(cron.SkipIfStillRunning(quiet), cron.Recover(quiet)) > 1)
}
GO
"$dir/program" | expect '^Recover.*: false' '^SkipIfStillRunning.*: true'
