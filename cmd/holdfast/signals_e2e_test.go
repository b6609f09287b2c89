//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestSignals says for each signal what becomes of it while the program runs.
func TestSignals(t *testing.T) {
	t.Parallel()
	heed(t, 32, 34)
	r := newRig(t)
	forwarded, swallowed, fatal, stops := make(map[int]bool), []int{13, 17, 23, 27, 33}, []int{9, 32, 34}, []int{19, 20, 21, 22}
	numbers := ""
	for n := 1; n <= 64; n++ {
		if !slices.Contains(slices.Concat(swallowed, fatal, stops), n) {
			forwarded[n] = true
			numbers += fmt.Sprintf(" %d", n)
		}
	}
	script := fmt.Sprintf(`exec 2>/dev/null; for s in %s; do trap "echo got $s;" $s; done; echo $$; while :; do sleep 0.02; done`, numbers)

	t.Run("forwarded or swallowed", func(t *testing.T) {
		t.Parallel()
		tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", script).start()
		pid := tl.pid()
		tl.until("there is a watcher", func() bool { return watched(t, pid) })
		for n := 1; n <= 64; n++ {
			if !forwarded[n] && !slices.Contains(swallowed, n) {
				continue
			}
			_ = tl.cmd.Process.Signal(syscall.Signal(n))
			if forwarded[n] {
				tl.until(fmt.Sprintf("signal %d was forwarded", n), func() bool { return strings.HasSuffix(tl.out(), fmt.Sprintf("\ngot %d\n", n)) })
			}
		}
		if got := strings.Count(tl.out(), "got "); got != len(forwarded) || !alive(pid) || !r.held(t, "a") {
			t.Errorf("%d signals came, not %d; the program lives: %v, the lock is held: %v; %q", got, len(forwarded), alive(pid), r.held(t, "a"), tl.out())
		}
		if !watched(t, pid) {
			t.Error("the watcher is gone")
		}
	})
	for _, n := range fatal {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprint("fatal-", n)
			tl := newTool(t, r.Addr(), "run", "--ttl", "2s", "--grace", "500ms", name, "--", "sh", "-c", stubbornPair).start()
			pids := tl.pids(2)
			tl.until("there is a watcher", func() bool { return watched(t, pids[0]) })
			_ = tl.cmd.Process.Signal(syscall.Signal(n))
			tl.until("the program is gone", func() bool { return groupSize(t, pids[0]) == 0 })
			left := r.client.PTTL(t.Context(), name).Val()
			t.Logf("with %v of the lease left", left)
			tl.wait()
			if ws := tl.cmd.ProcessState.Sys().(syscall.WaitStatus); int(ws.Signal()) != n {
				t.Errorf("it ended by %v", ws.Signal())
			}
			tl.until("the lock is free", func() bool { return !r.held(t, name) })
		})
	}
	for _, sig := range endingSignals {
		t.Run(fmt.Sprint(sig, " while it waits"), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprint("held-", int(sig.(syscall.Signal)))
			r.hold(t, name)
			tl := newTool(t, r.Addr(), "run", name, "--", "true").start()
			tl.until("it waits", func() bool { return waiters(t, r, name) == 1 })
			_ = tl.cmd.Process.Signal(sig)
			tl.want(128+int(sig.(syscall.Signal)), fmt.Sprintf("holdfast: ended by signal %d (%v)\n", sig, sig))
			if waiters(t, r, name) != 0 {
				t.Error("it is still in the queue")
			}
		})
	}
}

// heed gives signals of the C library, which os/signal can't set, their default action in this
// process and those that it starts: whoever started the tests may ignore them.
func heed(t *testing.T, signals ...uintptr) {
	var byDefault [64]byte // a struct sigaction of the kernel's, with room for that of any machine
	for _, n := range signals {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0); errno != 0 {
			t.Fatalf("signal %d: %v", n, errno)
		}
	}
}

// TestRunStderrFull: a line for which there is no room in a file sends the program no SIGXFSZ.
func TestRunStderrFull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	full, err := os.Create(filepath.Join(t.TempDir(), "full"))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := full.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	tl := newTool(t, r.Addr())
	self := tl.cmd.Path
	// It ends outside of its traps: if two signals come at once, a shell that ends in the trap of the
	// first never comes to the second.
	const script = `exec 2>/dev/null; trap 'echo XFSZ' XFSZ; trap 'echo TERM; t=1' TERM; echo $$; while [ -z "$t" ]; do sleep 0.02; done; sleep 0.2`
	tl.cmd.Path, tl.cmd.Args = "/bin/sh", []string{"sh", "-c", `ulimit -f 1; exec "$0" run a -- sh -c "$1"`, self, script}
	tl.start(full).pid()
	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := tl.wait(); status != statusLost || !strings.HasSuffix(tl.out(), "\nTERM\n") || strings.Contains(tl.out(), "XFSZ") {
		t.Errorf("status %d, stdout %q", status, tl.out())
	}
}

// TestRunSignalsInherited: the program ignores and blocks no signal that it would not without
// the tool. Also one that ignores SIGPIPE from its start passes that on to nobody, since the Go
// runtime does not tell it. Signals 32 to 34 don't count: the C library and the Go runtime have them
// for themselves, and this process may ignore one of them at times.
func TestRunSignalsInherited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const show = `grep -E 'Sig(Ign|Blk)' /proc/self/status`
	others := func(status string) (masks []uint64) {
		for line := range strings.Lines(status) {
			_, digits, _ := strings.Cut(line, ":")
			mask, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			masks = append(masks, mask&^(7<<31))
		}
		return masks
	}
	out, err := exec.Command("sh", "-c", show).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := others(string(out))
	if len(want) != 2 {
		t.Fatalf("%q", out)
	}
	for _, before := range []string{"", `trap "" PIPE; `} {
		tl := newTool(t, r.Addr())
		self := tl.cmd.Path
		tl.cmd.Path, tl.cmd.Args = "/bin/sh", []string{"sh", "-c", before + `exec "$0" run a -- sh -c "$1"`, self, show}
		tl.start().want(0, "")
		if got := others(tl.out()); !slices.Equal(got, want) {
			t.Errorf("%q: %q, without the tool %q", before, tl.out(), out)
		}
	}
}
