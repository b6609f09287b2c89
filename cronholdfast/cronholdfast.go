// Package cronholdfast has cron (github.com/robfig/cron/v3) run its jobs on one of several machines, by
// locks of Holdfast: [Jobs.Skip] runs each tick of a job on one machine, whichever comes first;
// [Jobs.Wait] runs it on every machine, on one at a time.
//
//	locks := holdfast.New(client)
//	defer locks.Close()
//	jobs, err := cronholdfast.New(ctx, locks) // ctx ends with the program
//	...
//	c := cron.New()
//	_, err = c.AddJob("0 3 * * *", jobs.SkipFunc("report", report)) // report takes a context
//	c.Start()
//	<-ctx.Done()
//	<-c.Stop().Done()
//
// A job of any type is wrapped, and takes no context:
//
//	_, err = c.AddJob("0 3 * * *", cron.NewChain(cron.Recover(logger), jobs.Skip("report")).Then(job))
//
// Each job has a lock of its own, so a wrapper belongs to one job, and not into [cron.WithChain]: that
// would give all jobs of the scheduler one lock.
//
// # Skip: each tick once
//
// At a tick every machine tries once to take the lock; one gets it and runs the job, and the others
// skip this tick, also if the last run is still going on, on whichever machine. So Skip does on all
// machines what [cron.SkipIfStillRunning] does on one.
//
// The clocks of machines differ, and a job may take a millisecond. So the lock is kept after the job,
// for a time that follows from the skew ([WithSkew]): by how much later the same tick may come on one
// machine than on another. That is by how much their clocks differ, and by how much a busy machine is
// late. With the default:
//
//	skew                         1 s
//	a try takes at most          0.5 s    half of the skew: then the tick is skipped
//	the lock is kept for         1.5 s    the skew and the time of a try
//	the ticks of a job have to   1.5 s    and by how much a machine is late; else some are
//	be apart by more than                 skipped, and the first time that is logged
//
// A job that runs each second needs a smaller skew. One that runs once a day should have a larger one:
// with a skew of 10 minutes its machines go on trying for 5 minutes if Redis is away at its time. Make
// other Jobs for it.
//
// A tick is run at most once, if the skew is as large as it says. It is run not at all if Redis can't
// be reached for the time of a try, or if the last run is still going on. If a machine dies in the
// middle of a run, its lock expires after the TTL ([holdfast.WithTTL]): the next tick after that is run
// by another, and so is the same one where it comes later than that.
//
// The lock is kept no longer than the TTL (10 s) if Redis is away when the job runs or ends. If the skew is
// larger than two thirds of the TTL, another machine may then run the same tick: when its clock is behind, or,
// also if the clocks are the same, because it goes on trying. Give such a job a TTL of one and a half times
// the skew, too, by [holdfast.WithTTL]; the tick of a machine that dies is then run by no other.
// [holdfast.WithMinHold] has no effect with Skip.
//
// All machines must agree when the ticks are, so set a time zone ([cron.WithLocation], or CRON_TZ= in
// the schedule), and don't use "@every": its ticks count from the start of the program.
//
// # Wait: on every machine, on one at a time
//
// For what every machine has to do, and not all of them at once, such as to reload a cache. The runs
// wait in line, in the order in which they came. If they take longer than the interval, more and more
// of them wait, as with [cron.DelayIfStillRunning]: put [cron.SkipIfStillRunning] before it in the
// chain, with [cron.Recover] between them, since it skips for ever after a panic; or give it
// [holdfast.WithWaitTimeout]. Wait keeps the lock for no longer than the job takes.
//
// # What a job sees of its lock
//
// The function of [Jobs.SkipFunc] and [Jobs.WaitFunc] has a context that is done when the lock is lost,
// before another machine can have it, and when the context given to [New] ends; [holdfast.FromContext]
// returns the session, for its fence. The function is not called if the lock has been lost by then. A
// job that was wrapped, a [cron.Job], has no context, and does not see that its lock is lost.
//
// The lock is renewed until the job returns, also after that context has ended and after Cron.Stop. Its
// end also ends waiting: end it before you wait for Cron.Stop. A function that finishes its work after
// that goes by the context of its session, which ends only with the lock; [holdfast.WithDrain] has no
// effect.
//
// # What is logged
//
// To a [cron.Logger] ([WithLogger], by default [cron.DefaultLogger], which prints errors only): at Info
// that a tick was skipped since another machine has it, or the program ends; as an error that a tick
// was skipped because of a fault, such as that Redis can't be reached, the error of a function, and
// that a lock was lost while its job ran.
package cronholdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/tick"
)

// DefaultSkew is the skew where [WithSkew] says nothing: 1 s.
const DefaultSkew = time.Duration(tick.DefaultSkew)

// Option sets how [Jobs] take locks.
type Option func(*Jobs)

// WithSkew sets by how much later the same tick may come on one machine than on another, because their
// clocks differ or one is late; at least 10 ms. The lock of a job that is not to run twice is kept for
// one and a half times the skew, and its ticks have to be further apart than that: see the package's
// documentation.
func WithSkew(d time.Duration) Option { return func(j *Jobs) { j.skew = tick.Skew(d) } }

// WithLogger sets the logger. Default: [cron.DefaultLogger].
func WithLogger(log cron.Logger) Option { return func(j *Jobs) { j.log = log } }

// Jobs makes jobs that run on one of several machines. It is safe for concurrent use.
type Jobs struct {
	ctx   context.Context // the parent of the jobs' contexts
	locks *holdfast.Locker
	skew  tick.Skew
	log   cron.Logger
}

// New returns Jobs that take locks of that Locker, with its defaults. It does no I/O and starts no
// goroutine. ctx is the parent of the jobs' contexts; when it ends no job begins any more. A skew that
// is too small, or that a maximum hold among the defaults does not allow, is refused with an
// [holdfast.ErrInvalid].
func New(ctx context.Context, locks *holdfast.Locker, opts ...Option) (*Jobs, error) {
	j := &Jobs{ctx: ctx, locks: locks, skew: tick.DefaultSkew, log: cron.DefaultLogger}
	for _, opt := range opts {
		opt(j)
	}
	if err := j.skew.Check(locks); err != nil {
		return nil, fmt.Errorf("cronholdfast: %w", err)
	}
	return j, nil
}

// Skip returns a wrapper by which one machine runs a tick of the job, and the others skip it. The name
// is that of the job's lock; the options concern that lock. Skip panics if they are refused: see
// [holdfast.Mutex.Err].
func (j *Jobs) Skip(name string, opts ...holdfast.Option) cron.JobWrapper {
	keep := holdfast.WithMinHold(j.skew.Hold()) // as Once has it, so that what it contradicts is refused here
	return j.wrapper(j.job(name, append(opts[:len(opts):len(opts)], keep), (*tick.Job).Once))
}

// Wait returns a wrapper by which the machines run a tick of the job one after another. The name is
// that of the job's lock; the options concern that lock. Wait panics if they are refused: see
// [holdfast.Mutex.Err].
func (j *Jobs) Wait(name string, opts ...holdfast.Option) cron.JobWrapper {
	return j.wrapper(j.job(name, opts, (*tick.Job).InTurn))
}

// SkipFunc returns a job that runs fn as [Jobs.Skip] has it run. The context of fn is done when the
// lock is lost, before another can have it, and when the context given to [New] ends;
// [holdfast.FromContext] returns the session. An error of fn is logged.
func (j *Jobs) SkipFunc(name string, fn func(ctx context.Context) error, opts ...holdfast.Option) cron.Job {
	return j.Skip(name, opts...)(function(fn))
}

// WaitFunc returns a job that runs fn as [Jobs.Wait] has it run, with a context as [Jobs.SkipFunc]
// gives it.
func (j *Jobs) WaitFunc(name string, fn func(ctx context.Context) error, opts ...holdfast.Option) cron.Job {
	return j.Wait(name, opts...)(function(fn))
}

// function is a job that takes the context of its run.
type function func(ctx context.Context) error

// Run is there for cron's sake: the wrapper, which SkipFunc and WaitFunc put around it, does not call it.
func (f function) Run() { panic("cronholdfast: a function without its lock") }

// locked is a job's lock, and the way to take it for a tick.
type locked struct {
	tick.Job
	take func(*tick.Job, context.Context) (*tick.Run, error)
}

func (j *Jobs) job(name string, opts []holdfast.Option, take func(*tick.Job, context.Context) (*tick.Run, error)) *locked {
	mu := j.locks.Mutex(name, opts...)
	if err := mu.Err(); err != nil {
		panic(fmt.Sprintf("cronholdfast: %v", err))
	}
	return &locked{Job: tick.Job{Mutex: mu, Skew: j.skew}, take: take}
}

func (j *Jobs) wrapper(l *locked) cron.JobWrapper {
	return func(job cron.Job) cron.Job {
		return cron.FuncJob(func() { j.run(l, job) })
	}
}

// run is one tick.
func (j *Jobs) run(l *locked, job cron.Job) {
	run, err := l.take(&l.Job, j.ctx)
	if err != nil {
		j.report(l, "skip", err)
		return
	}
	var failed error
	defer func() { // also when the job panics
		err := run.End()
		if known := errors.Is(failed, holdfast.ErrLost); err != nil && !(known && errors.Is(err, holdfast.ErrLost)) {
			j.report(l, "release", err)
		}
	}()
	fn, ok := job.(function)
	if !ok {
		fn = func(context.Context) error { job.Run(); return nil }
	}
	if failed = run.Do(fn); failed != nil {
		j.report(l, "run", failed)
	}
}

// report logs err: at Info that another has the lock, or that the program ends; else as an error.
func (j *Jobs) report(l *locked, what string, err error) {
	held := what == "skip" && !tick.IsFault(err) // a function's error may be another lock's ErrHeld
	if ends := j.ctx.Err() != nil && errors.Is(err, context.Cause(j.ctx)); held || ends {
		j.log.Info(what, "lock", l.Mutex.Name(), "reason", err)
		return
	}
	j.log.Error(err, what, "lock", l.Mutex.Name())
}
