//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// What tells when it gets SIGTERM and does not end of it, and what does.
const (
	stubborn = `exec 2>/dev/null; trap 'echo TERM' TERM; echo $$; while :; do sleep 0.01; done`
	obedient = `exec 2>/dev/null; trap 'echo TERM; exit 0' TERM; echo $$; while :; do sleep 0.01; done`
)

// TestRunLossStubborn: cut off from Redis, a program that ignores SIGTERM is killed while
// its lease is still there: another can't have had the lock.
func TestRunLossStubborn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := r.Proxy(t)
	const ttl, grace = 10 * time.Second, 2 * time.Second // long enough for a busy machine
	tl := newTool(t, link.Addr(), "run", "--ttl", ttl.String(), "--grace", grace.String(), "a", "--", "sh", "-c", stubborn).start()
	pid := tl.pid()
	time.Sleep(5 * time.Second) // a renewal
	link.Cut()
	tl.until("the program was told", func() bool { return strings.Contains(tl.out(), "TERM") })
	told := time.Now()
	tl.until("the program is gone", func() bool { return gone(pid) })
	died := time.Now()
	left, err := r.client.PTTL(t.Context(), "a").Result()
	t.Logf("killed %v after SIGTERM, with %v of the lease left", died.Sub(told), left)
	if err != nil || left <= 0 {
		t.Errorf("the lease was over when the program died: %v, %v", left, err)
	}
	if waited := died.Sub(told); waited < grace/2 {
		t.Errorf("it had %v to end, not %v", waited, grace)
	}
	link.Heal()
	tl.want(statusLost, "killed the program")
}

func TestRunLossObedient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := r.Proxy(t)
	tl := newTool(t, link.Addr(), "run", "--ttl", "10s", "--grace", "4s", "a", "--", "sh", "-c", obedient).start()
	pid := tl.pid()
	link.Cut()
	tl.until("the program is gone", func() bool { return gone(pid) })
	if left := r.client.PTTL(t.Context(), "a").Val(); left <= 0 {
		t.Error("the lease was over when the program ended")
	}
	link.Heal()
	tl.want(statusLost, "expired unconfirmed: no renewal was confirmed, and the lease ends in ")
	if strings.Contains(tl.err(), "killed") {
		t.Errorf("stderr %q", tl.err())
	}
}

// TestRunRidesOut: Redis hangs for less than the lease bears, and nothing happens.
func TestRunRidesOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "6s", "--grace", "1s", "a", "--", "sh", "-c", `echo $$; sleep 5; echo done`).start()
	tl.pid()
	r.Stop()
	time.Sleep(time.Second)
	r.Cont()
	tl.want(0, "")
	if !strings.HasSuffix(tl.out(), "done\n") {
		t.Errorf("stdout %q", tl.out())
	}
}

// TestRunRedisStoppedAndBack: a run that waits outlasts a Redis that was gone, also with all
// that it knew.
func TestRunRedisStoppedAndBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "a", holdfast.WithTTL(2*time.Second))
	tl := newTool(t, r.Addr(), "run", "a", "--", "echo", "ran").start()
	tl.until("it waits", func() bool { return waiters(t, r, "a") == 1 })
	r.Kill()
	time.Sleep(500 * time.Millisecond)
	r.Restart()
	tl.want(0, "")
	if tl.out() != "ran\n" {
		t.Errorf("stdout %q", tl.out())
	}
}

// TestRunTaken: an operator takes the lock away.
func TestRunTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--grace", "500ms", "a", "--", "sh", "-c", stubborn).start()
	pid := tl.pid()
	began := time.Now()
	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	tl.want(statusLost, "force-released; the program is told to end (SIGTERM)\nholdfast: killed the program")
	if took := time.Since(began); alive(pid) || took > 5*time.Second {
		t.Errorf("alive: %v, after %v", alive(pid), took)
	}
}

// TestRunStoppedPastItsLease: a program that was stopped together with the tool does not run
// a step when both are continued too late.
func TestRunStoppedPastItsLease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "1s", "--grace", "100ms", "a", "--", "sh", "-c", stubborn).start()
	pid := tl.pid()
	_ = tl.cmd.Process.Signal(syscall.SIGTSTP)
	tl.until("both stand still", func() bool { return state(t, pid) == "T" && state(t, tl.cmd.Process.Pid) == "T" })
	tl.until("the lock is free", func() bool { return !r.held(t, "a") })
	_ = tl.cmd.Process.Signal(syscall.SIGCONT)
	tl.want(statusLost, "killed the program")
	if strings.Contains(tl.out(), "TERM") {
		t.Errorf("the program went on: %q", tl.out())
	}
}

// TestRunStoppedForAWhile: stopped and continued in time, the program goes on.
func TestRunStoppedForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", obedient).start()
	pid := tl.pid()
	_ = tl.cmd.Process.Signal(syscall.SIGTSTP)
	tl.until("both stand still", func() bool { return state(t, pid) == "T" && state(t, tl.cmd.Process.Pid) == "T" })
	_ = tl.cmd.Process.Signal(syscall.SIGCONT)
	tl.until("both go on", func() bool { return state(t, pid) != "T" && state(t, tl.cmd.Process.Pid) != "T" })
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	tl.want(0, "")
	if !strings.HasSuffix(tl.out(), "TERM\n") {
		t.Errorf("stdout %q", tl.out())
	}
}
