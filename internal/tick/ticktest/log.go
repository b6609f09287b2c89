// Package ticktest has what the tests of schedulers share: processes that have the same schedule, and
// clocks that differ, and what they write down of their jobs in Redis.
package ticktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The kinds of events.
const (
	Begun  = "begun"
	Ended  = "ended"
	Killed = "killed" // the process, by the test
	Done   = "done"   // the run's context
)

// Event is what a process or the test has written down. Their order is that of Redis.
type Event struct {
	What string
	Job  string
	Tick int64
	Run  int64 // of the process
	Pid  int
	Late time.Duration // after the tick, by the clock of the process
	At   time.Time     // of a look at a context
}

const logKey = "ticktest:log"

// Log is the list of events. It is safe for concurrent use.
type Log struct {
	client redis.UniversalClient
	runs   atomic.Int64
}

// NewLog returns the list that is in that Redis.
func NewLog(client redis.UniversalClient) *Log { return &Log{client: client} }

// Add writes down an event. It panics if it can't, since a test that goes on would prove nothing.
func (l *Log) Add(e Event) {
	text, err := json.Marshal(e)
	if err == nil {
		err = l.client.RPush(context.Background(), logKey, text).Err()
	}
	if err != nil {
		panic(fmt.Sprintf("ticktest: write down %+v: %v", e, err))
	}
}

// begin writes down that a run has begun.
func (l *Log) begin(job string, tick int64, late time.Duration) Event {
	run := Event{What: Begun, Job: job, Tick: tick, Run: l.runs.Add(1), Pid: os.Getpid(), Late: late}
	l.Add(run)
	return run
}

// Events returns all that has been written down.
func (l *Log) Events(ctx context.Context) ([]Event, error) {
	lines, err := l.client.LRange(ctx, logKey, 0, -1).Result()
	if err != nil {
		return nil, err
	}
	all := make([]Event, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Tick is one tick of one job.
type Tick struct {
	Job  string
	Tick int64
}

// Summary is what events amount to.
type Summary struct {
	Runs      map[Tick]int // how often each tick was run
	Processes map[int]int  // how many runs each process had
	Overlaps  []string     // that two runs of one job were under way at once
	Latest    time.Duration
}

// Summarize looks through events. A run is under way until it has Ended, its process was Killed or its
// context was Done.
func Summarize(events []Event) Summary {
	s := Summary{Runs: make(map[Tick]int), Processes: make(map[int]int)}
	under := make(map[string]Event) // the run that is under way, by job
	for _, e := range events {
		switch last, is := under[e.Job]; {
		case e.What == Begun:
			if is {
				s.Overlaps = append(s.Overlaps, fmt.Sprintf("tick %d of %s began in process %d while tick %d ran in process %d", e.Tick, e.Job, e.Pid, last.Tick, last.Pid))
			}
			under[e.Job] = e
			s.Runs[Tick{e.Job, e.Tick}]++
			s.Processes[e.Pid]++
			s.Latest = max(s.Latest, e.Late)
		case e.What == Killed:
			maps.DeleteFunc(under, func(_ string, run Event) bool { return run.Pid == e.Pid })
		case is && last.Pid == e.Pid && last.Run == e.Run:
			delete(under, e.Job)
		}
	}
	return s
}

// Alone returns what is wrong if two runs of one job were under way at once, or nil.
func (s Summary) Alone() error {
	if n := len(s.Overlaps); n > 0 {
		return fmt.Errorf("two runs of one job at once, %d times, as %v", n, s.Overlaps[:min(n, 3)])
	}
	return nil
}

// Times returns what is wrong if a tick of the plan was not run that many times, or another was, or
// nil.
func (s Summary) Times(want int, p Plan) error {
	var wrong []string
	for _, job := range p.Names() {
		for tick := range int64(p.Ticks) {
			if n := s.Runs[Tick{job, tick}]; n != want {
				wrong = append(wrong, fmt.Sprintf("tick %d of %s ran %d times", tick, job, n))
			}
		}
	}
	if extra := len(s.Runs) - p.Jobs*p.Ticks; extra > 0 {
		wrong = append(wrong, fmt.Sprintf("%d ticks ran that are none", extra))
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%d of %d ticks are wrong, among them: %v", len(wrong), p.Jobs*p.Ticks, wrong[:min(len(wrong), 5)])
}

// Twice is how many ticks ran more than once.
func (s Summary) Twice() (n int) {
	for _, times := range s.Runs {
		if times > 1 {
			n++
		}
	}
	return n
}

// String says how many ticks were run, and where.
func (s Summary) String() string {
	return fmt.Sprintf("%d ticks were run, %d of them more than once; by process: %v; the latest was %v late", len(s.Runs), s.Twice(), s.Processes, s.Latest)
}
