package cronholdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/robfig/cron/v3"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cronholdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/tick/ticktest"
)

func TestMain(m *testing.M) { ticktest.Main(m, schedule) }

// ticks is a schedule by a clock that is ahead: the ticks of a plan.
type ticks struct {
	first time.Time // by the real clock
	every time.Duration
}

func (s ticks) Next(after time.Time) time.Time {
	if after.Before(s.first) {
		return s.first
	}
	n := after.Sub(s.first)/s.every + 1
	return s.first.Add(n * s.every)
}

// naive is a wrapper that gives the lock back when the job has ended.
func naive(mu *holdfast.Mutex) cron.JobWrapper {
	return func(job cron.Job) cron.Job {
		return cron.FuncJob(func() {
			if s, err := mu.TryAcquire(context.Background()); err == nil {
				defer s.Release(context.Background())
				job.Run()
			}
		})
	}
}

// schedule is one process: each of its schedulers has the jobs of the plan.
func schedule(p ticktest.Plan, log *ticktest.Log, client *redis.Client, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	locks := holdfast.New(client, holdfast.WithTTL(p.TTL))
	defer locks.Close()
	jobs, err := cronholdfast.New(ctx, locks, cronholdfast.WithSkew(p.Skew), cronholdfast.WithLogger(cron.DiscardLogger))
	if err != nil {
		return err
	}
	var all []*cron.Cron
	for range p.Schedulers {
		c := cron.New(cron.WithLogger(cron.DiscardLogger))
		for i, name := range p.Names() {
			fn := func(ctx context.Context) error { return p.Run(ctx, log, i) }
			var job cron.Job
			switch p.Kind {
			case "skip":
				job = jobs.SkipFunc(name, fn)
			case "wait":
				job = jobs.WaitFunc(name, fn)
			case "naive":
				job = naive(locks.Mutex(name))(cron.FuncJob(func() { _ = fn(ctx) }))
			default:
				return fmt.Errorf("no kind %q", p.Kind)
			}
			c.Schedule(ticks{p.First(i).Add(-p.Ahead), p.Interval}, job)
		}
		c.Start()
		all = append(all, c)
	}
	p.Wait(stop)
	for _, c := range all {
		ended := c.Stop()
		if p.Kind != "wait" {
			cancel()
		}
		<-ended.Done()
	}
	return nil
}

// TestSkipRunsEachTickOnce: three processes run every tick once. The clocks of two are the same; that
// of the third is behind by as much as the skew allows.
func TestSkipRunsEachTickOnce(t *testing.T) {
	redistest.Steady(t, time.Second, func(t *testing.T, pace time.Duration) error {
		p := ticktest.Thousand("skip", pace)
		s, err := ticktest.Run(t, p, p.Skew, p.Skew, 0)
		return errors.Join(err, s.Times(1, p))
	})
}

// TestNaiveWrapperRunsTicksTwice: the same processes, with a wrapper that gives the lock back when the
// job has ended, run ticks twice. So the test above can fail.
func TestNaiveWrapperRunsTicksTwice(t *testing.T) {
	t.Parallel()
	p := ticktest.Thousand("naive", 1)
	p.Jobs, p.Ticks = 50, 2
	s, err := ticktest.Run(t, p, p.Skew, p.Skew, 0)
	if err != nil {
		t.Error(err)
	}
	if s.Twice() < p.Jobs {
		t.Errorf("%d of %d ticks ran twice", s.Twice(), p.Jobs*p.Ticks)
	}
}

// TestWaitRunsEachTickOnEach: every scheduler of every process runs every tick, and never do two run
// one job at once.
func TestWaitRunsEachTickOnEach(t *testing.T) {
	redistest.Steady(t, 4*time.Second, func(t *testing.T, pace time.Duration) error {
		p := ticktest.Thousand("wait", pace)
		p.Jobs, p.Ticks, p.Work = 50, 4, 20*time.Millisecond
		s, err := ticktest.Run(t, p, 0, 0, 0)
		return errors.Join(err, s.Times(3*p.Schedulers, p))
	})
}

// TestKilledProcess: of a process that is killed, the others take over the jobs, and never do two of
// them run one at once.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"skip", "wait"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, err := ticktest.KillOneByOne(t, ticktest.Plan{
				Kind: kind, Schedulers: 1, Jobs: 8, Ticks: 1000, Interval: time.Second,
				Skew: 500 * time.Millisecond, TTL: 4 * time.Second, Work: 100 * time.Millisecond,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
