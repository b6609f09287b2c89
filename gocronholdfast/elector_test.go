package gocronholdfast_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/gocronholdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

func elector(t *testing.T, locks *holdfast.Locker) *gocronholdfast.Elector {
	t.Helper()
	e := must(gocronholdfast.StartElector(locks.Mutex("scheduler"), election.Config{}))(t)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestElector: one of three schedulers runs the jobs; when the leadership is taken from it, the context
// of its task is done, another runs them, and no tick begins on the old one.
func TestElector(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		type event struct {
			who   int
			begun bool
			err   error
		}
		events := make(chan event, 100_000)
		for who := range 3 {
			e := elector(t, r.Locker())
			scheduler(t, gocron.WithDistributedElector(e), time.Second, e.Task(func(ctx context.Context) error {
				events <- event{who, true, nil}
				select {
				case <-time.After(900 * time.Millisecond):
				case <-ctx.Done():
				}
				events <- event{who, false, context.Cause(ctx)}
				return nil
			}))
		}
		r.WaitQueued("scheduler", 2)
		leader := -1
		for range 5 {
			time.Sleep(30*time.Second + time.Second/2)
			for len(events) > 0 {
				if e := <-events; leader >= 0 && e.who != leader || e.err != nil {
					t.Errorf("%+v, and %d leads", e, leader)
				} else {
					leader = e.who
				}
			}
			r.ForceRelease("scheduler") // in the middle of a run
			old := leader
			if e := <-events; e.who != old || e.begun || !errors.Is(e.err, holdfast.ErrForceReleased) {
				t.Errorf("%+v, and %d has led", e, old)
			}
			e := <-events
			if leader = e.who; leader == old || !e.begun {
				t.Errorf("%+v, and %d has led", e, old)
			}
		}
	})
}

// TestIsLeaderEndsInTime: a leader that is cut off says so before its key can expire.
func TestIsLeaderEndsInTime(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		p, mu := r.Process(), r.Locker().Mutex("scheduler")
		e := elector(t, p.Locker())
		r.WaitHeld("scheduler")
		for e.IsLeader(t.Context()) != nil {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		p.Cut()
		began := time.Now()
		for e.IsLeader(t.Context()) == nil {
			if locked, err := mu.Locked(t.Context()); err != nil || !locked {
				t.Fatalf("it says that it leads, and the lock is free: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > holdfast.DefaultTTL {
			t.Errorf("it took %v", took)
		}
		if err := e.IsLeader(t.Context()); !errors.Is(err, gocronholdfast.ErrNotLeader) {
			t.Error(err)
		}
		p.Heal()
	})
}

// TestCloseWaits: a leader resigns when its tasks have returned, and not before.
func TestCloseWaits(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		e, mu := elector(t, r.Locker()), r.Locker().Mutex("scheduler")
		ended := make(chan bool)
		scheduler(t, gocron.WithDistributedElector(e), time.Second, e.Task(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(5 * holdfast.DefaultTTL) // to clean up
			if locked, err := mu.Locked(context.Background()); err != nil || !locked {
				t.Errorf("it has resigned, and its task runs: %v", err)
			}
			close(ended)
			return nil
		}), gocron.WithSingletonMode(gocron.LimitModeReschedule))
		time.Sleep(3 * time.Second)
		for range 2 {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-ended:
			default:
				t.Fatal("Close did not wait")
			}
		}
		r.WaitFree("scheduler")
		time.Sleep(time.Minute)
		if err := e.IsLeader(t.Context()); !errors.Is(err, gocronholdfast.ErrNotLeader) {
			t.Error(err)
		}
	})
}

// TestCloseDrains: Close does not wait for a drain time, and no tick begins in it.
func TestCloseDrains(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		e := elector(t, r.Locker(holdfast.WithDrain(time.Hour)))
		r.WaitHeld("scheduler")
		began := time.Now()
		if err := e.Close(); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := e.IsLeader(t.Context()); !errors.Is(err, gocronholdfast.ErrNotLeader) {
			t.Error(err)
		}
		r.WaitFree("scheduler")
	})
}

// TestElectorTaskElsewhere: a task of an Elector that does not lead does not run, under whatever
// scheduler.
func TestElectorTaskElsewhere(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		r.Hold("scheduler")
		e := elector(t, r.Locker())
		option, failures := failed()
		scheduler(t, gocron.WithLocation(time.UTC), time.Minute, e.Task(func(context.Context) error { t.Error("it ran"); return nil }), option)
		if err := <-failures; !errors.Is(err, gocronholdfast.ErrNotLeader) {
			t.Error(err)
		}
	})
}

// TestElectorTaskPanics: gocron can recover from a task's panic, and the leader goes on.
func TestElectorTaskPanics(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		e := elector(t, r.Locker())
		var panics atomic.Int64
		scheduler(t, gocron.WithDistributedElector(e), time.Second, e.Task(func(context.Context) error { panic("x") }),
			gocron.WithEventListeners(gocron.AfterJobRunsWithPanic(func(uuid.UUID, string, any) { panics.Add(1) })))
		time.Sleep(10*time.Second + time.Second/2)
		if n := panics.Load(); n < 9 {
			t.Errorf("%d of 10 ticks", n)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		r.WaitFree("scheduler")
	})
}

// TestElectorFails: what is wrong is said at once, and what ends the campaign is said by IsLeader and
// Close.
func TestElectorFails(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		locks := r.Locker()
		if _, err := gocronholdfast.StartElector(locks.Mutex(""), election.Config{}); !errors.Is(err, holdfast.ErrInvalid) {
			t.Error(err)
		}
		e := elector(t, locks)
		r.WaitHeld("scheduler")
		if leader, err := e.Leader(t.Context()); err != nil || leader.Fence == 0 {
			t.Errorf("%+v, %v", leader, err)
		}
		if err := locks.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		for _, err := range []error{e.IsLeader(t.Context()), e.Close()} {
			if !errors.Is(err, holdfast.ErrClosed) || !strings.Contains(err.Error(), "the campaign has ended") {
				t.Error(err)
			}
		}
		r.AllowHeld("scheduler")
	})
}

// TestTaskLeavesNothing: what a term keeps of the tasks that have run does not grow with their number.
func TestTaskLeavesNothing(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		e := elector(t, r.Locker())
		r.WaitHeld("scheduler")
		var runs atomic.Int64
		scheduler(t, gocron.WithDistributedElector(e), 10*time.Millisecond, e.Task(func(context.Context) error { runs.Add(1); return nil }))
		look := func() (n, objects int64) {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return runs.Load(), int64(m.HeapObjects)
		}
		time.Sleep(10 * time.Second)
		n, before := look()
		time.Sleep(30 * time.Second)
		more, after := look()
		if more -= n; more < 1000 || after-before > more/2 {
			t.Errorf("%d objects more after %d runs", after-before, more)
		}
	})
}
