package gocronholdfast_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/gocronholdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// TestLocker: of three schedulers one runs a tick, and gocron is told that the others skip it.
func TestLocker(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		var ran, skipped atomic.Int64
		skip := gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, name string, err error) {
			skipped.Add(1)
			if name != "job" || !errors.Is(err, holdfast.ErrHeld) {
				t.Errorf("%s: %v", name, err)
			}
		}))
		logged := new(output)
		for range 3 {
			l := locker(t, r, logged.option())
			scheduler(t, gocron.WithDistributedLocker(l), 5*time.Second, l.Task(func(context.Context) error { ran.Add(1); return nil }), skip)
		}
		time.Sleep(100*5*time.Second + time.Second)
		if ran.Load() != 100 || skipped.Load() != 200 {
			t.Errorf("of 100 ticks %d ran and %d were skipped", ran.Load(), skipped.Load())
		}
		if logged.String() != "" {
			t.Errorf("logged: %s", logged)
		}
	})
}

// TestPlainTask: a job that takes no context is run once, too, and has its lock meanwhile.
func TestPlainTask(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		mu := r.Locker().Mutex("my job")
		ran := make(chan bool, 10)
		for range 2 {
			l := locker(t, r, gocronholdfast.WithLockName(func(job string) string { return "my " + job }))
			scheduler(t, gocron.WithDistributedLocker(l), time.Minute, gocron.NewTask(func() {
				locked, err := mu.Locked(context.Background())
				ran <- locked && err == nil
			}))
		}
		time.Sleep(time.Minute + time.Second)
		if !<-ran || len(ran) > 0 {
			t.Error("it ran without its lock, or twice")
		}
	})
}

// TestTaskLoses: the task sees that its lock is lost, gocron gets that as the job's error, and the next
// tick is run.
func TestTaskLoses(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		begun, ended := make(chan int64, 10), make(chan error, 10)
		option, failures := failed()
		l := locker(t, r)
		scheduler(t, gocron.WithDistributedLocker(l), time.Minute, l.Task(func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			begun <- s.Fence()
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil
		}), option)
		for last, i := int64(0), 0; i < 3; i++ {
			fence := <-begun
			if fence <= last {
				t.Errorf("fence %d after %d", fence, last)
			}
			last = fence
			time.Sleep(20 * time.Second)
			r.ForceRelease("gocron:job")
			if err := <-ended; !errors.Is(err, holdfast.ErrForceReleased) {
				t.Error(err)
			}
			if err := <-failures; !errors.Is(err, holdfast.ErrForceReleased) {
				t.Error(err)
			}
		}
	})
}

// TestTaskWithoutLock: a task does not run without a lock that it could lose.
func TestTaskWithoutLock(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		option, failures := failed()
		logged := new(output)
		l, other := locker(t, r, logged.option()), locker(t, r)
		task := l.Task(func(context.Context) error { t.Error("it ran"); return nil })
		scheduler(t, gocron.WithDistributedLocker(other), time.Minute, task, option)
		scheduler(t, gocron.WithLocation(time.UTC), time.Minute, task, option) // no Locker
		scheduler(t, gocron.WithDistributedLocker(l), time.Minute, task, option, gocron.WithDisabledDistributedJobLocker(true))
		for range 3 {
			if err := <-failures; !errors.Is(err, holdfast.ErrInvalid) {
				t.Error(err)
			}
		}
		if n := strings.Count(logged.String(), "a job has no lock"); n != 3 {
			t.Errorf("logged: %s", logged)
		}
	})
}

// TestTaskNeedsName: all jobs that are made by Task would have one name, and share one lock.
func TestTaskNeedsName(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		logged := new(output)
		l := locker(t, r, logged.option())
		s := must(gocron.NewScheduler(gocron.WithDistributedLocker(l)))(t)
		refused := make(chan error, 1)
		must(s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()),
			l.Task(func(context.Context) error { t.Error("it ran"); return nil }),
			gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, _ string, err error) { refused <- err }))))(t)
		s.Start()
		if err := <-refused; !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(logged.String(), "use gocron.WithName") {
			t.Errorf("%v; logged: %s", err, logged)
		}
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	})
}

// TestRedisAway: while Redis is away ticks are skipped, in time, and that is logged; then they run
// again.
func TestRedisAway(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		ran, logged := make(chan time.Time, 100), new(output)
		l := locker(t, r, logged.option())
		scheduler(t, gocron.WithDistributedLocker(l), 2*time.Second, l.Task(func(context.Context) error { ran <- time.Now(); return nil }))
		<-ran
		time.Sleep(100 * time.Millisecond)
		r.Refuse()
		time.Sleep(9 * time.Second)
		if len(ran) > 0 {
			t.Error("it ran without Redis")
		}
		if n := strings.Count(logged.String(), "a tick was skipped"); n != 4 || !strings.Contains(logged.String(), "job=job") {
			t.Errorf("%d were logged: %s", n, logged)
		}
		r.Heal()
		healed := time.Now()
		if at := <-ran; at.Sub(healed) > 2*time.Second {
			t.Errorf("it ran %v later", at.Sub(healed))
		}
	})
}

// TestTicksTooOften: an interval that the skew does not allow is logged, once.
func TestTicksTooOften(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		ran, logged := make(chan bool, 100), new(output)
		l := locker(t, r, logged.option())
		scheduler(t, gocron.WithDistributedLocker(l), time.Second, l.Task(func(context.Context) error { ran <- true; return nil }))
		time.Sleep(10*time.Second + time.Second/2)
		if n := strings.Count(logged.String(), "ticks come too often for the skew"); n != 1 || len(ran) != 5 {
			t.Errorf("%d ran, logged: %s", len(ran), logged)
		}
	})
}

// TestNewLockerRefuses: what is wrong is refused when the Locker is made.
func TestNewLockerRefuses(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		if _, err := gocronholdfast.NewLocker(r.Locker(), gocronholdfast.WithSkew(time.Millisecond)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Error(err)
		}
		if _, err := gocronholdfast.NewLocker(r.Locker(holdfast.WithMaxHold(time.Second))); !errors.Is(err, holdfast.ErrInvalid) {
			t.Error(err)
		}
	})
}
