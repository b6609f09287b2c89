package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	terminal "golang.org/x/term"

	"github.com/holdfast-go/holdfast"
)

type releaseFlags struct {
	connection
	stranger, yes bool
	fence         int64
}

func newReleaseCommand() *cobra.Command {
	var flags releaseFlags
	cmd := &cobra.Command{
		Use:   "release {--fence FENCE | --stranger} [flags] NAME",
		Short: "Take a lock from its holder, for operators",
		Long: `Release takes a lock from the holder that has the fence, as
"holdfast inspect" shows it, and gives it to whoever has waited longest. If another
holder has the lock when the request arrives, nothing is done. The holder is notified,
at its next renewal at the latest; its work goes on until it has stopped.

A stranger's lock (redis-py's, say) has no fence: --stranger takes it, and does nothing if
the lock is held through Holdfast, or if the key holds a hash, a list or the like,
which is no lock but data. A stranger is not notified.

Of a semaphore or a read-write lock it takes what the holder of that fence has, and leaves
the other holders theirs.

At a terminal it asks before it does so; elsewhere it needs --yes. A lock that is free
already is no error. (--force, which was needed once, is accepted and changes
nothing.)

` + exitStatusHelp,
		Example: "  holdfast release --fence 1764092384123456 jobs:billing\n  holdfast release --stranger --yes jobs:legacy",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case flags.stranger && cmd.Flags().Changed("fence"):
				return usageError(errors.New("--fence and --stranger exclude each other: a stranger has no fence"))
			case !flags.stranger && !cmd.Flags().Changed("fence"):
				return usageError(errors.New("from whom? --fence says it, the holder's, as \"holdfast inspect\" shows it; --stranger if that shows none"))
			case !flags.stranger && flags.fence <= 0:
				return usageError(fmt.Errorf("--fence %d is not positive", flags.fence))
			case !flags.yes && !terminal.IsTerminal(int(os.Stdin.Fd())):
				return usageError(errors.New("there is no terminal to ask at: --yes says that it shall be done"))
			}
			return flags.with(cmd.Context(), args[0], func(t *target, locks *holdfast.Locker) error {
				return lockError(t, flags.release(cmd, t, locks, args[0]))
			})
		},
	}
	cmd.Flags().Bool("force", false, "accepted, and changes nothing")
	_ = cmd.Flags().MarkHidden("force")
	cmd.Flags().Int64Var(&flags.fence, "fence", 0, "the holder's `FENCE`")
	cmd.Flags().BoolVar(&flags.stranger, "stranger", false, "take it from a stranger, who has no fence")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "don't ask")
	flags.addFlags(cmd)
	return cmd
}

func (f *releaseFlags) release(cmd *cobra.Command, t *target, locks *holdfast.Locker, name string) error {
	if f.stranger { // whose key is deleted
		if kind := t.wrongType(cmd.Context(), locks, name); kind != "" {
			return notALock(name, kind)
		}
	}
	s, err := lookAt(cmd.Context(), locks, name)
	if err != nil {
		return err
	}
	if !s.Held {
		fmt.Fprintln(cmd.OutOrStdout(), "it was free already")
		return nil
	}
	if s.Stranger == f.stranger && s.has(f.fence) && !f.yes {
		if err := describe(cmd.ErrOrStderr(), name, s); err != nil {
			return err
		}
		ok, err := ask(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), s.question(f.fence))
		if err != nil {
			return err
		}
		if !ok {
			return exit(statusFailed)
		}
	}
	held := s.held(locks, name)
	take := held.ForceReleaseStranger
	if !f.stranger {
		take = func(ctx context.Context) error { return held.ForceReleaseFence(ctx, f.fence) }
	}
	if err := take(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "taken from %s\n", s.who(f.fence))
	return nil
}

// ask waits for a yes or no, or the end of ctx. The goroutine that reads ends with its
// input, or the process.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprint(out, question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answers <- line
	}()
	select {
	case line := <-answers:
		answer := strings.ToLower(strings.TrimSpace(line))
		return answer == "y" || answer == "yes", nil
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, exit(statusInterrupted)
	}
}
