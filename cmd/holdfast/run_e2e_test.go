//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestRunExitStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "held")
	for _, c := range []struct {
		status int
		stderr string
		args   []string
	}{
		{0, "", []string{"a", "--", "true"}},
		{3, "", []string{"a", "--", "sh", "-c", "exit 3"}},
		{137, "", []string{"a", "--", "sh", "-c", "kill -9 $$"}},
		{143, "", []string{"a", "--", "sh", "-c", "kill $$"}},
		{127, "starting no-such-program: ", []string{"a", "--", "no-such-program"}},
		{127, "starting /no/such: ", []string{"a", "--", "/no/such"}},
		{126, "starting /: ", []string{"a", "--", "/"}},
		{75, `try to acquire "held": held by another`, []string{"-n", "held", "--", "true"}},
		{9, "held by another", []string{"-n", "-E", "9", "held", "--", "true"}},
		{0, "held by another", []string{"--no-wait", "--conflict-exit-code=0", "held", "--", "true"}},
		{75, "", []string{"-n", "-q", "held", "--", "true"}},
		{9, "", []string{"-w", "50ms", "--quiet", "-E", "9", "held", "--", "true"}},
		{127, "starting no-such-program: ", []string{"-n", "-q", "a", "--", "no-such-program"}},
		{75, "not acquired within 50ms", []string{"-w", "50ms", "held", "--", "true"}},
		{64, "there is no --", []string{"a", "true"}},
		{64, `takes one NAME before the --, got ["a" "b"]`, []string{"a", "b", "--", "true"}},
		{64, "takes one NAME before the --, got []", []string{"--", "true"}},
		{64, "takes a PROGRAM after the --", []string{"a", "--"}},
		{64, "--no-wait and --wait exclude each other", []string{"-n", "-w", "1s", "a", "--", "true"}},
		{64, "--grace 5s does not fit into --ttl 2s: 0s to 1.3s", []string{"--ttl", "2s", "a", "--", "true"}},
		{64, "--grace -1s does not fit", []string{"--grace", "-1s", "a", "--", "true"}},
		{64, "--ttl 999ms is less than 1s", []string{"--ttl", "999ms", "a", "--", "true"}},
		{64, "--conflict-exit-code 256 is not between 0 and 255", []string{"-E", "256", "a", "--", "true"}},
		{64, "maximum hold 0s is under 1ms", []string{"--max-hold", "0", "a", "--", "true"}},
		{64, "wait timeout -1s is under 0s", []string{"-w", "-1s", "a", "--", "true"}},
		{64, "the name is empty", []string{"", "--", "true"}},
		{64, "reserved", []string{"holdfast:2:n:{a}", "--", "true"}},
		{64, "the label has 300 bytes, more than 256", []string{"--label", strings.Repeat("x", 300), "a", "--", "true"}},
	} {
		newTool(t, r.Addr(), append([]string{"run"}, c.args...)...).start().want(c.status, c.stderr)
	}
	if r.held(t, "a") {
		t.Error("a is still held")
	}
}

func TestRunWithoutRedis(t *testing.T) {
	t.Parallel()
	began := time.Now()
	newTool(t, "127.0.0.1:1", "run", "a", "--", "true").start().want(69,
		"holdfast: no answer from Redis at 127.0.0.1:1 (dial tcp 127.0.0.1:1: connect: connection refused): start it, or say where it is by --redis or REDIS_URL\n")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	hangs := redistest.Start(t)
	hangs.Stop()
	newTool(t, hangs.Addr(), "run", "a", "--", "true").start().want(69, "no answer from Redis at "+hangs.Addr())
	hangs.Cont()
}

// TestRunPassesOn: stdin, stdout, stderr and the arguments, with no shell between.
func TestRunPassesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "a", "--", "sh", "-c", `cat; echo "$1" >&2; ps -o pgid= -p $$ | tr -d " "; echo $$`, "sh", "$HOME *").start()
	fmt.Fprint(tl.stdin, "one\ntwo\n")
	tl.stdin.Close()
	tl.want(0, "$HOME *\n")
	lines := strings.Fields(tl.out())
	if len(lines) != 4 || lines[0] != "one" || lines[1] != "two" || lines[2] != lines[3] {
		t.Errorf("stdout %q: want stdin, and a process group of its own", tl.out())
	}
}

// TestRunNested: the inner lock's variables are what a nested program sees.
func TestRunNested(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--pass-redis", "outer", "--", os.Args[0], "run", "inner", "--", "env")
	tl.cmd.Env = append(tl.cmd.Env, "HOLDFAST_FENCE=1")
	tl.start().want(0, "")
	lines := strings.Split(strings.TrimSpace(tl.out()), "\n")
	last := strings.Join(lines[max(len(lines)-3, 0):], "\n")
	match := regexp.MustCompile(`^HOLDFAST_NAME=inner\nHOLDFAST_FENCE=(\d{16})\nHOLDFAST_VALID_UNTIL=(\S+)$`).FindStringSubmatch(last)
	if match == nil || strings.Count(tl.out(), "HOLDFAST_NAME=") != 1 || strings.Count(tl.out(), "HOLDFAST_FENCE=") != 1 {
		t.Fatalf("the environment ends with %q", last)
	}
	until, err := time.Parse(time.RFC3339, match[2])
	if left := time.Until(until); err != nil || left > defaultTTL || left < defaultTTL/2 {
		t.Errorf("valid until %q: %v left, %v", match[2], left, err)
	}
}

func TestRunForwardsSignals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for sig, name := range map[syscall.Signal]string{
		syscall.SIGTERM: "TERM", syscall.SIGINT: "INT", syscall.SIGHUP: "HUP", syscall.SIGQUIT: "QUIT", syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := fmt.Sprintf(`exec 2>/dev/null; trap 'echo got %s; exit 42' %s; echo $$; while :; do sleep 0.01; done`, name, name)
			tl := newTool(t, r.Addr(), "run", name, "--", "sh", "-c", script).start()
			tl.pid()
			_ = tl.cmd.Process.Signal(sig)
			tl.want(42, "")
			if !strings.HasSuffix(tl.out(), "\ngot "+name+"\n") {
				t.Errorf("stdout %q", tl.out())
			}
			if r.held(t, name) {
				t.Error("the lock is still held")
			}
		})
	}
	t.Run("waiting", func(t *testing.T) {
		t.Parallel()
		r.hold(t, "held")
		tl := newTool(t, r.Addr(), "run", "held", "--", "true").start()
		tl.until("it waits", func() bool { return waiters(t, r, "held") == 1 })
		_ = tl.cmd.Process.Signal(syscall.SIGTERM)
		tl.want(143, "holdfast: ended by signal 15 (terminated)\n")
		if waiters(t, r, "held") != 0 {
			t.Error("it still stands in the queue")
		}
	})
}

func waiters(t *testing.T, r *rig, name string) int {
	t.Helper()
	info, err := r.locks.Mutex(name).Inspect(t.Context())
	if err != nil {
		t.Error(err)
	}
	return info.Waiters
}

// TestRunRace: of 20 processes that start at once exactly one runs its program.
func TestRunRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ran := filepath.Join(t.TempDir(), "ran")
	var tools []*tool
	for range 20 {
		tools = append(tools, newTool(t, r.Addr(), "run", "-n", "race", "--", "sh", "-c", `echo x >>"$1"; cat`, "sh", ran).start())
	}
	var winner *tool
	tools[0].until("all but one have ended", func() bool {
		n := 0
		for _, tl := range tools {
			select {
			case <-tl.ended:
				n++
			default:
				winner = tl
			}
		}
		return n == len(tools)-1
	})
	for _, tl := range tools {
		if tl != winner {
			tl.want(75, "held by another")
		}
	}
	winner.stdin.Close()
	winner.want(0, "")
	if text, _ := os.ReadFile(ran); string(text) != "x\n" {
		t.Errorf("%d programs ran", strings.Count(string(text), "x"))
	}
}

// TestRunInTurn: those that wait run one after the other, none beside another.
func TestRunInTurn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "log")
	var tools []*tool
	for range 6 {
		tools = append(tools, newTool(t, r.Addr(), "run", "turns", "--", "sh", "-c", `echo in >>"$1"; sleep 0.05; echo out >>"$1"`, "sh", file).start())
	}
	for _, tl := range tools {
		tl.want(0, "")
	}
	if text, _ := os.ReadFile(file); string(text) != strings.Repeat("in\nout\n", len(tools)) {
		t.Errorf("%q", text)
	}
}

func TestRunMaxHold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--max-hold", "300ms", "a", "--", "sleep", "60").start()
	tl.want(124, "maximum hold reached: 300ms; the program is told to end (SIGTERM)")
	if r.held(t, "a") {
		t.Error("the lock is still held")
	}
	stubborn := newTool(t, r.Addr(), "run", "--max-hold", "300ms", "--grace", "200ms", "a", "--", "sh", "-c", `trap "" TERM; sleep 60`).start()
	stubborn.want(124, "killed the program")
}

// TestRunLeftovers: what a program leaves behind in its group is gone before the lock is
// given back, also if it does not heed SIGTERM.
func TestRunLeftovers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, trap := range []string{":", `trap "" TERM`} {
		script := trap + `; (while :; do sleep 0.01; done) & echo $!`
		tl := newTool(t, r.Addr(), "run", "--grace", "500ms", "a", "--", "sh", "-c", script).start()
		pid := tl.pid()
		tl.want(0, "")
		if alive(pid) {
			t.Errorf("%q: process %d outlives the lock", trap, pid)
		}
	}
}

// TestRunKilled: if the tool is killed, the program is gone with it, and the lock is free
// within the TTL.
func TestRunKilled(t *testing.T) {
	t.Parallel()
	if dieWithParent() == nil {
		t.Skip("only Linux ends a program whose parent was killed")
	}
	r := newRig(t)
	tl := newTool(t, r.Addr(), "run", "--ttl", "2s", "--grace", "500ms", "a", "--", "sh", "-c", `trap "" TERM HUP; echo $$; while :; do :; done`).start()
	pid := tl.pid()
	_ = tl.cmd.Process.Kill()
	killed := time.Now()
	tl.until("the program is gone", func() bool { return gone(pid) })
	took := time.Since(killed)
	left := r.client.PTTL(t.Context(), "a").Val()
	tl.until("the lock is free", func() bool { return !r.held(t, "a") })
	free := time.Since(killed)
	t.Logf("the program was gone after %v, with %v of the TTL left, the lock free after %v", took, left, free)
	// The TTL is what counts; a busy machine may see late that it is over.
	if took > time.Second || left > 2*time.Second || free > 5*time.Second {
		t.Errorf("program gone after %v, %v left, lock free after %v", took, left, free)
	}
}
