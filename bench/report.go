package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// report is the run in Markdown, ready for a README.
func (b *bench) report(ctx context.Context, args []string, begin time.Time, done []section) string {
	var s strings.Builder
	fmt.Fprintf(&s, "`%s` on %s (it took %v): %s.\n", shellCommand(args), begin.UTC().Format("2006-01-02"),
		time.Since(begin).Round(time.Second), b.machine(ctx))
	fmt.Fprintf(&s, "Medians over slices in turn. In parentheses: how many times better Holdfast is than that "+
		"library, the median of the ratios round by round; below 1 it is worse.\n\n")
	columns := columns(takingPart(done))
	fmt.Fprintf(&s, "| |  | %s |\n|---|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
	for _, d := range done {
		for _, f := range d.figures {
			fmt.Fprintf(&s, "| %s | %s |", f.name, f.unit)
			for _, c := range columns {
				fmt.Fprintf(&s, " %s |", f.cell(f.in(c)))
			}
			s.WriteByte('\n')
		}
	}
	b.explain(&s, done)
	return s.String()
}

// shellCommand is the command that the program was started by.
func shellCommand(args []string) string {
	command := "go -C bench run ."
	for _, a := range args {
		if strings.ContainsAny(a, " |&;<>()$^*?[]{}\\\"'") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'" // for a shell
		}
		command += " " + a
	}
	return command
}

// explained begins what a report says below its table.
const explained = "\nSet up as each is documented to do best"

// mark is the line before and the line behind a file's table.
const mark = "<!-- bench -->\n"

// insert puts the report's table into a file, in place of the one that is there.
func insert(file, report string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parts := strings.Split(string(old), mark)
	if len(parts) != 3 {
		return fmt.Errorf("%s has the line %q %d times, not twice", file, mark, len(parts)-1)
	}
	parts[1], _, _ = strings.Cut(report, explained)
	return os.WriteFile(file, []byte(strings.Join(parts, mark)), 0o644)
}

// takingPart are the libraries that were to take part.
func takingPart(done []section) (libs []*library) {
	for i := range libraries {
		lib := &libraries[i]
		if slices.ContainsFunc(done, func(d section) bool { return slices.Contains(d.who, lib.name) }) {
			libs = append(libs, lib)
		}
	}
	return libs
}

func columns(libs []*library) (names []string) {
	for _, lib := range libs {
		if lib.column == "" {
			names = append(names, lib.name)
		}
	}
	return names
}

// explain says how the libraries were set up, what was measured, and what went wrong.
func (b *bench) explain(s *strings.Builder, done []section) {
	s.WriteString(explained + "; those in Go, but for rueidislock, on go-redis with its defaults:\n\n")
	for _, lib := range takingPart(done) {
		if why := b.absent[lib.name]; why != "" {
			fmt.Fprintf(s, "- **%s**: skipped, because %s\n", lib.name, why)
			continue
		}
		version := b.version(lib)
		if lib.name == baseline {
			version = "go-redis " + version
		}
		fmt.Fprintf(s, "- **%s** %s: %s\n", lib.name, version, lib.config)
	}
	fmt.Fprintf(s, "\nThe TTL is %v where no other is given. What the rows are:\n\n", usualTTL)
	for _, d := range done {
		fmt.Fprintf(s, "- **%s**: %s.\n", d.name, d.about)
	}
	if len(b.notes) > 0 {
		s.WriteString("\nSeen in this run:\n\n")
		for _, n := range b.notes {
			fmt.Fprintf(s, "- %s\n", strings.Join(strings.Fields(n), " "))
		}
	}
}
