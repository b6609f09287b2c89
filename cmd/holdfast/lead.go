package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

type leadFlags struct {
	connection
	holdFlags
	restart             string
	backoff, backoffMax time.Duration
	listen              string
}

// When a program that ended by itself is run again.
const (
	restartAlways    = "always"
	restartOnFailure = "on-failure"
	restartNever     = "never"
)

var restarts = []string{restartAlways, restartOnFailure, restartNever}

func newLeadCommand() *cobra.Command {
	var flags leadFlags
	cmd := &cobra.Command{
		Use:   "lead [flags] NAME -- PROGRAM [ARGS...]",
		Short: "Run a program for as long as this process leads",
		Long: `Lead campaigns for the lock NAME for ever. For each term it runs the program, as
"holdfast run" does; if the lock is lost, it stops the program in time and campaigns
again. If Redis can't be reached, it goes on trying. After a second of waiting it says
who leads, at a terminal or with --verbose.

If the program ends by itself, the lock is given up, so that another machine can lead,
and --restart says what then: "always" (campaign again after a pause), "on-failure"
(only if it failed) or "never"; else lead exits as the program did. The pauses double
from --backoff to --backoff-max, and begin anew after a program that ran for longer
than that.

SIGINT, SIGTERM and SIGQUIT are forwarded and end lead, with the program's exit
status, once the program has ended. The other signals that "holdfast run" forwards
do not end lead while the program runs.

` + listenHelp + "\n\n" + environmentHelp + "\n\n" + durationHelp + "\n\n" + exitStatusHelp,
		Example: `  holdfast lead scheduler -- /usr/local/bin/scheduler
  holdfast lead --restart on-failure --label "$(hostname)" migrate -- ./migrate`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.restart, "restart", restartAlways, "`WHEN` to go on after the program ended by itself: "+strings.Join(restarts, ", "))
	durationVar(cmd, &flags.backoff, "backoff", "", time.Second, "first pause before it campaigns again")
	durationVar(cmd, &flags.backoffMax, "backoff-max", "", time.Minute, "longest pause")
	f.StringVar(&flags.listen, "listen", "", "answer HTTP at `ADDRESS`: /leader, /healthz and /metrics (default: not at all)")
	_ = cmd.RegisterFlagCompletionFunc("restart", cobra.FixedCompletions(restarts, cobra.ShellCompDirectiveNoFileComp))
	flags.holdFlags.addFlags(cmd)
	flags.connection.addFlags(cmd)
	return cmd
}

func (f *leadFlags) run(cmd *cobra.Command, args []string) error {
	p, err := newProgram(cmd, args, &f.holdFlags)
	if err != nil {
		return err
	}
	defer p.log.close()
	switch {
	case !slices.Contains(restarts, f.restart):
		return usageError(fmt.Errorf("--restart %q is none of %s", f.restart, strings.Join(restarts, ", ")))
	case f.backoff <= 0 || f.backoffMax < f.backoff:
		return usageError(fmt.Errorf("--backoff %v is not between 0 and --backoff-max %v", f.backoff, f.backoffMax))
	}
	t, err := f.prepare()
	if err != nil {
		return err
	}
	defer t.client.Close()
	if cmd.Flags().Changed("listen") {
		p.monitor = newMonitor(p.name)
	}
	locks := holdfast.New(t.client, append(f.locker(), holdfast.WithObserver(p.monitor.observer()))...)
	defer locks.Close()
	l := &leader{flags: f, program: p, target: t, locks: locks, lock: locks.Mutex(p.name, p.opts...), pause: f.backoff}
	if err := lockError(t, l.lock.Err()); err != nil {
		return err
	}
	if p.monitor == nil {
		return l.lead()
	}
	answers, err := f.answer(p)
	if err != nil {
		return err
	}
	defer answers.close()
	return l.lead()
}

// answer begins to answer HTTP.
func (f *leadFlags) answer(p *program) (*listener, error) {
	addr, err := listenAddress(f.listen)
	if err != nil {
		return nil, err
	}
	answers, err := listen(addr, p.monitor, p.log)
	if err == nil {
		fmt.Fprintf(p.log, "holdfast: answers HTTP at %s\n", answers.addr())
	}
	return answers, err
}

type leader struct {
	flags   *leadFlags
	program *program
	target  *target
	locks   *holdfast.Locker
	lock    *holdfast.Mutex
	pause   time.Duration // the next one
}

func (l *leader) say(format string, args ...any) {
	fmt.Fprintf(l.program.log, "holdfast: "+format+"\n", args...)
}

// lead runs term after term.
func (l *leader) lead() error {
	for {
		ctx, stop := untilSignal()
		session, err := l.campaign(ctx)
		signals, uncatch, err := goOn(ctx, stop, session, err)
		if err != nil {
			return ended(err)
		}
		l.program.monitor.begins(session)
		l.say("leads %q, fence %d", l.program.name, session.Fence())
		began := time.Now()
		o, err := runUnder(session, l.program, signals)
		uncatch()
		if errors.Is(err, holdfast.ErrLost) || err != nil && passing(err) && !errors.As(err, new(*statusError)) {
			l.program.monitor.ended(err)
			l.say("%s", message(err)) // it was lost before the program was started
			continue
		}
		l.program.monitor.ended(o.why)
		if err != nil {
			return lockError(l.target, err)
		}
		if o.ended {
			return exit(o.status)
		}
		if o.why != nil {
			continue
		}
		if l.flags.restart == restartNever || l.flags.restart == restartOnFailure && o.status == 0 {
			return exit(o.status)
		}
		if err := l.rest(o.status, time.Since(began)); err != nil {
			return ended(err)
		}
	}
}

// ended is the end of lead while no program was running.
func ended(err error) error {
	if s, ok := errors.AsType[*signalled](err); ok {
		return exit(statusSignal + signalNumber(s.sig))
	}
	return err
}

// campaign takes the lock, however long it takes.
func (l *leader) campaign(ctx context.Context) (*holdfast.Session, error) {
	w := waiting{target: l.target, locks: l.locks, name: l.program.name, talks: l.program.talks, log: l.program.log, wrong: func(kind string) {
		l.say("%s; it goes on waiting", message(notALock(l.program.name, kind)))
	}}
	defer w.begin(ctx)()
	defer l.program.monitor.waitsFor(ctx, l.lock)()
	said := ""
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		session, err := l.lock.Acquire(ctx)
		if err == nil || ctx.Err() != nil || !passing(err) {
			return session, lockError(l.target, err)
		}
		l.program.monitor.campaignFailed()
		if text := message(l.target.unavailable(err)); text != said {
			l.say("%s; it goes on trying", text)
			said = text
		}
		select {
		case <-time.After(jittered(pause)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// rest pauses after a program that ended by itself.
func (l *leader) rest(status int, ran time.Duration) error {
	if ran > l.flags.backoffMax {
		l.pause = l.flags.backoff
	}
	pause := jittered(l.pause)
	l.pause = min(2*l.pause, l.flags.backoffMax)
	l.say("%s ended with status %d after %v; campaigns again in %v", l.program.args[0], status,
		ran.Round(time.Millisecond), pause.Round(time.Millisecond))
	ctx, stop := untilSignal()
	defer stop()
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func jittered(d time.Duration) time.Duration { return d - rand.N(max(d/4, 1)) }
