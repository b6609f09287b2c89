// Package gocronholdfast has gocron (github.com/go-co-op/gocron/v2) run its jobs on one of several
// machines, by locks of Holdfast: with a [Locker] each tick of a job is run by one machine, whichever
// comes first; with an [Elector] one machine leads, and runs all of them.
//
//	locks := holdfast.New(client)
//	defer locks.Close()
//	locker, err := gocronholdfast.NewLocker(locks)
//	...
//	s, err := gocron.NewScheduler(gocron.WithDistributedLocker(locker))
//	...
//	_, err = s.NewJob(gocron.CronJob("*/5 * * * *", false), locker.Task(report), gocron.WithName("report"))
//
// Give a scheduler a Locker or an Elector, not both: gocron asks no Locker if there is an Elector.
//
// # The Locker: each tick once
//
// At a tick every machine tries once to take the lock of the job; one gets it and runs the job, and the
// others skip this tick. gocron counts them as skipped, and calls AfterLockError with an
// [holdfast.ErrHeld].
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
// a Locker for it, and give it to the job by [gocron.WithDistributedJobLocker].
//
// The machine whose clock is ahead of the others' gets most ticks. That is no harm, and balances no load.
//
// A tick is run at most once, if the skew is as large as it says. It is run not at all if Redis can't
// be reached for the time of a try, or if the last run is still going on, on whichever machine. If a
// machine dies in the middle of a run, its lock expires after the TTL ([holdfast.WithTTL]): the next
// tick after that is run by another, and so is the same one where it comes later than that.
//
// The lock is kept no longer than the TTL (10 s) if Redis is away when the job runs or ends. If the skew is
// larger than two thirds of the TTL, another machine may then run the same tick: when its clock is behind, or,
// also if the clocks are the same, because it goes on trying. Give such a job a TTL of one and a half times
// the skew, too, by a [holdfast.Locker] of its own; the tick of a machine that dies is then run by no other.
//
// A run that waits for its turn in gocron comes late by as long, and may be of a tick that another has
// run: with [gocron.WithLimitConcurrentJobs] use [gocron.LimitModeReschedule], not LimitModeWait.
//
// All machines must agree when the ticks are. With [gocron.CronJob] they do, in the same time zone
// ([gocron.WithLocation]), and with DailyJob, WeeklyJob and MonthlyJob at an interval of 1. The ticks of a [gocron.DurationJob] count from
// the start of the program: begin them at a multiple of the interval d, with the option
//
//	gocron.WithStartAt(gocron.WithStartDateTime(time.Now().Truncate(d).Add(d)))
//
// DurationRandomJob is not for several machines.
//
// Name your jobs, by [gocron.WithName]: the job's name is the lock's, after "gocron:" ([WithLockName]).
// A job without one has the name of its function, so all that are made of one function share one lock,
// and of those that have a tick at the same time one is run. A job that is made by Task and has no
// name is refused. Job.RunNow is a tick, too: it is skipped while the last one keeps the lock.
//
// # What a job sees of its lock
//
// gocron makes the context of a job when the job is made, and a Locker can't give it another. So a
// function that is given to [gocron.NewTask] does not see that its lock is lost. Give it to
// [Locker.Task] instead: its context is done before another machine can have the lock, and when the
// scheduler is shut down; [holdfast.FromContext] returns the session, for its fence. It is not called
// if the lock has been lost by then, or was not taken, for the scheduler has another Locker or none.
// If the lock is lost while it runs, that is in the error that gocron gives to AfterJobRunsWithError.
//
// The lock is renewed until the job returns, also after Scheduler.Shutdown, which waits for jobs for
// 10 s ([gocron.WithStopTimeout]). A job that finishes its work after Shutdown goes by the context of
// its session, which ends only with the lock; [holdfast.WithDrain] has no effect. A job that has a [gocron.WithStopAt] is removed, and its context
// ends, when its last run begins: gocron then sees that there is no next one.
//
// # If Redis can't be reached
//
// Then no machine runs the job: after half of the skew the tick is skipped. gocron tells only
// AfterLockError of it, so the Locker logs it at Warn ([WithLogger]). That another has the lock is not
// logged.
//
// # The Elector: one machine runs all
//
//	elector, err := gocronholdfast.StartElector(locks.Mutex("scheduler"), election.Config{})
//	...
//	s, err := gocron.NewScheduler(gocron.WithDistributedElector(elector))
//	...
//	_, err = s.NewJob(gocron.DurationJob(time.Second), elector.Task(poll), gocron.WithName("poll"))
//	...
//	err = errors.Join(s.Shutdown(), elector.Close()) // in this order
//
// IsLeader asks nobody: it is false before the lease can end, so no tick begins on two machines at a
// time. It suits short intervals, since a tick costs no request; clocks may differ by any amount, and
// jobs need no name. If the leader dies another leads after the TTL at most (10 s, or what
// [holdfast.WithTTL] says).
//
// At a change of the leader a tick may be left out, or be run by the old one and then by the new one,
// if that one's clock is behind. A job that must not be run again uses a Locker.
//
// The context of [Elector.Task]'s function is done when the leadership is lost, before another can have
// it, and when the scheduler is shut down. Close waits for such functions and leads until they have
// returned; of those that are given to gocron.NewTask it knows nothing, nor they of it. gocron runs a
// job that takes longer than its interval twice at a time, also on one machine: see
// [gocron.WithSingletonMode].
//
// gocron tells nobody why an Elector says no. What ends the campaign for good, such as a wrong
// password, is logged at Error, and returned by IsLeader and Close. While Redis can't be reached it
// goes on, as [holdfast.Mutex.Lead] does.
package gocronholdfast
