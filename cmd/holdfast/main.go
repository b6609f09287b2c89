// Command holdfast shows and operates locks of the holdfast library.
//
// Run "holdfast --help" for its subcommands. Its exit status is 0 when all
// went well, 1 when something failed, 2 when it was called wrongly and 130
// when it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"
)

const (
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130
)

// statusError is an error that decides the exit status of the command.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

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
	fmt.Fprintf(stderr, "holdfast: %v\n", err)
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
		Args: unknownSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// run prints errors, in one line and without the whole usage below it.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newDemoCommand(), newDemoWorkerCommand())
	return root
}

// unknownSubcommand refuses arguments of the root command: the first would have
// been a subcommand if there were one of that name.
func unknownSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %q?", err, near[0])
	}
	return usageError(err)
}

// noArguments is cobra.NoArgs as a usage error.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0]))
}
