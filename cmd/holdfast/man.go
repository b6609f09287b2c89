package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the manual pages, for packagers.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args:   exactly("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			root.Long += "\n\n" + connectionHelp + "\n\n" + exitStatusHelp
			verbatim(root)
			// A page must not change with the day on which it is made.
			date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "Holdfast", Manual: "Holdfast", Date: &date}, args[0])
		},
	}
}

// verbatim has the tables in the texts of a command, and those below it, set as they are: a
// page is made from Markdown.
func verbatim(cmd *cobra.Command) {
	cmd.Long = strings.ReplaceAll(cmd.Long, "\n  ", "\n      ")
	for _, sub := range cmd.Commands() {
		verbatim(sub)
	}
}
