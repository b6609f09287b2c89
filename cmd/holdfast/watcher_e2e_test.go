//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processes counts those of this machine that are wanted by their state, parent and group.
func processes(t *testing.T, wanted func(state, parent, group string) bool) (n int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		if f := strings.Fields(string(rest)); wanted(f[0], f[1], f[2]) {
			n++
		}
	}
	return n
}

// groupSize counts the processes of a group that have not ended.
func groupSize(t *testing.T, group int) int {
	t.Helper()
	return processes(t, func(state, _, groupID string) bool { return state != "Z" && groupID == strconv.Itoa(group) })
}

// watched reports whether a group has a watcher that is ready, so that it ignores SIGTERM.
func watched(t *testing.T, group int) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, file := range lines {
		line, _ := os.ReadFile(file)
		if bytes.HasSuffix(line, []byte("\x00"+watcherCommand+"\x00"+strconv.Itoa(group)+"\x00")) {
			status, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
			_, after, _ := strings.Cut(string(status), "SigIgn:\t")
			mask, _, _ := strings.Cut(after, "\n")
			ignored, err := strconv.ParseUint(mask, 16, 64)
			return err == nil && ignored&(1<<(syscall.SIGTERM-1)) != 0
		}
	}
	return false
}

// TestRunFrozen: if the tool alone is stopped, the program and what it has started are dead
// before the lease is over.
func TestRunFrozen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inTime(t, func(name string) time.Duration {
		tl := newTool(t, r.Addr(), "run", "--ttl", "5s", "--grace", "1s", name, "--", "sh", "-c", stubbornPair).start()
		pids := tl.pids(2)
		time.Sleep(2 * time.Second) // a renewal
		_ = tl.cmd.Process.Signal(syscall.SIGSTOP)
		frozen := time.Now()
		tl.until("the program is gone", func() bool { return groupSize(t, pids[0]) == 0 })
		left := r.client.PTTL(t.Context(), name).Val()
		t.Logf("killed %v after the tool was stopped, with %v of the lease left", time.Since(frozen), left)
		tl.until("the lock is free", func() bool { return !r.held(t, name) })
		_ = tl.cmd.Process.Signal(syscall.SIGCONT)
		tl.want(statusLost, "expired")
		return left
	})
}

// TestRunFrozenTaken: also if the tool is stopped after it has told the program to end.
func TestRunFrozenTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "1m", "--grace", "1s", "a", "--", "sh", "-c", stubbornPair).start()
	pids := tl.pids(2)
	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	tl.until("the program was told", func() bool { return strings.Contains(tl.out(), "TERM") })
	time.Sleep(50 * time.Millisecond)
	_ = tl.cmd.Process.Signal(syscall.SIGSTOP)
	tl.until("the program is gone", func() bool { return groupSize(t, pids[0]) == 0 })
	_ = tl.cmd.Process.Signal(syscall.SIGCONT)
	tl.want(statusLost, "force-released")
}

// TestRunWatched: the watcher is in nobody's way: it lets the program go on while renewals
// succeed, outlasts the signals that the program gets, and ends with it.
func TestRunWatched(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const script = `exec 2>/dev/null; trap 'echo got' USR1; echo $$; for i in 1 2 3 4 5 6 7; do sleep 0.5; done; cat; exit 3`
	tl := newTool(t, r.Addr(), "run", "--ttl", "2s", "--grace", "1s", "a", "--", "sh", "-c", script).start()
	pid := tl.pid()
	tl.until("there is a watcher", func() bool { return watched(t, pid) })
	_ = tl.cmd.Process.Signal(syscall.SIGUSR1)
	time.Sleep(5 * time.Second) // leases
	tl.until("the shell waits for the last command", func() bool { return groupSize(t, pid) == 3 })
	tl.stdin.Close()
	tl.want(3, "")
	if !strings.HasSuffix(tl.out(), "\ngot\n") {
		t.Errorf("stdout %q", tl.out())
	}
	if n := groupSize(t, pid); n != 0 {
		t.Errorf("%d processes outlive the lock", n)
	}
	newTool(t, r.Addr(), watcherCommand, "1").start().want(statusUsage, "watcher is for run and lead to start")
}

// TestRunWatchedAtOnce: signals that come while the watcher starts don't end it.
func TestRunWatchedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const script = `trap "" TERM; i=0; while [ $i -lt 3000 ]; do kill -TERM 0; i=$((i+1)); done; echo $$; cat`
	tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", script).start()
	pid := tl.pid()
	tl.until("there is a watcher", func() bool { return watched(t, pid) })
	tl.stdin.Close()
	tl.want(0, "")
}
