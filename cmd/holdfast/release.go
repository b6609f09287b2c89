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
	force, yes bool
	fence      int64
}

func newReleaseCommand() *cobra.Command {
	var flags releaseFlags
	cmd := &cobra.Command{
		Use:   "release --force --fence FENCE [flags] NAME",
		Short: "Take a lock from its holder, for operators",
		Long: `Release takes a lock from the holder that has the fence, as "holdfast inspect" shows
it, and gives it to the one who has waited longest. If another holds the lock by then,
nothing is done. The holder is told, but its work may go on for a while yet: until its
next renewal at the latest, and then for as long as it takes to stop.

At a terminal it asks before it does so; elsewhere it wants --yes. A lock that is free
already is no error. A stranger's lock (redis-py's, say) has no fence: delete its key.

` + exitStatusHelp,
		Example: "  holdfast release --force --fence 1764092384123456 jobs:billing",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !flags.force:
				return usageError(errors.New("only a lock's holder releases it; --force takes it away"))
			case flags.fence <= 0:
				return usageError(errors.New("--fence is missing: the holder's, as \"holdfast inspect\" shows it"))
			case !flags.yes && !terminal.IsTerminal(int(os.Stdin.Fd())):
				return usageError(errors.New("there is no terminal to ask at: --yes says that it shall be done"))
			}
			return flags.with(cmd.Context(), func(t *target, locks *holdfast.Locker) error {
				return lockError(t, flags.release(cmd, locks.Mutex(args[0])))
			})
		},
	}
	cmd.Flags().BoolVar(&flags.force, "force", false, "take the lock from its holder")
	cmd.Flags().Int64Var(&flags.fence, "fence", 0, "the holder's `FENCE`")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "don't ask")
	flags.addFlags(cmd)
	return cmd
}

func (f *releaseFlags) release(cmd *cobra.Command, mu *holdfast.Mutex) error {
	info, queue, err := mu.InspectQueue(cmd.Context())
	if err != nil {
		return err
	}
	if !info.Held {
		fmt.Fprintln(cmd.OutOrStdout(), "it was free already")
		return nil
	}
	if info.Fence == f.fence && !f.yes {
		if err := describe(cmd.ErrOrStderr(), mu.Name(), info, queue); err != nil {
			return err
		}
		ok, err := ask(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), "Take it from this holder? [y/N] ")
		if err != nil {
			return err
		}
		if !ok {
			return exit(statusFailed)
		}
	}
	if err := mu.ForceReleaseFence(cmd.Context(), f.fence); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "taken from %s\n", holder(info))
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
