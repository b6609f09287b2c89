//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// What tells when it gets SIGTERM and does not end of it, and what does. A shell that waits for
// a command in the foreground may have been caught in vfork, and then is not stopped with it.
const (
	stubborn = `exec 2>/dev/null; trap 'echo TERM' TERM; echo $$; while :; do sleep 1000 & wait $!; done`
	// With a child that ignores SIGTERM.
	stubbornPair = `exec 2>/dev/null; sh -c 'trap "" TERM; while :; do sleep 0.05; done' & trap 'echo TERM' TERM; echo $$; echo $!; while :; do sleep 1000 & wait $!; done`
	obedient     = `exec 2>/dev/null; trap 'echo TERM; exit 0' TERM; echo $$; while :; do sleep 1000 & wait $!; done`
)

// TestRunLossStubborn: cut off from Redis, a program that ignores SIGTERM is killed while
// its lease is still there: another can't have had the lock.
func TestRunLossStubborn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inTime(t, func(name string) time.Duration {
		tl, left := lossOfStubborn(t, r, name)
		tl.want(statusLost, "killed the program")
		return left
	})
}

// TestRunLossUnheard: the same with a stderr that nobody can read any more.
func TestRunLossUnheard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inTime(t, func(name string) time.Duration {
		tl, left := lossOfStubborn(t, r, name, unheard(t))
		if status := tl.wait(); status != statusLost {
			t.Errorf("status %d", status)
		}
		return left
	})
}

// inTime wants what try returns, for a lock of that name, to be more than 0. A machine that
// stands still at that moment makes no difference between the tool and the test: then it is
// measured again.
func inTime(t *testing.T, try func(name string) (left time.Duration)) {
	t.Helper()
	const tries, most = 3, 100 * time.Millisecond
	for i := range tries {
		stalled := stalls(t)
		left := try(fmt.Sprint("lock-", i))
		if gap := stalled(); gap > most && left <= 0 {
			t.Logf("the machine stood still for %v", gap)
			continue
		}
		if left <= 0 {
			t.Errorf("the lease was over when the program died: %v", left)
		}
		return
	}
	t.Skipf("the machine stood still for more than %v, %d times", most, tries)
}

// unheard is a pipe whose reader is gone, as that of a logger that has died.
func unheard(t *testing.T) *os.File {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	t.Cleanup(func() { writer.Close() })
	return writer
}

// lossOfStubborn runs a program that has a child, cuts it off, and returns what is left of its
// lease when both have died.
func lossOfStubborn(t *testing.T, r *rig, name string, stderr ...*os.File) (tl *tool, left time.Duration) {
	link := r.Proxy(t)
	const ttl, grace = 10 * time.Second, 2 * time.Second
	tl = newTool(t, link.Addr(), "run", "--ttl", ttl.String(), "--grace", grace.String(), name, "--", "sh", "-c", stubbornPair).start(stderr...)
	pids := tl.pids(2)
	time.Sleep(3 * time.Second) // a renewal
	link.Cut()
	tl.until("the program was told", func() bool { return strings.Contains(tl.out(), "TERM") })
	told := time.Now()
	tl.until("the program is gone", func() bool { return gone(pids[0]) && gone(pids[1]) })
	died := time.Now()
	left, err := r.client.PTTL(t.Context(), name).Result()
	t.Logf("killed %v after SIGTERM, with %v of the lease left", died.Sub(told), left)
	if waited := died.Sub(told); err != nil || waited < grace/2 {
		t.Errorf("it had %v to end, not %v; %v", waited, grace, err)
	}
	link.Heal()
	return tl, left
}

// stalls returns a function that ends the measurement and tells for how long this process
// did not run at most.
func stalls(t *testing.T) func() time.Duration {
	stop, worst := make(chan struct{}), make(chan time.Duration, 1)
	go func() { // ends with the call of the function
		var most time.Duration
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-stop:
				worst <- most
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, time.Since(last)-10*time.Millisecond)
			}
		}
	}()
	var gap time.Duration
	end := sync.OnceFunc(func() { close(stop); gap = <-worst })
	t.Cleanup(end)
	return func() time.Duration { end(); return gap }
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

// TestRunReleasedLate: a Redis that answers again soon after the program's end gets the lock back.
func TestRunReleasedLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "5m", "a", "--", "sh", "-c", "echo $$; read x; exit 3").start()
	tl.pid()
	r.Stop()
	tl.stdin.Close()
	time.Sleep(7 * time.Second) // longer than the library's Release tries
	r.Cont()
	tl.want(3, "it goes on trying for 15s")
	if r.held(t, "a") {
		t.Error("the lock is still held")
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

// TestRunReleased: the lock of a run, which is the first of its process, is released by the
// command. The program is told at once, long before the first renewal after 15 s, so that a
// replacement can be started by hand.
func TestRunReleased(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "30s", "a", "--", "sh", "-c", obedient).start()
	tl.pid()
	time.Sleep(500 * time.Millisecond) // the subscription works, and Redis knows of it
	info, err := r.locks.Mutex("a").Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release := newTool(t, r.Addr(), "release", "--force", "--yes", "--fence", fmt.Sprint(info.Fence), "a").start()
	if status := release.wait(); status != 0 {
		t.Fatalf("release: status %d, %s", status, release.err())
	}
	released := time.Now()
	tl.want(statusLost, "force-released; the program is told to end (SIGTERM)")
	if took := time.Since(released); took > 5*time.Second {
		t.Errorf("it ended %v after the release", took)
	}
}

// TestRunTakenUnread: the program is killed also if nobody reads what the tool says.
func TestRunTakenUnread(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	_ = writer.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := writer.Write(make([]byte, 1<<20)); err == nil {
		t.Fatalf("the pipe takes %d bytes", n)
	}
	tl := newTool(t, r.Addr(), "run", "--grace", "200ms", "a", "--", "sh", "-c", stubborn).start(writer)
	pid := tl.pid()
	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	tl.until("the program is gone", func() bool { return gone(pid) })
	if status := tl.wait(); status != statusLost {
		t.Errorf("status %d", status)
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
