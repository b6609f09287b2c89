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
}

// newProgram reads NAME -- PROGRAM ARGS.
func newProgram(cmd *cobra.Command, args []string, flags *holdFlags) (*program, error) {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0:
		return nil, usageError(fmt.Errorf("%s takes NAME -- PROGRAM ARGS…: there is no --", cmd.CommandPath()))
	case dash != 1:
		return nil, usageError(fmt.Errorf("%s takes one NAME before the --, got %q", cmd.CommandPath(), args[:dash]))
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
	return &program{name: args[0], args: args[1:], flags: flags, opts: opts, log: newAside(cmd.ErrOrStderr())}, nil
}

type runFlags struct {
	connection
	holdFlags
	noWait   bool
	wait     time.Duration
	conflict int
}

func newRunCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] NAME -- PROGRAM [ARGS...]",
		Short: "Run a program while holding a lock",
		Long: `Run waits for the lock NAME, runs the program while holding it, and exits as
the program did. There is no shell between: write sh -c '…' if you want one.

The program runs in a process group of its own, with our stdin, stdout and stderr,
and gets the signals that we get. At a terminal it is in the foreground. What it
leaves behind in its group is ended before the lock is given back, by SIGTERM and
after --grace by SIGKILL; what leaves the group (setsid) is not looked after. If we
are killed, the program is too (on Linux), and the lock is free within --ttl.

If renewals fail, the program gets SIGTERM so early that it has --grace to end, and
then SIGKILL, 100ms and 2% of the TTL before the lease can end. If the lock is taken
away, by "holdfast release" say, it gets SIGTERM at once and SIGKILL after --grace.
A program that was stopped past its lease is killed, not continued.

` + environmentHelp + "\n\n" + exitStatusHelp,
		Example: `  holdfast run backup -- pg_dump -f /backup/db.sql
  holdfast run --no-wait --conflict-exit-code 0 report -- /usr/local/bin/report
  holdfast run --wait 30s deploy -- sh -c 'make && make install'`,
		Args: cobra.ArbitraryArgs, // newProgram says what is wrong with them
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.noWait, "no-wait", "n", false, "don't wait for the lock if another holds it")
	f.DurationVarP(&flags.wait, "wait", "w", 0, "wait for the lock at most so long (default: for ever)")
	f.IntVarP(&flags.conflict, "conflict-exit-code", "E", statusConflict,
		"exit `STATUS` if the lock can't be had in that time")
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
	switch {
	case f.noWait && cmd.Flags().Changed("wait"):
		return usageError(errors.New("--no-wait and --wait exclude each other"))
	case f.conflict < 0 || f.conflict > 255:
		return usageError(fmt.Errorf("--conflict-exit-code %d is not between 0 and 255", f.conflict))
	case cmd.Flags().Changed("wait"):
		p.opts = append(p.opts, holdfast.WithWaitTimeout(f.wait))
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
	locks := holdfast.New(t.client)
	mu := locks.Mutex(p.name, p.opts...)
	if err := lockError(t, mu.Err()); err != nil {
		return nil, t, locks, err
	}
	if err := t.ping(ctx); err != nil {
		return nil, t, locks, err
	}
	acquire := mu.Acquire
	if f.noWait {
		acquire = mu.TryAcquire
	}
	session, err := acquire(ctx)
	return session, t, locks, lockError(t, err)
}

// refused is what is reported of a lock that could not be had.
func (f *runFlags) refused(err error) error {
	if s, ok := errors.AsType[*signalled](err); ok {
		return &statusError{status: statusSignal + signalNumber(s.sig), err: s}
	}
	if e, ok := errors.AsType[*statusError](err); ok && e.status == statusConflict {
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
