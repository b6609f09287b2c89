//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// permits takes permits of a semaphore until the test ends.
func (r *rig) permits(t *testing.T, name string, n, weight int, opts ...holdfast.Option) *holdfast.Session {
	t.Helper()
	s, err := r.locks.Semaphore(name, n, opts...).Acquire(t.Context(), holdfast.WithWeight(weight))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// queued runs the command, which has to wait for a name until the test ends, as the place-th that waits for permits.
func (r *rig) queued(t *testing.T, name string, place int, args ...string) *tool {
	t.Helper()
	tl := newTool(t, r.Addr(), append(append([]string{"run"}, args...), name, "--", "true")...).start()
	tl.until("it waits", func() bool {
		info, err := r.locks.Semaphore(name, 1).Inspect(t.Context())
		return err == nil && info.Waiters == place
	})
	return tl
}

func TestRunPermitsExitStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.permits(t, "full", 2, 1)
	r.permits(t, "full", 2, 1)
	r.permits(t, "half", 2, 1)
	r.hold(t, "mutex")
	write, err := r.locks.RWMutex("written").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer write.Release(t.Context())
	for _, c := range []struct {
		status int
		stderr string
		args   []string
	}{
		{0, "", []string{"--permits", "2", "-n", "half", "--", "true"}},
		{3, "", []string{"--permits", "1000000000", "a", "--", "sh", "-c", "exit 3"}},
		{75, `try to acquire "half": held by another`, []string{"--permits", "2", "--weight", "2", "-n", "half", "--", "true"}},
		{75, "held by another", []string{"--permits", "1", "-n", "half", "--", "true"}},
		{75, "held by another", []string{"--permits", "2", "-n", "full", "--", "true"}},
		{9, "", []string{"--permits", "2", "-w", "50ms", "-q", "-E", "9", "full", "--", "true"}},
		{75, "not acquired within 50ms", []string{"--permits", "2", "-w", "50ms", "mutex", "--", "true"}},
		{75, "held by another", []string{"-n", "half", "--", "true"}},
		{75, "held by another", []string{"--read", "-n", "written", "--", "true"}},
		{75, "held by another", []string{"--write", "-n", "written", "--", "true"}},
		{0, "", []string{"--write", "-n", "b", "--", "true"}},
		{124, "maximum hold reached", []string{"--permits", "2", "--max-hold", "100ms", "a", "--", "sleep", "60"}},
		{64, "--permits 0 is not between 1 and 1000000000", []string{"--permits", "0", "a", "--", "true"}},
		{64, "--permits 1000000001 is not between", []string{"--permits", "1000000001", "a", "--", "true"}},
		{64, "--weight 3 is not between 1 and --permits 2", []string{"--permits", "2", "--weight", "3", "a", "--", "true"}},
		{64, "--weight 0 is not between 1 and --permits 2", []string{"--permits", "2", "--weight", "0", "a", "--", "true"}},
		{64, "--weight is for a semaphore: it needs --permits", []string{"--weight", "2", "a", "--", "true"}},
		{64, "--read and --write exclude each other", []string{"--read", "--write", "a", "--", "true"}},
		{64, "--permits is for a semaphore", []string{"--read", "--permits", "2", "a", "--", "true"}},
	} {
		newTool(t, r.Addr(), append([]string{"run"}, c.args...)...).start().want(c.status, c.stderr)
	}
	for _, name := range []string{"a", "b"} {
		if r.held(t, name) {
			t.Errorf("%s is still held", name)
		}
	}
}

// TestRunPermits: of many programs three run at a time, and no more.
func TestRunPermits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "log")
	const n = 3
	var tools []*tool
	for range 3 * n {
		tools = append(tools, newTool(t, r.Addr(), "run", "--permits", fmt.Sprint(n), "x", "--", "sh", "-c",
			`echo in >>"$1"; sleep 0.3; echo out >>"$1"`, "sh", file).start())
	}
	for _, tl := range tools {
		tl.want(0, "")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	running, most := 0, 0
	for _, line := range strings.Fields(string(text)) {
		if running++; line == "out" {
			running -= 2
		}
		most = max(most, running)
	}
	if most < 2 || most > n || running != 0 || len(strings.Fields(string(text))) != 2*len(tools) {
		t.Errorf("%d ran at a time, %d are left: %q", most, running, text)
	}
}

// TestRunReadWrite: readers run together, and a writer alone.
func TestRunReadWrite(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	meet := `touch "$0/$1"; while [ ! -e "$0/$2" ]; do sleep 0.01; done` // each waits for the other
	a := newTool(t, r.Addr(), "run", "--read", "x", "--", "sh", "-c", meet, dir, "a", "b").start()
	b := newTool(t, r.Addr(), "run", "--read", "x", "--", "sh", "-c", meet, dir, "b", "a").start()
	a.want(0, "")
	b.want(0, "")
	reader := newTool(t, r.Addr(), "run", "--read", "--label", "r", "x", "--", "sh", "-c", "echo $$; cat").start()
	reader.pid()
	writer := r.queued(t, "x", 1, "--write", "-v", "--label", "w")
	late := r.queued(t, "x", 2, "--read", "--label", "late")
	writer.until("it says who reads", func() bool { return strings.Contains(writer.err(), `waits for "x": held by the readers r`) })
	tl := newTool(t, r.Addr(), "inspect", "x").start()
	tl.want(0, "")
	if !regexp.MustCompile(`^name +x\nstate +held\nholders +1\n +1 +r +reader  fence \d{16}  ttl \d+\.\ds\nwaiters +2\n +1 +w +writer\n +2 +late +reader\n$`).MatchString(tl.out()) {
		t.Errorf("%s", tl.out())
	}
	reader.stdin.Close()
	reader.want(0, "")
	writer.want(0, `waits for "x"`)
	late.want(0, "")
}

// TestLookAtPermits: ls, inspect and watch show who has permits, and who waits for how many.
func TestLookAtPermits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.hold(t, "x").Release(t.Context()); err != nil { // it has been a lock, too
		t.Fatal(err)
	}
	watch := newTool(t, r.Addr(), "watch", "--interval", "20ms", "x").start()
	a := r.permits(t, "x", 5, 2, holdfast.WithLabel("one\x1b"), holdfast.WithTTL(time.Minute))
	b := r.permits(t, "x", 4, 1, holdfast.WithLabel("日本"), holdfast.WithoutExpiry())
	r.queued(t, "x", 1, "--permits", "5", "--weight", "3", "--label", "many")
	r.queued(t, "x", 2, "--permits", "5", "--label", "next")
	mutex := newTool(t, r.Addr(), "run", "-v", "--label", "alone", "x", "--", "true").start()
	mutex.until("it says who holds it", func() bool {
		return strings.HasSuffix(mutex.err(), "holdfast: waits for \"x\": 3 of 4 permits held by one\\x1b (2), 日本\n")
	})
	watch.until("it has seen all", func() bool {
		return strings.HasSuffix(watch.out(), "  3 of 4 permits held by one\\x1b (2), 日本; 3 waiting: many (3), next, alone\n")
	})
	_ = watch.cmd.Process.Signal(syscall.SIGINT)
	get := func(args ...string) string {
		tl := newTool(t, r.Addr(), args...).start()
		tl.want(0, "")
		return tl.out()
	}
	shown := regexp.MustCompile(`^NAME +HOLDER +FENCE +HELD +TTL  WAITERS\nx +\(3 of 4 permits\) +\d{16} +\d+\.\ds +none +3\n$`)
	if out := get("ls"); !shown.MatchString(out) {
		t.Errorf("%s", out)
	}
	shown = regexp.MustCompile(`^name +x\nstate +held\npermits +3 of 4\nholders +2\n` +
		` +1 +one\\x1b +2 permits of 5  fence \d{16}  ttl [345]\d\.\ds\n +2 +日本 +1 permit +fence \d{16}  ttl none\n` +
		`waiters +3\n +1 +many +3 permits\n +2 +next +1 permit\n +3 +alone +\(as a lock\)\n$`)
	if out := get("inspect", "x"); !shown.MatchString(out) {
		t.Errorf("%s", out)
	}
	list := decode[[]lockJSON](t, get("ls", "--json"))
	if len(list) != 1 || list[0].State != "held" || list[0].Permits != 3 || list[0].Limit != 4 || list[0].Waiters != 3 ||
		*list[0].Label != "日本" || *list[0].Fence != b.Fence() || list[0].Since == nil || list[0].HeldFor == nil || list[0].TTL != nil {
		t.Errorf("%+v", list)
	}
	l := decode[lockJSON](t, get("inspect", "--json", "x"))
	if len(l.Holders) != 2 || len(l.Queue) != 3 || l.Queue[0].Permits != 3 || l.Queue[1].Permits != 1 || l.Queue[2].Permits != 0 {
		t.Fatalf("%+v", l)
	}
	if h := l.Holders[0]; h.Label != "one\x1b" || h.Fence != a.Fence() || h.Permits != 2 || h.Limit != 5 || *h.TTL < 30_000 {
		t.Errorf("%+v", h)
	}
	if h := l.Holders[1]; h.Label != "日本" || h.Fence != b.Fence() || h.Permits != 1 || h.Limit != 4 || h.TTL != nil {
		t.Errorf("%+v", h)
	}
}

// TestPermitsAtLeast: permits are kept after the program has ended, each as long as its own flag says.
func TestPermitsAtLeast(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	newTool(t, r.Addr(), "run", "--permits", "2", "--at-least", "1m", "--label", "done", "x", "--", "true").start().want(0, "")
	r.permits(t, "x", 2, 1, holdfast.WithLabel("at work"))
	time.Sleep(200 * time.Millisecond) // what is left of the minute is shown as 60.0s before
	tl := newTool(t, r.Addr(), "inspect", "x").start()
	tl.want(0, "")
	if !regexp.MustCompile(`\n +1 +done \(released\) +1 permit  fence \d{16}  ttl 5\d\.\ds\n +2 +at work +1 permit `).MatchString(tl.out()) {
		t.Errorf("%s", tl.out())
	}
	newTool(t, r.Addr(), "run", "-n", "--permits", "2", "x", "--", "true").start().want(statusConflict, "held by another")
}

// TestReleasePermits: a holder is known by its fence, and the others keep theirs.
func TestReleasePermits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.permits(t, "x", 2, 1, holdfast.WithLabel("one"), holdfast.WithTTL(time.Second))
	b := r.permits(t, "x", 2, 1, holdfast.WithLabel("two"))
	release := func(args ...string) *tool {
		return newTool(t, r.Addr(), append(append([]string{"release", "--yes"}, args...), "x")...).start()
	}
	release("--fence", "12").want(statusConflict, "held under another fence: no holder has the fence 12")
	release("--stranger").want(statusConflict, "and a stranger has none")
	tl := release("--fence", fmt.Sprint(a.Fence()))
	tl.want(0, "")
	if tl.out() != "taken from one\n" {
		t.Errorf("%q", tl.out())
	}
	<-a.Done()
	if err := a.Err(); !errors.Is(err, holdfast.ErrForceReleased) {
		t.Error(err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Release(t.Context()); err != nil {
		t.Error(err)
	}
	tl = release("--fence", fmt.Sprint(b.Fence()))
	tl.want(0, "")
	if tl.out() != "it was free already\n" {
		t.Errorf("%q", tl.out())
	}
}

// TestRunPermitsNotALock: a key that holds data is told from one that has permits.
func TestRunPermitsNotALock(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.client.HSet(t.Context(), "hash", "f", "v")
	r.client.RPush(t.Context(), "list", "v")
	for _, name := range []string{"hash", "list"} {
		newTool(t, r.Addr(), "run", "--permits", "2", name, "--", "true").start().
			want(statusNotALock, `"`+name+`" is no lock: there is a key of that name that holds a `+name)
	}
}

// TestLookWithFewRights: a user without the rights for semaphores sees locks all the same.
func TestLookWithFewRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.SetUser(t, "worker", without(enough(t), "+hgetall")...)
	addr := "worker:secret@" + r.Addr()
	r.hold(t, "jobs:a", holdfast.WithLabel("one"))
	for name, want := range map[string]string{"jobs:a": "holder   one\n", "jobs:free": "state    free\n"} {
		tl := newTool(t, addr, "inspect", name).start()
		tl.want(0, "")
		if !strings.Contains(tl.out(), want) {
			t.Errorf("%s: %s", name, tl.out())
		}
	}
	newTool(t, addr, "run", "-v", "--wait", "1500ms", "jobs:a", "--", "true").start().want(statusConflict, `waits for "jobs:a": held by one`)
	r.permits(t, "jobs:b", 2, 1)
	newTool(t, addr, "inspect", "jobs:b").start().want(statusUnavailable, "refuses to serve")
}
