package gocronholdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/tick"
)

// DefaultSkew is the skew where [WithSkew] says nothing: 1 s.
const DefaultSkew = time.Duration(tick.DefaultSkew)

// Option sets how a [Locker] takes locks.
type Option func(*Locker)

// WithSkew sets by how much later the same tick may come on one machine than on another, because their
// clocks differ or one is late; at least 10 ms. A job's lock is kept for one and a half times the skew,
// and its ticks have to be further apart than that: see the package's documentation.
func WithSkew(d time.Duration) Option { return func(l *Locker) { l.skew = tick.Skew(d) } }

// WithLockName sets which lock is whose: name returns the lock's name for that of a job. Default:
// "gocron:" and the job's name.
func WithLockName(name func(job string) string) Option { return func(l *Locker) { l.name = name } }

// WithLogger sets where ticks that were skipped because of a fault are logged, at Warn. Default:
// slog.Default; nil turns it off.
func WithLogger(log *slog.Logger) Option {
	return func(l *Locker) {
		if l.log = log; log == nil {
			l.log = slog.New(slog.DiscardHandler)
		}
	}
}

// Locker is a [gocron.Locker]: of the machines that come to the same tick of a job, one runs it. It is
// safe for concurrent use, and may serve several schedulers.
type Locker struct {
	locks *holdfast.Locker
	skew  tick.Skew
	name  func(string) string
	log   *slog.Logger

	mu   sync.Mutex               // guards jobs and what is in them
	jobs map[context.Context]*job // by the context that gocron gives to Lock and to the task
}

var _ gocron.Locker = (*Locker)(nil)

// NewLocker returns a Locker that takes locks of that one, with its defaults. It does no I/O and starts
// no goroutine. A skew that is too small, or that a maximum hold among the defaults does not allow, is
// refused with an [holdfast.ErrInvalid].
func NewLocker(locks *holdfast.Locker, opts ...Option) (*Locker, error) {
	l := &Locker{
		locks: locks, skew: tick.DefaultSkew, log: slog.Default(), jobs: make(map[context.Context]*job),
		name: func(job string) string { return "gocron:" + job },
	}
	for _, opt := range opts {
		opt(l)
	}
	if err := l.skew.Check(locks); err != nil {
		return nil, fmt.Errorf("gocronholdfast: %w", err)
	}
	return l, nil
}

// job is one job of one scheduler.
type job struct {
	tick.Job
	name string
	free []*lock // taken for a run whose Task has not begun, the newest last
}

// lock is the lock of one run.
type lock struct {
	l   *Locker
	job *job
	run *tick.Run
}

// Lock takes the lock of the job of that name for one tick. If another has it, or had it for the same
// tick, the error is an [holdfast.ErrHeld]. gocron calls it, with the context that the job has.
func (l *Locker) Lock(ctx context.Context, key string) (gocron.Lock, error) {
	if strings.HasPrefix(key, "github.com/holdfast-go/holdfast/gocronholdfast.(*Locker).Task.") {
		err := fmt.Errorf("gocronholdfast: %w: a job that is made by Task has no name, %q is Task's: use gocron.WithName", holdfast.ErrInvalid, key)
		l.skipped(key, err)
		return nil, err
	}
	j := l.job(ctx, key)
	run, err := j.Once(ctx)
	if err != nil {
		if (tick.IsFault(err) || !errors.Is(err, holdfast.ErrHeld)) && ctx.Err() == nil {
			l.skipped(key, err)
		}
		return nil, err
	}
	k := &lock{l, j, run}
	l.mu.Lock()
	j.free = append(j.free, k)
	l.mu.Unlock()
	return k, nil
}

func (l *Locker) skipped(job string, err error) {
	l.log.Warn("gocronholdfast: a tick was skipped", "job", job, "error", err)
}

// job returns what is known of a job. It is forgotten when gocron removes the job, or the scheduler is
// shut down.
func (l *Locker) job(ctx context.Context, name string) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, known := l.jobs[ctx]
	if known && j.name == name {
		return j
	}
	j = &job{name: name, Job: tick.Job{Mutex: l.locks.Mutex(l.name(name)), Skew: l.skew}}
	l.jobs[ctx] = j
	if !known {
		context.AfterFunc(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.jobs, ctx)
		})
	}
	return j
}

// Unlock gives the lock back when the job has ended; the lock may be kept for a while. gocron calls it,
// and drops the error: a release that failed is logged.
func (k *lock) Unlock(context.Context) error {
	k.l.mu.Lock()
	k.job.free = slices.DeleteFunc(k.job.free, func(other *lock) bool { return other == k })
	k.l.mu.Unlock()
	err := k.run.End()
	if err != nil && !errors.Is(err, holdfast.ErrLost) { // a loss is logged by the lock itself
		k.l.log.Warn("gocronholdfast: a lock was not given back, and will expire", "job", k.job.name, "error", err)
	}
	return err
}

// Task returns a task for a scheduler that has this Locker. The context of fn is done when the lock is
// lost, before another can have it, and when the scheduler is shut down or the job removed;
// [holdfast.FromContext] returns the session. If the lock is lost while fn runs, that is in the error
// of the job, too. fn is not called if the lock has been lost by then, or was not taken.
//
//go:noinline
func (l *Locker) Task(fn func(ctx context.Context) error) gocron.Task {
	// Not inlined, so that Lock knows this function by its name, which is that of a job without one.
	return gocron.NewTask(func(ctx context.Context) error {
		switch k := l.begin(ctx); {
		case k != nil:
			return k.run.Do(fn)
		case ctx.Err() != nil: // forgotten already
			return context.Cause(ctx)
		}
		err := fmt.Errorf("gocronholdfast: %w: a job has no lock: its scheduler has another Locker than its task, or none", holdfast.ErrInvalid)
		l.skipped("", err)
		return err
	})
}

// begin returns the lock that gocron has just taken for the run that has this context. There are two
// only if the older one is lost.
func (l *Locker) begin(ctx context.Context) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[ctx]
	if j == nil || len(j.free) == 0 {
		return nil
	}
	newest := len(j.free) - 1
	k := j.free[newest]
	j.free = j.free[:newest]
	return k
}
