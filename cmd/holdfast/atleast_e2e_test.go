//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAtLeast: a job that is over at once, started on three machines whose clocks differ, runs
// once; whoever looks sees why; and an operator ends it.
func TestAtLeast(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "ran")
	ran := func() int {
		text, _ := os.ReadFile(file)
		return strings.Count(string(text), "ran\n")
	}
	start := func(label, atLeast string) *tool {
		args := []string{"run", "--no-wait", "--label", label}
		if atLeast != "" {
			args = append(args, "--at-least", atLeast)
		}
		return newTool(t, r.Addr(), append(args, "job", "--", "sh", "-c", "echo ran >>"+file)...).start()
	}
	three := func(atLeast string) (statuses [3]int) {
		for i := range statuses {
			statuses[i] = start(fmt.Sprintf("m%d", i), atLeast).wait()
			time.Sleep(300 * time.Millisecond)
		}
		return statuses
	}
	if statuses := three(""); ran() != 3 || statuses != [3]int{} {
		t.Errorf("without --at-least: ran %d times, statuses %v", ran(), statuses)
	}
	if statuses := three("1m"); ran() != 4 || statuses != [3]int{0, statusConflict, statusConflict} {
		t.Errorf("with --at-least: ran %d times more, statuses %v; want once", ran()-3, statuses)
	}
	if ttl := r.client.PTTL(t.Context(), "job").Val(); ttl < 40*time.Second || ttl > time.Minute {
		t.Errorf("kept for %v", ttl)
	}
	shows := func(want string, args ...string) string {
		t.Helper()
		tl := newTool(t, r.Addr(), args...).start()
		tl.want(0, "")
		if !strings.Contains(tl.out(), want) {
			t.Errorf("%q does not show %q: %s", args, want, tl.out())
		}
		return tl.out()
	}
	shows("m0 (released)", "ls")
	shows("released; its --at-least keeps it until the ttl ends", "inspect", "job")
	l := decode[lockJSON](t, shows("", "inspect", "--json", "job"))
	if !l.Kept || l.State != "held" || *l.Label != "m0" {
		t.Errorf("%+v", l)
	}
	shows("taken from m0 (released)\n", "release", "--fence", fmt.Sprint(*l.Fence), "--yes", "job")
	if status := start("m3", "").wait(); status != 0 || ran() != 5 {
		t.Errorf("after release: status %d, ran %d times", status, ran())
	}
	for _, wrong := range [][]string{
		{"minimum hold 0s is under 1ms", "--at-least", "0s"},
		{"minimum hold 2s is over the maximum hold 1s", "--at-least", "2s", "--max-hold", "1s"},
	} {
		newTool(t, r.Addr(), append(append([]string{"run"}, wrong[1:]...), "job", "--", "true")...).start().want(statusUsage, wrong[0])
	}
}
