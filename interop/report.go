package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// describe says what this ran on.
func describe(ctx context.Context, client *redis.Client) (string, error) {
	version, err := redistest.Version(ctx, client)
	return fmt.Sprintf("%s on loopback, %s, %d CPUs", version, runtime.Version(), runtime.NumCPU()), err
}

// mark is the line before and the line behind the report in a file.
const mark = "<!-- interop -->\n"

// insert puts the report into a file, in place of the one that is there.
func insert(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parts := strings.Split(string(old), mark)
	if len(parts) != 3 {
		return fmt.Errorf("%s has the line %q %d times, not twice", file, mark, len(parts)-1)
	}
	parts[1] = text
	return os.WriteFile(file, []byte(strings.Join(parts, mark)), 0o644)
}

// report is what came of all libraries, in Markdown.
func report(results []*result, machine string, args []string, begin time.Time) string {
	var s strings.Builder
	fmt.Fprintf(&s, "`go -C interop run . %s` on %s (it took %v): %s.\n\n", strings.Join(args, " "), begin.UTC().Format(time.DateOnly),
		time.Since(begin).Round(time.Second), machine)
	if err := changes(results); err != nil {
		fmt.Fprintf(&s, "**Not as it is known:** %s\n\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	s.WriteString("| library and version | shares the key as it is? | what makes it | what goes wrong | who gets it when |\n|---|---|---|---|---|\n")
	for _, r := range results {
		if r.Missing != "" {
			fmt.Fprintf(&s, "| %s | not available here: %s | | | |\n", r.lib.title, r.Missing)
			continue
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", r.titled(), r.shares(), r.lib.setting, sentences(r.wrong()), sentences(r.who()))
	}
	outcomes(&s, results)
	races(&s, results)
	return s.String()
}

// outcomes writes what each trial found.
func outcomes(s *strings.Builder, results []*result) {
	s.WriteString("\n### What each trial found\n\n")
	columns := []string{"library"}
	for _, t := range trials {
		fmt.Fprintf(s, "- **%s**: %s.\n", t.name, t.about)
		columns = append(columns, t.name)
	}
	s.WriteString("\nA – is for what a library has no call for, or in \"default\" for a TTL that is always given.\n\n")
	row(s, columns...)
	row(s, slices.Repeat([]string{"---"}, len(columns))...)
	for _, r := range results {
		if r.Missing != "" {
			continue
		}
		cells := []string{r.lib.title}
		for _, t := range trials {
			cells = append(cells, strings.ReplaceAll(r.Found[t.name], unsupported, "–"))
		}
		row(s, cells...)
	}
}

// races writes how the races ended.
func races(s *strings.Builder, results []*result) {
	s.WriteString("\n### The races\n\n")
	row(s, "library", "race", "longest waits", "beside a busy Holdfast", "with turns for strangers", "their gap", "longest waits")
	row(s, slices.Repeat([]string{"---"}, 7)...)
	for _, r := range results {
		if r.Missing == "" {
			row(s, r.lib.title, r.Race.score(), r.Race.waits(), r.Alone.score(), r.Turns.score(), r.lib.gap.String(), r.Turns.waits())
		}
	}
}

func row(s *strings.Builder, cells ...string) { fmt.Fprintf(s, "| %s |\n", strings.Join(cells, " | ")) }

// score is how often each had the lock, Holdfast first.
func (x raced) score() string { return fmt.Sprintf("%d : %d", x.Ours.Got, x.Theirs.Got) }

// waits are the longest of each, in ms, and how often a call was given up.
func (x raced) waits() string {
	text := fmt.Sprintf("%d : %d ms", x.Ours.Longest.Milliseconds(), x.Theirs.Longest.Milliseconds())
	if n := x.Ours.GaveUp + x.Theirs.GaveUp; n > 0 {
		text += fmt.Sprintf(", then gave up (%d)", n)
	}
	return text
}

// titled is the library with the version that took part, and what it ran on.
func (r *result) titled() string {
	version, on, _ := strings.Cut(r.Version, " on ")
	name, variant, _ := strings.Cut(r.lib.title, ", ")
	if i := strings.LastIndexByte(name, ' '); i > 0 && name[i+1] >= '0' && name[i+1] <= '9' {
		name = name[:i] // the exact version says more
	}
	name += " " + strings.TrimPrefix(version, "v")
	for _, more := range []string{variant, on} {
		if more != "" && (more == on || !strings.Contains(on, more)) {
			name += ", " + more
		}
	}
	return name
}

// shares says whether the library's lock of a name is Holdfast's of that name.
func (r *result) shares() string {
	keys := strings.Split(r.Found["key"], "; ")
	key, what, _ := strings.Cut(keys[0], ": ")
	switch {
	case len(keys) > 1:
		return fmt.Sprintf("no: %d keys", len(keys))
	case key != name:
		return fmt.Sprintf("no: `%s`", key)
	case strings.HasPrefix(what, "string"):
		return "yes"
	}
	what, _, _ = strings.Cut(what, ",")
	return "yes, as a " + strings.ReplaceAll(what, "zset", "sorted set")
}

// wrong says what can go wrong with the library's locks, by what was found.
func (r *result) wrong() (all []string) {
	if r.Found["default"] == "none" {
		all = append(all, "without a timeout the lock of a worker that died stays for ever")
	} else if ttl, err := time.ParseDuration(r.Found["default"]); err == nil && ttl >= time.Minute {
		all = append(all, fmt.Sprintf("the TTL is %d s unless one is given", ttl/time.Second))
	}
	switch r.Found["extend"] {
	case unsupported:
		all = append(all, "nothing extends a lock")
	case "sets, and shortens":
		all = append(all, "extending sets the TTL, so it also shortens it")
	case "its own TTL":
		all = append(all, "extending sets the configured TTL")
	}
	if said := r.Found["stale release"]; said == "true" {
		all = append(all, "the release of a lost lock says nothing")
	} else {
		all = append(all, fmt.Sprintf("the release of a lost lock says `%s`", said))
	}
	return append(all, r.lib.notes...)
}

// who says who gets the lock when.
func (r *result) who() []string {
	return []string{
		fmt.Sprintf("Holdfast %s after its release, with notifications %s", span(r.Soon.Ours), span(r.Soon.Told)),
		fmt.Sprintf("it %s after Holdfast's", span(r.Soon.Theirs)),
		"in the race " + r.Race.score(),
	}
}

func span(t times) string {
	from, to := t.Shortest.Milliseconds(), t.Longest.Milliseconds()
	switch {
	case to == 0:
		return "within 1 ms"
	case from == to:
		return fmt.Sprintf("%d ms", to)
	}
	return fmt.Sprintf("%d–%d ms", from, to)
}

// sentences makes one text of several.
func sentences(all []string) string { return strings.Join(all, "; ") }
