package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what came of one server.
type result struct {
	release *release
	missing error // why the server could not be had
	version string
	answers map[string]string
	tests   *tests  // nil: not run
	proof   *counts // nil: not run, or it has not told
	slots   *counts // of atomic slot migrations alone
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
func markdown(args []string, begin time.Time, results []*result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nMade by `go run ./internal/servers %s` on %s (it took %v): %s, %s/%s, %d CPUs.\n\n", head, strings.Join(args, " "),
		begin.UTC().Format(time.DateOnly), time.Since(begin).Round(time.Second), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("| server | from Debian | conformance suite | proof | failover | atomic slot migration | least rights |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if r.missing != nil {
			fmt.Fprintf(&b, "| %s | %s: not to be had | – | – | – | – | – |\n", r.release.name, strings.Join(r.release.suites, ", "))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.version, strings.Join(r.release.suites, ", "),
			r.tests, r.proof, r.failovers(), r.migrations(), r.rights())
	}
	b.WriteString("\n" + foot)
	differences(&b, results)
	without(&b, results)
	return b.String()
}

// String says how many tests passed.
func (t *tests) String() string {
	if t == nil {
		return "not run"
	}
	text := fmt.Sprintf("%d passed", len(t.passed))
	if n := len(t.again); n > 0 {
		text += fmt.Sprintf(", %d of them only by themselves", n)
	}
	if len(t.skipped) > 0 {
		text += fmt.Sprintf(", %d can't be run there", len(t.skipped))
	}
	if len(t.failed) > 0 {
		text = fmt.Sprintf("**%d failed**, %s", len(t.failed), text)
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
	if r.proof == nil {
		return "not run"
	}
	return r.proof.times("failover", "FAILOVER")
}

func (r *result) migrations() string {
	switch {
	case r.answers[migrateSlots] != "yes":
		return "not on this server"
	case r.slots == nil:
		return "not run"
	}
	return r.slots.times(atOnce)
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
	if r.tests == nil {
		return "not run"
	}
	about := func(name string) bool { return strings.Contains(name, "Rights") }
	passed, failed := 0, 0
	for _, name := range r.tests.passed {
		if about(name) {
			passed++
		}
	}
	for _, name := range r.tests.failed {
		if about(name) {
			failed++
		}
	}
	if failed > 0 || passed == 0 {
		return fmt.Sprintf("**%d failed**, %d passed", failed, passed)
	}
	return fmt.Sprintf("%d passed", passed)
}

// differences writes what each server answered.
func differences(b *strings.Builder, results []*result) {
	b.WriteString("\n## What differs\n\n|  |")
	line := "|---|"
	for _, r := range results {
		if r.answers != nil {
			b.WriteString(" " + r.version + " |")
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
	for _, q := range questions {
		b.WriteString("| " + q.what + " |")
		for _, r := range results {
			if r.answers != nil {
				b.WriteString(" " + strings.ReplaceAll(r.answers[q.what], "|", `\|`) + " |")
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
		if r.tests == nil {
			continue
		}
		by := make(map[string][]string)
		for name, why := range r.tests.skipped {
			by[why] = append(by[why], short(name))
		}
		for _, name := range r.tests.failed {
			by["**failed** on "+r.version] = append(by["**failed** on "+r.version], short(name))
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
