//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// desk is a place for the programs and files of a line, with a server.
type desk struct {
	*rig
	t   *testing.T
	dir string // in the place of /
}

// stub notes how it was called, and does as the files beside it say.
const stub = `#!/bin/sh
echo "${0##*/}${*:+ $*}" >>"${0%/*}/called"
[ ! -f "${0%/*}/says" ] || cat "${0%/*}/says"
case ${0##*/} in scheduler) exec sleep 60 ;; esac
[ ! -f "${0%/*}/fails" ] || exit 3
`

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{newRig(t), t, t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d.write("bin/holdfast", fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", beMain, self))
	for _, program := range []string{"bill", "report", "scheduler", "migrate", "pg_dump", "make"} {
		d.write("bin/"+program, stub)
	}
	d.write("etc/holdfast/password", "secret\n")
	d.write("etc/holdfast/env", "REDIS_URL=redis://"+d.Addr()+"\n")
	for _, user := range []string{"cron", "worker"} {
		d.SetUser(t, user, "~*", "&*", "+@all")
	}
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	name = filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

// here puts the desk in the place of the paths and the server of a text.
func (d *desk) here(text string) string {
	return strings.NewReplacer("/usr/local/bin/", d.dir+"/bin/", "/etc/holdfast/", d.dir+"/etc/holdfast/",
		"@db1", "@"+d.Addr()).Replace(text)
}

// shell is a line in a shell, to be started.
func (d *desk) shell(line string, env ...string) *tool {
	cmd := exec.Command("/bin/sh", "-c", d.here(line))
	cmd.Dir, cmd.Env = d.dir+"/bin", env
	return &tool{t: d.t, cmd: cmd, ended: make(chan struct{})}
}

// user is the environment of somebody at a shell.
func (d *desk) user() []string {
	return append(os.Environ(), "PATH="+d.dir+"/bin:"+os.Getenv("PATH"), envURL+"=redis://"+d.Addr(), envPassword+"=secret")
}

// called is how the programs were called.
func (d *desk) called() []string {
	text, _ := os.ReadFile(d.dir + "/bin/called")
	return slices.Collect(strings.Lines(string(text)))
}

func (d *desk) wasCalled(want ...string) {
	d.t.Helper()
	if got := strings.Join(d.called(), ""); got != strings.Join(want, "\n")+"\n" {
		d.t.Errorf("the programs called were %q; want %q", got, want)
	}
}

// ran expects a line to call programs, and to succeed.
func ran(programs ...string) func(*desk, string) {
	return func(d *desk, line string) {
		tl := d.shell(line, d.user()...).start()
		if status := tl.wait(); status != 0 || tl.err() != "" && !strings.Contains(tl.err(), "leads") {
			d.t.Errorf("status %d, stderr %q", status, tl.err())
		}
		d.wasCalled(programs...)
	}
}

// leads expects a line to lead until it is told to end.
func leads(program string) func(*desk, string) {
	return func(d *desk, line string) {
		d.leads(d.shell("exec "+line, d.user()...).start(), program)
	}
}

// answersHTTP expects a line to lead, and to say so at the port that it names. Another may have that port on
// this machine, so a free one takes its place.
func (d *desk) answersHTTP(line string) {
	tl := d.shell("exec "+strings.Replace(line, "--listen 8080", "--listen 0", 1), d.user()...).start()
	tl.answers(tl.listens(), 200)
	d.leads(tl, "scheduler")
}

func (d *desk) leads(tl *tool, program string) (status int) {
	d.t.Helper()
	tl.until("it leads", func() bool { return len(d.called()) > 0 })
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	if status = tl.wait(); status != 143 || d.held(d.t, program) {
		d.t.Errorf("status %d; held %v", status, d.held(d.t, program))
	}
	d.wasCalled(program)
	return status
}

// locksToSee are held and waited for: jobs:billing by machine-a, and four wait for jobs:busy.
func (d *desk) locksToSee() *holdfast.Session {
	d.t.Helper()
	s := d.hold(d.t, "jobs:billing", holdfast.WithLabel("machine-a"))
	d.hold(d.t, "jobs:busy")
	for range 4 {
		l := holdfast.New(d.client)
		d.t.Cleanup(func() { l.Close() })
		go l.Mutex("jobs:busy").Acquire(d.t.Context()) // ends with the Locker
	}
	for range 500 {
		if info, err := d.locks.Mutex("jobs:busy").Inspect(d.t.Context()); err != nil || info.Waiters == 4 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s
}

// displays expects a line to show a text, in which FENCE stands for the holder's.
func displays(text string) func(*desk, string) {
	return func(d *desk, line string) {
		if _, err := exec.LookPath("jq"); err != nil && strings.Contains(line, "| jq") {
			d.t.Skip("there is no jq")
		}
		s := d.locksToSee()
		tl := d.shell(line, d.user()...).start()
		tl.want(0, "")
		if want := strings.ReplaceAll(text, "FENCE", fmt.Sprint(s.Fence())); !strings.Contains(tl.out(), want) {
			d.t.Errorf("it shows %q; want %q", tl.out(), want)
		}
	}
}

// watches expects a line to show a text, and to go on.
func watches(text string) func(*desk, string) {
	return func(d *desk, line string) {
		d.locksToSee()
		tl := d.shell("exec "+line, d.user()...).start()
		tl.until("it shows the lock", func() bool { return strings.Contains(tl.out(), text) })
		_ = tl.cmd.Process.Signal(syscall.SIGINT)
		tl.want(statusInterrupted, "")
	}
}

// takes expects a line to take the lock from its holder.
func (d *desk) takes(line string) {
	s := d.locksToSee()
	line = strings.ReplaceAll(line, "FENCE", fmt.Sprint(s.Fence())) + " --yes" // there is no terminal
	d.shell(line, d.user()...).start().want(0, "")
	if d.held(d.t, "jobs:billing") {
		d.t.Error("the lock is still held")
	}
}

// takesStranger expects a line to take the lock from one that is not of ours.
func (d *desk) takesStranger(line string) {
	if err := d.client.Set(d.t.Context(), "jobs:legacy", "somebody's", time.Hour).Err(); err != nil {
		d.t.Fatal(err)
	}
	if !strings.Contains(line, "--yes") {
		line += " --yes" // there is no terminal
	}
	d.shell(line, d.user()...).start().want(0, "")
	if d.held(d.t, "jobs:legacy") {
		d.t.Error("the lock is still held")
	}
}

// heldFor expects a line to show what was taken two hours ago, and nothing else.
func (d *desk) heldFor(line string) {
	d.locksToSee()
	s := d.hold(d.t, "jobs:old")
	taken := fmt.Sprint(s.Fence() - (2 * time.Hour).Microseconds()) // its 16 digits come first
	if err := d.client.SetRange(d.t.Context(), "holdfast:2:n:{jobs:old}", 0, taken).Err(); err != nil {
		d.t.Fatal(err)
	}
	tl := d.shell(line, d.user()...).start()
	tl.want(0, "")
	if !strings.Contains(tl.out(), "jobs:old") || strings.Contains(tl.out(), "jobs:billing") {
		d.t.Errorf("it shows %q", tl.out())
	}
}

// elsewhere is for a line that another test runs.
func elsewhere(test string) func(*desk, string) {
	return func(d *desk, line string) { d.t.Logf("%q runs in %s", line, test) }
}

func (d *desk) installs(line string) {
	out, err := exec.Command("go", "list", ".").Output()
	if want := "go install " + strings.TrimSpace(string(out)) + "@latest"; err != nil || line != want {
		d.t.Errorf("%q; want %q, %v", line, want, err)
	}
}
