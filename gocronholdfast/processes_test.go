package gocronholdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/jonboulle/clockwork"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/gocronholdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/tick/ticktest"
)

func TestMain(m *testing.M) { ticktest.Main(m, schedule) }

// ahead is a clock that is ahead of the real one.
type ahead struct {
	clockwork.Clock
	by time.Duration
}

func (a ahead) Now() time.Time                  { return a.Clock.Now().Add(a.by) }
func (a ahead) Since(t time.Time) time.Duration { return a.Now().Sub(t) }
func (a ahead) Until(t time.Time) time.Duration { return t.Sub(a.Now()) }

// naive is a Locker that gives the lock back when the job has ended, as the usual ones do.
type naive struct{ locks *holdfast.Locker }

type naiveLock struct{ *holdfast.Session }

func (n naive) Lock(ctx context.Context, key string) (gocron.Lock, error) {
	s, err := n.locks.Mutex(key).TryAcquire(ctx)
	return naiveLock{s}, err
}

func (n naiveLock) Unlock(ctx context.Context) error { return n.Release(ctx) }

// distributed is what makes a scheduler one of several.
type distributed struct {
	option gocron.SchedulerOption
	task   func(func(context.Context) error) gocron.Task
	close  func() error
}

func nothing() error { return nil }

func kind(p ticktest.Plan, locks *holdfast.Locker) (distributed, error) {
	switch p.Kind {
	case "naive":
		task := func(fn func(context.Context) error) gocron.Task { return gocron.NewTask(fn) }
		return distributed{gocron.WithDistributedLocker(naive{locks}), task, nothing}, nil
	case "locker":
		l, err := gocronholdfast.NewLocker(locks, gocronholdfast.WithSkew(p.Skew))
		return distributed{gocron.WithDistributedLocker(l), l.Task, nothing}, err
	case "elector":
		e, err := gocronholdfast.StartElector(locks.Mutex("scheduler"), election.Config{})
		return distributed{gocron.WithDistributedElector(e), e.Task, e.Close}, err
	}
	return distributed{}, fmt.Errorf("no kind %q", p.Kind)
}

// schedule is one process: each of its schedulers has the jobs of the plan.
func schedule(p ticktest.Plan, log *ticktest.Log, client *redis.Client, stop <-chan struct{}) (err error) {
	locks := holdfast.New(client, holdfast.WithTTL(p.TTL))
	defer locks.Close()
	for range p.Schedulers {
		d, err2 := kind(p, locks)
		if err2 != nil {
			return err2
		}
		defer func() { err = errors.Join(err, d.close()) }()
		s, err2 := gocron.NewScheduler(d.option, gocron.WithClock(ahead{clockwork.NewRealClock(), p.Ahead}))
		if err2 != nil {
			return err2
		}
		defer func() { err = errors.Join(err, s.Shutdown()) }()
		for i, name := range p.Names() {
			_, err2 := s.NewJob(gocron.DurationJob(p.Interval), d.task(func(ctx context.Context) error { return p.Run(ctx, log, i) }),
				gocron.WithName(name), gocron.WithStartAt(gocron.WithStartDateTime(p.First(i))),
				gocron.WithSingletonMode(gocron.LimitModeReschedule))
			if err2 != nil {
				return err2
			}
		}
		s.Start()
	}
	p.Wait(stop)
	return nil
}

// TestLockerRunsEachTickOnce: three processes run every tick once. The clocks of two are the same; that
// of the third is behind by as much as the skew allows.
func TestLockerRunsEachTickOnce(t *testing.T) {
	redistest.Steady(t, time.Second, func(t *testing.T, pace time.Duration) error {
		p := ticktest.Thousand("locker", pace)
		s, err := ticktest.Run(t, p, p.Skew, p.Skew, 0)
		return errors.Join(err, s.Times(1, p))
	})
}

// TestNaiveLockerRunsTicksTwice: the same processes, with a Locker that gives the lock back when the
// job has ended, run ticks twice. So the test above can fail.
func TestNaiveLockerRunsTicksTwice(t *testing.T) {
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

// TestElectorRunsEachTickOnce: the leader runs every tick once, whatever the clocks of the others.
func TestElectorRunsEachTickOnce(t *testing.T) {
	redistest.Steady(t, 4*time.Second, func(t *testing.T, pace time.Duration) error {
		p := ticktest.Thousand("elector", pace)
		p.Interval /= 4
		s, err := ticktest.Run(t, p, time.Second, time.Second/2, 0)
		if len(s.Processes) != 1 {
			err = errors.Join(err, fmt.Errorf("%d processes ran jobs", len(s.Processes)))
		}
		return errors.Join(err, s.Times(1, p))
	})
}

// TestKilledProcess: of a process that is killed, the others take over the jobs, and never do two of
// them run one at once.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"locker", "elector"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, err := ticktest.KillOneByOne(t, ticktest.Plan{
				Kind: kind, Schedulers: 1, Jobs: 8, Ticks: 1000, Interval: time.Second,
				Skew: 500 * time.Millisecond, TTL: 4 * time.Second, Work: 200 * time.Millisecond,
			})
			if err != nil {
				t.Error(err)
			}
			if kind == "elector" && len(s.Processes) != 3 {
				t.Errorf("%d of 3 processes have led", len(s.Processes))
			}
		})
	}
}
