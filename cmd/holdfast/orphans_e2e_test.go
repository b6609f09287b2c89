//go:build linux

package main

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// zombies counts a process's children that have ended and were not waited for.
func zombies(t *testing.T, parent int) int {
	t.Helper()
	return processes(t, func(state, parentID, _ string) bool { return state == "Z" && parentID == strconv.Itoa(parent) })
}

// TestRunOrphans: what the program has started and not waited for is no zombie for longer than
// a moment, in its group and in others; and the program's own status is not lost with theirs.
func TestRunOrphans(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const script = `for i in $(seq 100); do (true &); setsid -f true; done; echo started; cat; (true &); exit 7`
	tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", script).start()
	tl.until("all were started", func() bool { return tl.out() == "started\n" })
	most := zombies(t, tl.cmd.Process.Pid)
	tl.until("there are no zombies", func() bool { return zombies(t, tl.cmd.Process.Pid) == 0 })
	t.Logf("%d zombies at first", most)
	tl.stdin.Close()
	tl.want(7, "")
}

// TestLeadOrphans: the same between two terms.
func TestLeadOrphans(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const script = `for i in 1 2 3 4 5; do setsid -f sleep 1; done; exit 3`
	tl := newTool(t, r.Addr(), "lead", "--backoff", "10m", "--backoff-max", "10m", "a", "--", "sh", "-c", script).start()
	tl.until("it rests", func() bool { return strings.Contains(tl.err(), "ended with status 3 after ") })
	time.Sleep(1500 * time.Millisecond) // now they end
	tl.until("there are no zombies", func() bool { return zombies(t, tl.cmd.Process.Pid) == 0 })
}

// TestRunDaemon: a daemon that the program has started as its last act is not killed while it
// is about to leave the group.
func TestRunDaemon(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const (
		runs   = 20
		daemon = `sh -c 'echo $$; exec sleep 1000'`
	)
	lived := 0
	for i := range runs {
		program := "exec setsid -f " + daemon
		if i == 0 { // one that is sure to be in the group yet when the program ends
			program = "(sleep 0.03; exec setsid " + daemon + ") &"
		}
		tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", program).start()
		tl.want(0, "")
		for range 200 { // it may not have begun yet
			if tl.out() != "" {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if tl.out() != "" && alive(tl.pid()) {
			lived++
		}
	}
	if lived != runs {
		t.Errorf("%d of %d daemons live", lived, runs)
	}
}
