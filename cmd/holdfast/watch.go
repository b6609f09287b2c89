package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

type watchFlags struct {
	lookFlags
	interval time.Duration
}

func newWatchCommand() *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:   "watch [flags] NAME",
		Short: "Write a line at each change of a lock",
		Long: `Watch looks at a lock every --interval and writes a line when its holder or its queue
has changed, until it is interrupted. Holds that are shorter than that may go unseen.

` + jsonHelp + "\n\nWatch writes one object a line.",
		Example: "  holdfast watch jobs:billing\n  holdfast watch --json --interval 100ms jobs:billing",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.interval < 10*time.Millisecond {
				return usageError(fmt.Errorf("--interval %v is less than %v", flags.interval, 10*time.Millisecond))
			}
			return flags.with(cmd.Context(), args[0], func(t *target, locks *holdfast.Locker) error {
				return flags.watch(cmd, t, locks, args[0])
			})
		},
	}
	durationVar(cmd, &flags.interval, "interval", "", 500*time.Millisecond, "time from one look to the next")
	flags.lookFlags.addFlags(cmd)
	return cmd
}

func (f *watchFlags) watch(cmd *cobra.Command, t *target, locks *holdfast.Locker, name string) error {
	last := ""
	for {
		s, err := lookAt(cmd.Context(), locks, name)
		switch {
		case cmd.Context().Err() != nil:
			return exit(statusInterrupted)
		case errors.Is(err, holdfast.ErrInvalid):
			return lockError(t, err)
		}
		line, key := watchLine(s), watchKey(s)
		if err != nil {
			line = message(t.unavailable(err))
			key = line
		}
		if key != last {
			last = key
			if err := f.tell(cmd, name, line, s, err); err != nil {
				return err
			}
		}
		select {
		case <-cmd.Context().Done():
		case <-time.After(f.interval):
		}
	}
}

// tell writes a line of watch. What failed is no state of the lock, so not for programs.
func (f *watchFlags) tell(cmd *cobra.Command, name, line string, s seen, failed error) error {
	now := time.Now()
	if !f.json {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", now.Format("15:04:05.000"), line)
		return err
	}
	if failed != nil {
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "holdfast: %s\n", line)
		return err
	}
	l := newLockJSON(name, s)
	l.Time = now.Format(time.RFC3339Nano)
	return writeJSON(cmd.OutOrStdout(), l, "")
}

// watchKey is what is the same as long as nothing has changed.
func watchKey(s seen) string {
	key := fmt.Sprint(stateOf(s.Info), s.Kept, s.Fence, s.NoExpiry, s.Label)
	for _, h := range s.holders {
		key += fmt.Sprint("\x01", h.Fence, h.Kept)
	}
	for _, w := range s.queue {
		key += "\x00" + w.Label
	}
	return key
}

func watchLine(s seen) string {
	line := "free"
	switch {
	case s.Stranger:
		line = fmt.Sprintf("held by a stranger, ttl %s", ttlText(s.Info))
	case s.Permits > 0:
		line = s.sharedBy()
	case s.Held:
		line = fmt.Sprintf("held by %s, fence %s, ttl %s, held for %s", holder(s.Info), fenceText(s.Info), ttlText(s.Info), heldText(s.Info))
	}
	for i, w := range s.queue {
		if i == 0 {
			line += fmt.Sprintf("; %d waiting: ", len(s.queue))
		} else {
			line += ", "
		}
		line += printable(w.Label)
		if w.Permits > 1 && w.Permits < holdfast.MaxPermits {
			line += fmt.Sprintf(" (%d)", w.Permits)
		}
	}
	return line
}
