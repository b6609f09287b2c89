#!/usr/bin/env bash
# One would expect: a scheduler that is given an elector and a locker runs a job if it leads and has the
# job's lock, or NewScheduler refuses the two. What happens: it asks the elector only, and the locker is
# never asked, without a word; nor is one that is given to the job.
# gocron v2.21.2.
. "$(dirname "$0")/lib.sh"
begin "A gocron scheduler that has an elector does not ask its locker"
go_program github.com/go-co-op/gocron/v2@v2.21.2 <<'GO'
package main

import (
	"context"
	"errors"
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

// leads is an elector that leads.
type leads struct{}

func (leads) IsLeader(context.Context) error { return nil }

// held is a locker whose locks another holds.
type held struct{ asked *atomic.Int64 }

func (h held) Lock(context.Context, string) (gocron.Lock, error) {
	h.asked.Add(1)
	return nil, errors.New("another holds the lock")
}

// second runs a job every 100 ms for a second.
func second(name string, asked *atomic.Int64, job []gocron.JobOption, options ...gocron.SchedulerOption) {
	asked.Store(0)
	var runs atomic.Int64
	s := must(gocron.NewScheduler(options...))
	must(s.NewJob(gocron.DurationJob(100*time.Millisecond), gocron.NewTask(func() { runs.Add(1) }), job...))
	s.Start()
	time.Sleep(time.Second)
	_ = s.Shutdown()
	fmt.Printf("%s: the locker was asked: %v, the job ran: %v\n", name, asked.Load() > 0, runs.Load() > 0)
}

func main() {
	var asked atomic.Int64
	locker := held{&asked}
	second("locker", &asked, nil, gocron.WithDistributedLocker(locker))
	second("elector and locker", &asked, nil, gocron.WithDistributedElector(leads{}), gocron.WithDistributedLocker(locker))
	second("elector, and the job's locker", &asked, []gocron.JobOption{gocron.WithDistributedJobLocker(locker)}, gocron.WithDistributedElector(leads{}))
}
GO
"$dir/program" | expect '^locker: the locker was asked: true, the job ran: false' \
	'^elector and locker: the locker was asked: false, the job ran: true' \
	"job's locker: the locker was asked: false, the job ran: true"
