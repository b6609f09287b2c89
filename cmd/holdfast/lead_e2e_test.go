//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// begins counts the terms of a program that writes its process id when it begins.
func begins(tl *tool) int { return strings.Count(tl.out(), "begin") }

const service = `exec 2>/dev/null; trap 'echo end; exit 7' TERM INT; echo begin; while :; do sleep 0.01; done`

// TestLead: a program for each term, stopped when the lock is taken away, and again.
func TestLead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "a", "--", "sh", "-c", service).start()
	for term := 1; term <= 3; term++ {
		tl.until("a term begins", func() bool { return begins(tl) == term })
		if term < 3 {
			if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	tl.want(7, "force-released; the program is told to end (SIGTERM)")
	if want := strings.Repeat("begin\nend\n", 3); tl.out() != want {
		t.Errorf("stdout %q, want %q", tl.out(), want)
	}
	if strings.Count(tl.err(), `leads "a", fence 1`) != 3 || r.held(t, "a") {
		t.Errorf("stderr %q, held %v", tl.err(), r.held(t, "a"))
	}
}

// TestLeadUnheard: it leads, gives the lock back and leads again also if nobody can read what
// it says.
func TestLeadUnheard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "--backoff", "10ms", "a", "--", "sh", "-c", service).start(unheard(t))
	for term := 1; term <= 3; term++ {
		tl.until("a term begins", func() bool { return begins(tl) == term })
		if term < 3 {
			if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	if status := tl.wait(); status != 7 || r.held(t, "a") {
		t.Errorf("status %d, held %v", status, r.held(t, "a"))
	}
}

// TestLeadOneOfTwo: the second leads when the first is killed.
func TestLeadOneOfTwo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := func() *tool {
		return newTool(t, r.Addr(), "lead", "--ttl", "2s", "--grace", "500ms", "a", "--", "sh", "-c", service).start()
	}
	first := start()
	first.until("the first leads", func() bool { return begins(first) == 1 })
	second := start()
	second.until("the second waits", func() bool { return waiters(t, r, "a") == 1 })
	_ = first.cmd.Process.Kill()
	killed := time.Now()
	second.until("the second leads", func() bool { return begins(second) == 1 })
	if took := time.Since(killed); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestLeadRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	quick := []string{"lead", "--backoff", "50ms", "--backoff-max", "200ms"}
	for _, c := range []struct {
		policy, script string
		status         int
	}{
		{restartNever, "exit 3", 3},
		{restartOnFailure, `echo x >>"$1"; [ $(wc -l <"$1") -ge 4 ]`, 0},
		{restartAlways, `echo x >>"$1"; [ $(wc -l <"$1") -lt 4 ] || { kill -TERM $PPID; exec sleep 60; }; exit 5`, 143},
	} {
		t.Run(c.policy, func(t *testing.T) {
			t.Parallel()
			runs := filepath.Join(t.TempDir(), "runs")
			args := append(quick[:len(quick):len(quick)], "--restart", c.policy, c.policy, "--", "sh", "-c", c.script, "sh", runs)
			tl := newTool(t, r.Addr(), args...).start()
			if status := tl.wait(); status != c.status {
				t.Errorf("status %d, want %d; stderr %q", status, c.status, tl.err())
			}
			if text, _ := os.ReadFile(runs); c.policy != restartNever && string(text) != strings.Repeat("x\n", 4) {
				t.Errorf("it ran %q", text)
			}
			if pauses := strings.Count(tl.err(), "campaigns again in "); c.policy != restartNever && pauses != 3 {
				t.Errorf("%d pauses: %q", pauses, tl.err())
			}
			if r.held(t, c.policy) {
				t.Error("the lock is still held")
			}
		})
	}
}

// TestLeadGivesUpTheLock: while a program that ended by itself is not run again, another
// leads.
func TestLeadGivesUpTheLock(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "--backoff", "30s", "a", "--", "false").start()
	tl.until("it rests", func() bool { return strings.Contains(tl.err(), "false ended with status 1 after ") })
	r.hold(t, "a", holdfast.WithWaitTimeout(time.Second))
	_ = tl.cmd.Process.Signal(syscall.SIGINT)
	tl.want(130, "campaigns again in 2")
}

// TestLeadWithoutRedis: it goes on trying, and says so once.
func TestLeadWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	tl := newTool(t, server.Addr(), "lead", "--ttl", "2s", "--grace", "200ms", "a", "--", "sh", "-c", service).start()
	tl.until("it says that there is no Redis", func() bool { return strings.Contains(tl.err(), "; it goes on trying") })
	server.Restart()
	tl.until("it leads", func() bool { return begins(tl) == 1 })
	server.Kill()
	tl.until("it is stopped", func() bool { return strings.HasSuffix(tl.out(), "end\n") })
	server.Restart()
	tl.until("it leads again", func() bool { return begins(tl) == 2 })
	_ = tl.cmd.Process.Signal(syscall.SIGINT)
	tl.want(7, "no renewal was confirmed")
}

func TestLeadWrongUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stderr string
		args   []string
	}{
		{`--restart "sometimes" is none of always, on-failure, never`, []string{"--restart", "sometimes", "a", "--", "true"}},
		{"--backoff 2m0s is not between 0 and --backoff-max 1m0s", []string{"--backoff", "2m", "a", "--", "true"}},
		{"there is no --", []string{"a", "true"}},
		{"the name is empty", []string{"", "--", "true"}},
	} {
		newTool(t, "127.0.0.1:1", append([]string{"lead"}, c.args...)...).start().want(statusUsage, c.stderr)
	}
}
