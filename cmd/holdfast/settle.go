package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

func newSettleCommand() *cobra.Command {
	var flags connection
	cmd := &cobra.Command{
		Use:   "settle [flags]",
		Short: "End the wait of locks with a failover grace, for operators",
		Long: `Settle ends the wait of "run" and "lead" with --failover-grace, and of the library's
WithFailoverGrace, for the data that Redis has now. Without it the first who uses a
deployment waits for a whole grace, because nothing is known of what was before: also
after FLUSHALL, and after a first replica was added.

Use it only if you know that no lease of earlier data is live: on a new deployment, say.
Whoever waits already learns of it with its next question, within some seconds.

` + exitStatusHelp,
		Example: "  holdfast settle",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := flags.open(cmd.Context(), "")
			if err != nil {
				return err
			}
			defer t.client.Close()
			locks := holdfast.New(t.client, withGrace(holdfast.DefaultTTL, 2*holdfast.DefaultTTL)...)
			defer locks.Close()
			if err := locks.SettleHistory(cmd.Context()); err != nil {
				return lockError(t, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "settled")
			return nil
		},
	}
	flags.addFlags(cmd)
	return cmd
}
