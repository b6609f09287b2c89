// Command holdfast runs programs under locks of the holdfast library, shows locks and
// mends them.
//
// Run "holdfast --help" for its subcommands, and "holdfast help exit-status" for what it
// exits with.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"
)

// The exit statuses, apart from those of a program that was run. They are those of
// sysexits.h, timeout(1) and the shell, so that a program's own hardly ever look the same.
const (
	statusFailed      = 1
	statusUsage       = 64
	statusNotALock    = 65
	statusUnavailable = 69
	statusConflict    = 75
	statusLost        = 76
	statusMaxHold     = 124
	statusCannotRun   = 126
	statusNotFound    = 127
	statusSignal      = 128 // and the signal's number
	statusInterrupted = 130
)

const exitStatusHelp = `Exit status:

  0      all went well
  1      something else failed
  64     called wrongly
  65     run, release: NAME is no lock, but a key of another type: a hash, say
  69     Redis can't be reached, or refuses what is needed
  75     run: another holds the lock, with --no-wait or --wait
         (--conflict-exit-code sets another status);
         release: another holder has the lock, not the one of the fence
  76     the lock was lost, or about to be: the program was stopped, or may have
         overlapped with the next holder's
  124    the program was stopped at --max-hold
  126    the program can't be started
  127    the program was not found
  128+n  ended by signal n, or the program was

run and lead exit with the status of the program if it ended by itself.`

// statusError is an error that decides the exit status of the command.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// exitStatus ends the command with a status and no message: that of a program it ran.
type exitStatus struct{ statusError }

func exit(status int) error {
	if status == 0 {
		return nil
	}
	return &exitStatus{statusError{status: status, err: fmt.Errorf("exit status %d", status)}}
}

func (e *exitStatus) Unwrap() error { return &e.statusError }

// message is what the command says of an error, in one line, and not that it is its own.
func message(err error) string {
	return strings.TrimPrefix(strings.Join(strings.Split(err.Error(), "\n"), "; "), "holdfast: ")
}

// usageError marks an error of whoever typed the command.
func usageError(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{status: statusUsage, err: err}
}

func main() {
	logging.Disable() // the command says itself, once, what it could not do
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process around it: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	status := statusFailed
	if e, ok := errors.AsType[*statusError](err); ok {
		status = e.status
	}
	if _, silent := errors.AsType[*exitStatus](err); silent {
		return status
	}
	fmt.Fprintf(stderr, "holdfast: %s\n", message(err))
	if status == statusUsage {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return status
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Distributed locks and leader election on Redis",
		Long: "Holdfast is a distributed lock on Redis: one owner at a time, a context that is\n" +
			"done before the lock can pass to another, and a fence for every write.",
		Version: version(),
		Args:    unknownSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// run prints errors, in one line and without the whole usage below it.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run programs under a lock:"},
		&cobra.Group{ID: groupLook, Title: "See and mend locks:"})
	for _, cmd := range []*cobra.Command{newRunCommand(), newLeadCommand()} {
		cmd.GroupID = groupRun
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{
		newLsCommand(), newInspectCommand(), newWatchCommand(), newTopCommand(), newReleaseCommand(), newSettleCommand(), newCheckCommand(),
	} {
		cmd.GroupID = groupLook
		root.AddCommand(cmd)
	}
	root.AddCommand(newDemoCommand(), newDemoWorkerCommand(), newWatcherCommand(), newManCommand(), newConnectionTopic(), newExitStatusTopic())
	root.SetUsageFunc(foldedUsage(root.UsageFunc()))
	for _, cmd := range root.Commands() {
		cmd.Long = folded(cmd.Long)
	}
	return root
}

// foldedUsage makes a command's usage fit on a screen. Cobra's way to that is a template,
// with which the linker can leave nothing out: the binary would be half as large again.
func foldedUsage(usage func(*cobra.Command) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		out, text := cmd.OutOrStderr(), new(strings.Builder)
		cmd.SetOut(text)
		err := usage(cmd)
		cmd.SetOut(out)
		flags := cmd.LocalFlags()
		fmt.Fprint(out, strings.Replace(text.String(), strings.TrimRight(flags.FlagUsages(), "\n"), strings.TrimRight(flags.FlagUsagesWrapped(screenWidth), "\n"), 1))
		return err
	}
}

// folded breaks the paragraphs of a text so that they fit on a screen. Lines that begin with
// a space stay as they are.
func folded(text string) string {
	var parts []string
	for part := range strings.SplitSeq(text, "\n\n") {
		if !strings.HasPrefix(part, " ") && !strings.Contains(part, "\n ") {
			part = wrapAt(part, screenWidth, "")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "\n\n")
}

const groupRun, groupLook = "run", "look"

// newExitStatusTopic is for "holdfast help exit-status".
func newExitStatusTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-status", Short: "What the command exits with", Long: exitStatusHelp}
}

// released is set by the linker where the build has no version of the module to tell.
var released string

// version is that of the module, as go install knows it.
func version() string {
	if released != "" {
		return released
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// unknownSubcommand refuses arguments of the root command: the first would have
// been a subcommand if there were one of that name.
func unknownSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", shown(args)[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %q?", err, near[0])
	}
	return usageError(err)
}

// exactly is cobra.ExactArgs as a usage error that names what is wanted.
func exactly(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(what) {
			return nil
		}
		return usageError(fmt.Errorf("%s takes %s, got %q", cmd.CommandPath(), strings.Join(what, " and "), shown(args)))
	}
}

// noArguments is cobra.NoArgs as a usage error.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), shown(args)[0]))
}
