package cronholdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cronholdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

func onFake(t *testing.T, test func(t *testing.T, r *holdfasttest.Redis)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, holdfasttest.New(t)) })
}

// output is a logger that collects.
type output struct {
	mu            sync.Mutex
	infos, errors []string
}

func (o *output) Info(what string, more ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.infos = append(o.infos, fmt.Sprint(what, more))
}

func (o *output) Error(err error, what string, more ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.errors = append(o.errors, fmt.Sprint(what, more, err))
}

// said returns how many lines were logged, and all of them.
func (o *output) said() (infos, errors int, all string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.infos), len(o.errors), strings.Join(append(o.infos[:len(o.infos):len(o.infos)], o.errors...), "\n")
}

// machine is one of several.
type machine struct {
	jobs *cronholdfast.Jobs
	out  *output
	stop context.CancelCauseFunc
}

func newMachine(t *testing.T, locks *holdfast.Locker, options ...cronholdfast.Option) *machine {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	out := new(output)
	jobs, err := cronholdfast.New(ctx, locks, append(options, cronholdfast.WithLogger(out))...)
	if err != nil {
		t.Fatal(err)
	}
	return &machine{jobs, out, stop}
}

// schedule starts a scheduler with one job, until the end of the test.
func (m *machine) schedule(t *testing.T, every time.Duration, job cron.Job) *cron.Cron {
	c := cron.New(cron.WithLogger(cron.DiscardLogger))
	c.Schedule(ticks{time.Now().Truncate(every), every}, job)
	c.Start()
	t.Cleanup(func() {
		m.stop(errors.New("the test is over"))
		<-c.Stop().Done()
	})
	return c
}

// TestSkip: of three schedulers one runs a tick, and the others log that they skip it.
func TestSkip(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		var ran atomic.Int64
		var all []*machine
		for i := range 3 {
			m := newMachine(t, r.Locker())
			job := m.jobs.SkipFunc("job", func(context.Context) error { ran.Add(1); return nil })
			if i == 0 { // a job that takes no context does as well
				job = cron.NewChain(cron.Recover(m.out), m.jobs.Skip("job")).Then(cron.FuncJob(func() { ran.Add(1) }))
			}
			m.schedule(t, 5*time.Second, job)
			all = append(all, m)
		}
		time.Sleep(100*5*time.Second + time.Second)
		skipped := 0
		for _, m := range all {
			infos, errors, said := m.out.said()
			skipped += infos
			if errors != 0 {
				t.Errorf("logged: %s", said)
			}
		}
		if ran.Load() != 100 || skipped != 200 {
			t.Errorf("of 100 ticks %d ran and %d were skipped", ran.Load(), skipped)
		}
	})
}

// TestWait: each of three schedulers runs each tick, one at a time.
func TestWait(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		var ran, running atomic.Int64
		for range 3 {
			m := newMachine(t, r.Locker())
			m.schedule(t, time.Minute, m.jobs.WaitFunc("job", func(context.Context) error {
				if running.Add(1) > 1 {
					t.Error("two at once")
				}
				time.Sleep(10 * time.Second)
				running.Add(-1)
				ran.Add(1)
				return nil
			}))
		}
		time.Sleep(10*time.Minute + 50*time.Second)
		if ran.Load() != 30 {
			t.Errorf("%d ran", ran.Load())
		}
	})
}

// TestLoses: a function sees that its lock is lost, and that is logged once, with its own error; of a
// job that takes no context it is logged, too.
func TestLoses(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		m, plain := newMachine(t, r.Locker()), newMachine(t, r.Locker())
		begun := make(chan int64)
		m.schedule(t, time.Minute, m.jobs.SkipFunc("job", func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			begun <- s.Fence()
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), holdfast.ErrForceReleased) {
				t.Error(context.Cause(ctx))
			}
			return errors.New("interrupted")
		}))
		plain.schedule(t, time.Minute, plain.jobs.Wait("plain")(cron.FuncJob(func() { time.Sleep(40 * time.Second) })))
		<-begun
		r.WaitHeld("plain")
		r.ForceRelease("job")
		r.ForceRelease("plain")
		time.Sleep(50 * time.Second)
		for _, o := range []*output{m.out, plain.out} {
			if _, n, said := o.said(); n != 1 || !strings.Contains(said, "force") || o == m.out && !strings.Contains(said, "interrupted") {
				t.Errorf("%d logged: %s", n, said)
			}
		}
		select {
		case <-begun: // the next tick
			r.ForceRelease("job")
			time.Sleep(time.Second) // it sees that
		case <-time.After(2 * time.Minute):
			t.Error("no other tick was run")
		}
	})
}

// TestOwnErrors: what a function returns is an error, also if it is about another lock.
func TestOwnErrors(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		m := newMachine(t, r.Locker())
		m.schedule(t, time.Minute, m.jobs.SkipFunc("job", func(context.Context) error { return holdfast.ErrWaitTimeout }))
		time.Sleep(time.Minute + time.Second)
		if infos, n, said := m.out.said(); infos != 0 || n != 1 {
			t.Errorf("logged: %s", said)
		}
	})
}

// TestStop: the end of the program ends the function, and the wait of others; the lock is renewed
// until the function has returned.
func TestStop(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		m, mu := newMachine(t, r.Locker()), r.Locker().Mutex("job")
		stop := errors.New("stop")
		c := m.schedule(t, time.Minute, m.jobs.WaitFunc("job", func(ctx context.Context) error {
			<-ctx.Done()
			if context.Cause(ctx) != stop {
				t.Error(context.Cause(ctx))
			}
			time.Sleep(5 * holdfast.DefaultTTL)
			if locked, err := mu.Locked(context.Background()); err != nil || !locked {
				t.Errorf("the lock is free: %v", err)
			}
			return nil
		}))
		time.Sleep(5 * time.Minute) // others wait
		m.stop(stop)
		<-c.Stop().Done()
		r.WaitFree("job")
		if infos, n, said := m.out.said(); infos == 0 || n != 0 {
			t.Errorf("logged: %s", said)
		}
	})
}

// TestPanic: a job that panics gives its lock back, and the panic goes on to who recovers from it.
func TestPanic(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		m := newMachine(t, r.Locker())
		job := m.jobs.WaitFunc("job", func(context.Context) error { panic("x") })
		m.schedule(t, time.Second, cron.NewChain(cron.Recover(m.out)).Then(job))
		time.Sleep(10*time.Second + time.Second/2)
		if _, n, said := m.out.said(); n != 10 || strings.Count(said, "panic") < 10 {
			t.Errorf("%d logged: %s", n, said)
		}
	})
}

// TestRedisAway: while Redis is away ticks are skipped, in time, and that is logged; then they run
// again. That ticks come too often is logged once.
func TestRedisAway(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		ran := make(chan time.Time, 100)
		m := newMachine(t, r.Locker(), cronholdfast.WithSkew(100*time.Millisecond))
		m.schedule(t, time.Second, m.jobs.SkipFunc("job", func(context.Context) error { ran <- time.Now(); return nil }))
		<-ran
		time.Sleep(time.Second / 2)
		r.Refuse()
		time.Sleep(4 * time.Second)
		r.Heal()
		if _, n, said := m.out.said(); n != 4 || len(ran) > 0 {
			t.Errorf("%d ran, %d logged: %s", len(ran), n, said)
		}
		<-ran

		often := newMachine(t, r.Locker())
		often.schedule(t, time.Second, often.jobs.SkipFunc("often", func(context.Context) error { return nil }))
		time.Sleep(10*time.Second + time.Second/2)
		if infos, n, said := often.out.said(); n != 1 || infos != 4 || !strings.Contains(said, "too often") {
			t.Errorf("logged: %s", said)
		}
	})
}

// TestRefused: what is wrong is refused when the job is made.
func TestRefused(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		if _, err := cronholdfast.New(t.Context(), r.Locker(), cronholdfast.WithSkew(time.Millisecond)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Error(err)
		}
		m := newMachine(t, r.Locker())
		for name, wrong := range map[string]func(){
			"no name": func() { m.jobs.Wait("") },
			"a maximum hold below the skew": func() {
				m.jobs.SkipFunc("job", func(context.Context) error { return nil }, holdfast.WithMaxHold(time.Second))
			},
		} {
			func() {
				defer func() {
					if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "invalid") {
						t.Errorf("%s: %v", name, p)
					}
				}()
				wrong()
			}()
		}
	})
}
