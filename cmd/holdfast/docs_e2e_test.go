//go:build unix

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// linesShown returns the command lines that README, docs/command.md and the help of the commands show.
func linesShown(t *testing.T) []string {
	t.Helper()
	var lines []string
	add := func(text string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read("../../README.md"), -1) {
		add(block[1])
	}
	commands := regexp.MustCompile("(?s)\n```\n.*?\n```\n").ReplaceAllString(read("../../docs/command.md"), "\n") // without output
	for _, line := range regexp.MustCompile(`(?m)^    .*`).FindAllString(commands, -1) {
		add(line)
	}
	for _, cmd := range newRootCommand().Commands() {
		add(cmd.Example)
	}
	return lines
}

// documented is what each line that the docs show must do. A line that stands here in another
// form than in the docs, or not at all, fails the test.
var documented = map[string]func(*desk, string){
	"go install github.com/holdfast-go/holdfast/cmd/holdfast@latest": (*desk).installs,
	"go run ./cmd/holdfast demo":                                     elsewhere("TestDemo"),
	"go test -parallel 16 ./...":                                     elsewhere("every test"),

	"holdfast run billing -- ./bill --month 11":                                     ran("bill --month 11"),
	"holdfast run --no-wait billing -- ./bill":                                      ran("bill"),
	"holdfast lead scheduler -- ./scheduler":                                        leads("scheduler"),
	"holdfast run backup -- pg_dump -f /backup/db.sql":                              ran("pg_dump -f /backup/db.sql"),
	"holdfast run --wait 30s deploy -- sh -c 'make && make install'":                ran("make", "make install"),
	"holdfast lead --listen 8080 scheduler -- ./scheduler":                          (*desk).answersHTTP,
	"holdfast lead scheduler -- /usr/local/bin/scheduler":                           leads("scheduler"),
	`holdfast lead --restart on-failure --label "$(hostname)" migrate -- ./migrate`: ran("migrate"),
	"holdfast run -nq -E 0 --at-least 1m report -- /usr/local/bin/report":           ran("report"),

	"0 3 * * *  HOLDFAST_REDIS_PASSWORD_FILE=/etc/holdfast/password /usr/local/bin/holdfast run --redis redis://cron@db1 " +
		"--no-wait --quiet --conflict-exit-code 0 --at-least 1m report -- /usr/local/bin/report": (*desk).cron,
	"systemctl enable --now holdfast-run@report.timer":       (*desk).unit,
	"systemctl enable --now holdfast-lead@scheduler.service": (*desk).unit,

	"holdfast run --permits 3 render -- ./render":                        elsewhere("TestRunPermits"),
	"holdfast run --permits 3 render -- ./render scene.blend":            elsewhere("TestRunPermits"),
	"holdfast run --permits 3 --weight 2 render -- ./render large.blend": elsewhere("TestRunPermits"),
	"holdfast run --read index -- ./search":                              elsewhere("TestRunReadWrite"),
	"holdfast run --write index -- ./rebuild":                            elsewhere("TestRunReadWrite"),

	"holdfast check":  displays("trial lock"),
	"holdfast settle": displays("settled"),
	"holdfast check --redis redis://worker@db1 --name jobs:check --json": displays(`"verdict"`),
	"holdfast ls":                                                     displays("jobs:billing"),
	"holdfast ls 'jobs:*'":                                            displays("jobs:billing"),
	"holdfast inspect jobs:billing":                                   displays("machine-a"),
	"holdfast watch jobs:billing":                                     watches("held by machine-a"),
	"holdfast watch --json --interval 100ms jobs:billing":             watches(`"label":"machine-a"`),
	"holdfast ls --json | jq -r '.[] | select(.waiters > 3) | .name'": displays("jobs:busy\n"),
	"holdfast inspect --json jobs:billing | jq .fence":                displays("FENCE\n"),
	"holdfast top":                                                    elsewhere("TestTop"),
	"holdfast top --sort waiters 'jobs:*'":                            elsewhere("TestTop"),
	"holdfast ls --held-for 1h":                                       (*desk).heldFor,
	"holdfast release --stranger jobs:legacy":                         (*desk).takesStranger,
	"holdfast release --stranger --yes jobs:legacy":                   (*desk).takesStranger,
	"holdfast release --fence FENCE jobs:billing":                     (*desk).takes,
	"holdfast demo":                                                   elsewhere("TestDemo"),
	"holdfast demo --ttl 1s":                                          elsewhere("TestDemo"),
	"holdfast demo --redis redis://localhost:6379/0":                  elsewhere("TestDemo"),
}

// normal is a line without its comment, and with FENCE for a fence.
func normal(line string) string {
	line, _, _ = strings.Cut(line, "   #")
	line = regexp.MustCompile(`  +# .*`).ReplaceAllString(line, "")
	return regexp.MustCompile(`\b\d{16}\b`).ReplaceAllString(strings.TrimSpace(line), "FENCE")
}

// TestDocs: each command line that the docs show does what they say, with a desk of one's own
// for its files, programs and server.
func TestDocs(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, line := range linesShown(t) {
		line = normal(line)
		check := documented[line]
		if check == nil {
			t.Errorf("no test knows the line %q", line)
		}
		if check == nil || seen[line] {
			continue
		}
		seen[line] = true
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			check(newDesk(t), line)
		})
	}
	for line := range documented {
		if !seen[line] {
			t.Errorf("nothing shows the line %q", line)
		}
	}
}
