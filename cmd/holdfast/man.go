package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
			header := &doc.GenManHeader{Section: "1", Source: "Holdfast", Manual: "Holdfast", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			return mendPages(args[0])
		},
	}
}

// mendPages has the pages show the options as the help does.
func mendPages(dir string) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(page, manOption.ReplaceAllFunc(text, mendOption), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manOption is an option as Cobra's pages have it: with its default after the name, as "--wait=0" and
// "--json[=false]", and what it does on the next line.
var (
	manOption   = regexp.MustCompile(`(?m)^(\\fB-.*\\fP)(\[=.*\]|=.*)\n\t(.*)$`)
	manArgument = regexp.MustCompile(`\\fB([A-Z]+)\\fR`)
	manDuration = regexp.MustCompile(`^[\d.hmsµ]*[hms]$`)
)

// mendOption writes "--wait DURATION", and a default only after what the option does, if there is one
// that the text does not say already.
func mendOption(option []byte) []byte {
	part := manOption.FindSubmatch(option)
	name, value, usage := string(part[1]), string(part[2]), string(part[3])
	if strings.HasPrefix(value, "[") {
		return []byte(name + "\n\t" + usage)
	}
	value = strings.Trim(value, `="`)
	argument := "NUMBER"
	if named := manArgument.FindStringSubmatch(usage); named != nil {
		argument = named[1]
		usage = manArgument.ReplaceAllString(usage, argument)
	} else if value == "0" || manDuration.MatchString(value) {
		argument = "DURATION"
	}
	if value != "" && value != "0" && !strings.Contains(usage, "(default") {
		usage += " (default " + value + ")"
	}
	return []byte(name + " \\fI" + argument + "\\fP\n\t" + usage)
}

// verbatim has the tables in the texts of a command, and those below it, set as they are: a
// page is made from Markdown.
func verbatim(cmd *cobra.Command) {
	cmd.Long = strings.ReplaceAll(cmd.Long, "\n  ", "\n      ")
	for _, sub := range cmd.Commands() {
		verbatim(sub)
	}
}
