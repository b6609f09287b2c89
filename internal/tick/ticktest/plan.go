package ticktest

import (
	"context"
	"fmt"
	"time"
)

// Plan is what one process does: its schedulers have the same jobs, with the same ticks.
type Plan struct {
	Addr       string        // of Redis
	Kind       string        // what it shall be; the tests of a scheduler have their own
	Ahead      time.Duration // by how much its clock is ahead, at least 0
	Schedulers int
	Jobs       int
	Start      time.Time // of the first tick of the first jobs
	Interval   time.Duration
	Ticks      int
	Skew, TTL  time.Duration
	Work       time.Duration // how long a job takes
}

// Thousand is a plan with 1,000 ticks: 200 jobs that take a millisecond, in two schedulers of each
// process. All its times but that and the TTL are multiplied by pace.
func Thousand(kind string, pace time.Duration) Plan {
	return Plan{
		Kind: kind, Schedulers: 2, Jobs: 200, Ticks: 5, Interval: pace * 4 * time.Second,
		Skew: pace * 2 * time.Second, TTL: 10 * time.Second, Work: time.Millisecond,
	}
}

// Names returns the jobs' names.
func (p Plan) Names() []string {
	names := make([]string, p.Jobs)
	for i := range names {
		names[i] = fmt.Sprint("job-", i)
	}
	return names
}

// phases is how many groups of jobs there are, whose ticks come one after another.
const phases = 4

// First is when the first tick of a job is. Jobs do not all have their ticks at the same time, but all
// in the first half of the interval.
func (p Plan) First(job int) time.Time {
	return p.Start.Add(time.Duration(job%phases) * p.Interval / (2 * phases))
}

// End is when no clock has a tick of the plan before it any more: none is behind the real one. A clock
// that is ahead may have ticks after those of the plan by then.
func (p Plan) End() time.Time { return p.Start.Add(time.Duration(p.Ticks) * p.Interval) }

// Wait waits until the plan has ended, or stop is closed.
func (p Plan) Wait(stop <-chan struct{}) {
	timer := time.NewTimer(time.Until(p.End()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	}
}

// Run writes down a run of a job, which takes as long as the plan says, or until ctx ends. A tick after
// those of the plan does nothing.
func (p Plan) Run(ctx context.Context, log *Log, job int) error {
	since := time.Now().Add(p.Ahead).Sub(p.First(job)) // by the clock of the process
	tick := int64(since / p.Interval)
	if tick >= int64(p.Ticks) {
		return nil
	}
	run := log.begin(p.Names()[job], tick, since-time.Duration(tick)*p.Interval)
	timer := time.NewTimer(p.Work)
	defer timer.Stop()
	select {
	case <-timer.C:
		run.What = Ended
		log.Add(run)
		return nil
	case <-ctx.Done():
		run.What = Done
		log.Add(run)
		return context.Cause(ctx)
	}
}
