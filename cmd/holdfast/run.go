package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// program is what run and lead run, under which lock.
type program struct {
	name  string
	args  []string
	flags *holdFlags
	opts  []holdfast.Option
	log   *aside // to be closed
	talks bool   // say who holds the lock while it waits

	monitor *monitor // nil without --listen
}

// newProgram reads NAME -- PROGRAM ARGS.
func newProgram(cmd *cobra.Command, args []string, flags *holdFlags) (*program, error) {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0:
		return nil, usageError(fmt.Errorf("%s takes NAME -- PROGRAM ARGS…: there is no --", cmd.CommandPath()))
	case dash != 1:
		return nil, usageError(fmt.Errorf("%s takes one NAME before the --, got %q", cmd.CommandPath(), shown(args[:dash])))
	case len(args) == 1:
		return nil, usageError(fmt.Errorf("%s takes a PROGRAM after the --", cmd.CommandPath()))
	}
	if !canRun {
		return nil, errors.New("it needs a Unix system: process groups and signals")
	}
	opts, err := flags.options(cmd)
	if err != nil {
		return nil, err
	}
	return &program{name: args[0], args: args[1:], flags: flags, opts: opts, log: newAside(cmd.ErrOrStderr()),
		talks: flags.verbose || isTerminal(cmd.ErrOrStderr())}, nil
}

type runFlags struct {
	connection
	holdFlags
	shareFlags
	noWait   bool
	quiet    bool
	wait     time.Duration
	atLeast  time.Duration
	conflict int
}

func newRunCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] NAME -- PROGRAM [ARGS...]",
		Short: "Run a program while holding a lock, or a permit",
		Long: `Run waits for the lock NAME, runs the program while holding it,
and exits as the program did. It uses no shell: write sh -c '…' if you want one. After
a second of waiting it says who holds the lock, at a terminal or with --verbose.

The program runs in a process group of its own, with our stdin, stdout and stderr, and
gets the signals that we get. At a terminal it is in the foreground. When it has
ended, the other processes of the group have 250ms to leave it, as a daemon does.
Those that stay are ended before the lock is given back, by SIGTERM and after --grace
by SIGKILL. Those that left (setsid) are not ended.

If holdfast is killed or crashes, the program and its group are killed at once, and
the lock is free within --ttl. If holdfast alone is stopped (SIGSTOP), they are killed
before the lease can end. Both need Linux, where a second process, "holdfast watcher",
does it. It is in the program's group.

All signals that can be caught are forwarded, except PROF, URG, CHLD, PIPE and 33,
which are ignored, and TTIN and TTOU, which stop holdfast alone. Signals 32 and 34
end holdfast, as KILL does. While it waits for the lock, HUP, INT, QUIT and TERM end it,
and so do ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS, STKFLT and XCPU.

If renewals fail, the program gets SIGTERM, and SIGKILL after --grace. SIGKILL comes
100ms + 2% of the TTL before the lock can expire. If the lock is taken away, for example
by "holdfast release", the program gets SIGTERM at once and SIGKILL after --grace. A
program that was stopped past its lease is killed, not continued.

With --failover-grace no lock is given for so long after a crash, a restart or a failover
of Redis, because what Redis had acknowledged before may be lost: so there are never two
owners. "holdfast check" says how long it has to be. All who use the lock need it, with
the same --ttl; the first who ever uses a Redis waits for it, too: see "holdfast help
settle".

With --at-least the lock is kept for so long after it was taken, even if the program
ends earlier or could not be started: for a job that must run once, on machines whose
clocks differ by more than the job takes. Run does not wait for that: Redis ends the
lock by the key's TTL, and "holdfast release" ends it early. If holdfast is killed, or
Redis can't be reached at the program's end, the lock is free within --ttl, as without
--at-least.

` + shareHelp + "\n\n" + environmentHelp + "\n\n" + durationHelp + "\n\n" + exitStatusHelp,
		Example: `  holdfast run backup -- pg_dump -f /backup/db.sql
  holdfast run -nq -E 0 --at-least 1m report -- /usr/local/bin/report
  holdfast run --wait 30s deploy -- sh -c 'make && make install'
  holdfast run --permits 3 render -- ./render scene.blend
  holdfast run --read index -- ./search`,
		Args: cobra.ArbitraryArgs, // newProgram says what is wrong with them
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.noWait, "no-wait", "n", false, "don't wait for the lock if another holds it")
	durationVar(cmd, &flags.wait, "wait", "w", 0, "wait for the lock at most so long (default: for ever)")
	durationVar(cmd, &flags.atLeast, "at-least", "", 0,
		"keep the lock for so long after it was taken, also if the program ends earlier (default: not at all)")
	f.IntVarP(&flags.conflict, "conflict-exit-code", "E", statusConflict,
		"exit `STATUS` if the lock can't be had in that time")
	f.BoolVarP(&flags.quiet, "quiet", "q", false,
		"say nothing if the lock can't be had in that time: for cron, which mails what is said")
	flags.shareFlags.addFlags(cmd)
	flags.holdFlags.addFlags(cmd)
	flags.connection.addFlags(cmd)
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	p, err := newProgram(cmd, args, &f.holdFlags)
	if err != nil {
		return err
	}
	defer p.log.close()
	if err := f.validate(cmd); err != nil {
		return err
	}
	switch {
	case f.noWait && cmd.Flags().Changed("wait"):
		return usageError(errors.New("--no-wait and --wait exclude each other"))
	case f.conflict < 0 || f.conflict > 255:
		return usageError(fmt.Errorf("--conflict-exit-code %d is not between 0 and 255", f.conflict))
	case cmd.Flags().Changed("wait"):
		p.opts = append(p.opts, holdfast.WithWaitTimeout(f.wait))
	}
	if cmd.Flags().Changed("at-least") {
		p.opts = append(p.opts, holdfast.WithMinHold(f.atLeast))
	}
	ctx, stop := untilSignal()
	session, t, locks, err := f.acquire(ctx, p)
	signals, uncatch, err := goOn(ctx, stop, session, err)
	if locks != nil {
		defer t.client.Close()
		defer locks.Close()
	}
	if err != nil {
		return f.refused(err)
	}
	defer uncatch()
	o, err := runUnder(session, p, signals)
	if err != nil {
		return lockError(t, err)
	}
	return o.exit()
}

// acquire takes the lock, waiting as the flags say. Locks and target are the caller's to close
// if they are not nil.
func (f *runFlags) acquire(ctx context.Context, p *program) (*holdfast.Session, *target, *holdfast.Locker, error) {
	t, err := f.prepare()
	if err != nil {
		return nil, nil, nil, err
	}
	locks := holdfast.New(t.client, f.locker()...)
	l := f.lock(locks, p.name, p.opts)
	if err := lockError(t, l.Err()); err != nil {
		return nil, t, locks, err
	}
	if err := t.ping(ctx, p.name); err != nil {
		return nil, t, locks, err
	}
	acquire := l.Acquire
	if f.noWait {
		acquire = l.TryAcquire
	}
	session, err := p.waitFor(ctx, t, locks, acquire)
	return session, t, locks, lockError(t, err)
}

// refused is what is reported of a lock that could not be had.
func (f *runFlags) refused(err error) error {
	if s, ok := errors.AsType[*signalled](err); ok {
		return &statusError{status: statusSignal + signalNumber(s.sig), err: s}
	}
	if e, ok := errors.AsType[*statusError](err); ok && e.status == statusConflict {
		if f.quiet {
			return exit(f.conflict)
		}
		e.status = f.conflict
	}
	return err
}

// exit is what to exit with after a term.
func (o *outcome) exit() error {
	switch {
	case o.why == nil:
		return exit(o.status)
	case errors.Is(o.why, holdfast.ErrMaxHold):
		return exit(statusMaxHold)
	}
	return exit(statusLost)
}
