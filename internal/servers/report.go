package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what came of one server.
type result struct {
	release *release
	When    time.Time
	Args    []string // of the command
	Missing string   // why the server could not be had
	Version string
	Answers map[string]string
	Tests   *tests  // nil: not run
	Proof   *counts // nil: not run, or it has not told
	Slots   *counts // of atomic slot migrations alone
}

// file is where a result is kept until the next run on that server.
func (r *result) file(dir string) string { return filepath.Join(dir, r.release.name+".json") }

func (r *result) keep(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.file(dir), text, 0o644)
}

// kept returns the last result on each server of which there is one.
func kept(dir string) (all []*result, err error) {
	for i := range releases {
		r := &result{release: &releases[i]}
		text, err := os.ReadFile(r.file(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(text, r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.file(dir), err)
		}
		all = append(all, r)
	}
	return all, nil
}

const head = `# Servers

What Holdfast's tests and the proof find on the servers that people have, as releases of Debian package them.
`

const foot = `The conformance suite is each test in which a real server takes part. The proof puts locks through faults on
every deployment and counts what breaks the promise; [proof.md](proof.md) says what it looks for. Its failovers are those of
Sentinels and of a Cluster, asked for or not. Least rights are the tests whose user has no more rights than
[acl.md](acl.md) lists, or one less. A test that fails while others run beside it is run again by itself. What a number in parentheses follows could not be carried out, or its end was not seen in time.
`

// markdown is the report.
func markdown(results []*result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nMade by `make servers`, or one server after the other by the commands below: %s, %s/%s, %d CPUs.\n\n", head,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("| server | from Debian | conformance suite | proof | failover | atomic slot migration | least rights |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if r.Missing != "" {
			fmt.Fprintf(&b, "| %s | %s: not to be had | – | – | – | – | – |\n", r.release.name, strings.Join(r.release.suites, ", "))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.Version, strings.Join(r.release.suites, ", "),
			r.Tests, r.proof(), r.failovers(), r.migrations(), r.rights())
	}
	b.WriteString("\n" + foot)
	commands(&b, results)
	differences(&b, results)
	without(&b, results)
	return b.String()
}

// String says how many tests passed.
func (t *tests) String() string {
	if t == nil {
		return "not run"
	}
	text := fmt.Sprintf("%d passed", len(t.Passed))
	if n := len(t.Again); n > 0 {
		text += fmt.Sprintf(", %d of them only by themselves", n)
	}
	if len(t.Skipped) > 0 {
		text += fmt.Sprintf(", %d can't be run there", len(t.Skipped))
	}
	if len(t.Failed) > 0 {
		text = fmt.Sprintf("**%d failed**, %s", len(t.Failed), text)
	}
	return text
}

// proof says what the proof has found, and where it did not run.
func (r *result) proof() string {
	text := r.Proof.String()
	if out := r.leftOut(); out != "" && r.Proof != nil {
		text += "; without the deployments " + out + ", which need SENTINEL DEBUG"
	}
	return text
}

// String says what was done and found.
func (c *counts) String() string {
	if c == nil {
		return "not run"
	}
	strikes, _ := c.struck("")
	if n := c.found(); n > 0 {
		return fmt.Sprintf("**%d found**: %v", n, c.Found)
	}
	return fmt.Sprintf("nothing found in %d operations under %d faults", c.Operations, strikes)
}

func (r *result) failovers() string {
	if r.Proof == nil {
		return "not run"
	}
	return r.Proof.times("failover", "FAILOVER")
}

func (r *result) migrations() string {
	switch {
	case r.Answers[migrateSlots] != "yes":
		return "not on this server"
	case r.Slots == nil:
		return "not run"
	}
	return r.Slots.times(atOnce)
}

// times says how often these faults struck, and whether anything was found.
func (c *counts) times(parts ...string) string {
	strikes, failed := c.struck(parts...)
	text := fmt.Sprintf("%d times", strikes)
	if failed > 0 {
		text = fmt.Sprintf("%d (%d) times", strikes, failed)
	}
	if c.found() > 0 {
		return text + ", **something found**"
	}
	return text + ", nothing found"
}

// rights says what came of the tests about rights.
func (r *result) rights() string {
	if r.Tests == nil {
		return "not run"
	}
	about := func(name string) bool { return strings.Contains(name, "Rights") }
	passed, failed := 0, 0
	for _, name := range r.Tests.Passed {
		if about(name) {
			passed++
		}
	}
	for _, name := range r.Tests.Failed {
		if about(name) {
			failed++
		}
	}
	if failed > 0 || passed == 0 {
		return fmt.Sprintf("**%d failed**, %d passed", failed, passed)
	}
	return fmt.Sprintf("%d passed", passed)
}

// commands writes how each result was made.
func commands(b *strings.Builder, results []*result) {
	b.WriteString("\n")
	for _, r := range results {
		fmt.Fprintf(b, "- %s: `go run ./internal/servers %s` on %s\n", r.release.name, strings.Join(r.Args, " "), r.When.UTC().Format(time.DateOnly))
	}
}

// differences writes what each server answered.
func differences(b *strings.Builder, results []*result) {
	b.WriteString("\n## What differs\n\n|  |")
	line := "|---|"
	for _, r := range results {
		if r.Answers != nil {
			b.WriteString(" " + r.Version + " |")
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
	for _, q := range questions {
		b.WriteString("| " + q.what + " |")
		for _, r := range results {
			if r.Answers != nil {
				b.WriteString(" " + strings.ReplaceAll(r.Answers[q.what], "|", `\|`) + " |")
			}
		}
		b.WriteString("\n")
	}
}

// without writes which tests could not be run on a server, and why, and which failed.
func without(b *strings.Builder, results []*result) {
	b.WriteString("\n## Tests that can't be run on a server, and those that failed\n\n")
	any := false
	for _, r := range results {
		if r.Tests == nil {
			continue
		}
		by := make(map[string][]string)
		for name, why := range r.Tests.Skipped {
			by[why] = append(by[why], short(name))
		}
		for _, name := range r.Tests.Failed {
			by["**failed** on "+r.Version] = append(by["**failed** on "+r.Version], short(name))
		}
		for _, why := range slices.Sorted(maps.Keys(by)) {
			slices.Sort(by[why])
			fmt.Fprintf(b, "- %s: `%s`\n", why, strings.Join(by[why], "`, `"))
			any = true
		}
	}
	if !any {
		b.WriteString("None.\n")
	}
}

// short is a test's name without its package.
func short(name string) string {
	pkg, test, _ := strings.Cut(name, " ")
	if test == "" {
		return pkg
	}
	return test
}
