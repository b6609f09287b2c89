//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// schedule is that of the line in docs/command.md.
const schedule = "0 3 * * *"

// noted is the command, and notes how it was called, what it said and how it ended.
const noted = `#!/bin/sh
out=$(mktemp)
%s=1 '%s' "$@" >"$out" 2>&1
status=$?
echo "status $status, $(wc -c <"$out") bytes said, PATH=$PATH" >>"${0%%/*}/ends"
cat "$out"
rm "$out"
exit $status
`

// TestCron: two machines have the line of docs/command.md in their crontabs, and each has a cron, as Debian
// packages it. The report is written once, neither says a word, and cron's PATH is as documented. Only the hour and
// the minute of the line are others.
func TestCron(t *testing.T) {
	t.Parallel()
	line := cronLine(t)
	if !redistest.Full() {
		t.Skip("a cron takes up to a minute: HOLDFAST_TEST=full runs it; TestDocs runs the line by a shell")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may give a cron crontabs of its own")
	}
	for _, program := range []string{"cron", "unshare", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s (Debian: cron, util-linux, mount): %v", program, err)
		}
	}
	d := newDesk(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d.write("bin/holdfast", fmt.Sprintf(noted, beMain, self))
	at := time.Now().UTC().Add(10 * time.Second).Truncate(time.Minute).Add(time.Minute)
	line = fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()) + strings.TrimPrefix(line, schedule)
	var crons []*tool
	for i := range 2 {
		crons = append(crons, d.startCron(fmt.Sprint("machine-", i), d.here(line)))
	}
	ends := func() string {
		text, _ := os.ReadFile(d.dir + "/bin/ends")
		return string(text)
	}
	for time.Now().Before(at.Add(time.Minute)) && strings.Count(ends(), "\n") < 2 {
		time.Sleep(50 * time.Millisecond)
	}
	if want := strings.Repeat("status 0, 0 bytes said, PATH=/usr/bin:/bin\n", 2); ends() != want {
		t.Errorf("at %v two crons had %q; want %q; they say %q and %q", at, ends(), want, crons[0].err(), crons[1].err())
	}
	d.wasCalled("report")
}

// cronLine returns the line of docs/command.md.
func cronLine(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^    ([\d*/,-]+ ){5}.*`).FindAllString(string(page), -1)
	if len(lines) != 1 || !strings.HasPrefix(strings.TrimSpace(lines[0]), schedule) {
		t.Fatalf("docs/command.md has the crontab lines %q; want one, for %q", lines, schedule)
	}
	return strings.TrimSpace(lines[0])
}

// startCron starts a cron that has this line, and nothing else of this machine's: in a mount namespace of its own the
// folders that it reads are empty ones of the test's. It writes nothing but its process id, to the /run there.
func (d *desk) startCron(name, line string) *tool {
	d.t.Helper()
	d.write(name+"/crontab", "")
	d.write(name+"/cron.d/.placeholder", "")
	d.write(name+"/run/.placeholder", "")
	d.write(name+"/crontabs/root", line+"\n")
	if err := os.Chmod(filepath.Join(d.dir, name, "crontabs/root"), 0o600); err != nil { // cron wants that
		d.t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-ec", `
		mount --bind "$1/crontab" /etc/crontab
		mount --bind "$1/cron.d" /etc/cron.d
		mount --bind "$1/crontabs" /var/spool/cron/crontabs
		mount --bind "$1/run" /run
		exec cron -f`, "sh", filepath.Join(d.dir, name))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "TZ=UTC"}
	return (&tool{t: d.t, cmd: cmd, ended: make(chan struct{})}).start()
}
