//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// command is this test binary as the command, with its output in a buffer.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the demo's processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), beMain+"=1")
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

func TestDemo(t *testing.T) {
	t.Parallel()
	cmd, stderr := command(t, "demo")
	start := time.Now()
	stdout, err := cmd.Output()
	took := time.Since(start)
	out := string(stdout)
	t.Log("\n" + out)
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("demo: %v, stderr %q", err, stderr)
	}
	if took >= 30*time.Second {
		t.Errorf("it took %v, want less than 30s", took)
	}
	for _, want := range []string{
		`\n1  Election\n`, `\n2  Leader killed\n`, `\n3  Leader frozen`, `\n4  Resignation\n`,
		`(?m)^ +[\d.]+s  worker-\d  elected, fence …\d{8,}$`,
		`finds its context done at its first look`,
		`cause Err\w+: `,
		`(?m)^ +[\d.]+s  store     refuses worker-\d: fence …\d+ is older than …\d+$`,
		`(?m)^  Election +nobody +worker-\d +[\d.]+ ms  \w`,
		`(?m)^  Leader killed +worker-\d +worker-\d +[\d.]+ ms  TTL`,
		`(?m)^  Leader frozen +worker-\d +worker-\d +[\d.]+ ms  TTL`,
		`(?m)^  Resignation +worker-\d +worker-\d +[\d.]+ ms  \w`,
		`(?m)^  moments with two owners: +0  `,
		`(?m)^  refused writes: +[1-9]`,
		`\nNothing went wrong in [\d.]+s\.\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the output has no %q", want)
		}
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > screenWidth {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("escape sequences in what is no terminal")
	}
	allGone(t, workers(out))
}

func TestDemoOnAGivenRedis(t *testing.T) {
	t.Parallel()
	cmd, stderr := command(t, "demo", "--ttl", "1s")
	server := redistest.Start(t)
	cmd.Args = append(cmd.Args, "--redis", "redis://"+server.Addr())
	stdout, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("demo: %v, stderr %q, stdout\n%s", err, stderr, stdout)
	}
	allGone(t, workers(string(stdout)))

	client := server.Client()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, ":store") {
			t.Errorf("it left its store %q behind", key)
		}
		if client.TTL(t.Context(), key).Val() < 0 {
			t.Errorf("it left %q behind, which does not expire", key)
		}
	}
}

func TestDemoWithoutItsRedis(t *testing.T) {
	t.Parallel()
	cmd, stderr := command(t, "demo", "--redis", "redis://:secret@127.0.0.1:1")
	stdout, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != statusFailed {
		t.Errorf("%v, want status %d", err, statusFailed)
	}
	got := stderr.String()
	if !strings.HasPrefix(got, "holdfast: no answer from Redis at 127.0.0.1:1 (") ||
		strings.Count(got, "\n") != 1 || strings.Contains(got, "secret") || len(stdout) > 0 {
		t.Errorf("stderr %q and stdout %q, want one line on what to do", got, stdout)
	}
}

// What ends the demo early must not leave workers behind, least of all a frozen
// one, which can't end itself.
func TestDemoEndedEarlyLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			if signal == syscall.SIGKILL && dieWithParent() == nil {
				t.Skip("only Linux kills a frozen worker after its director was killed")
			}
			t.Parallel()
			// A machine that stalls ends the first before the worker is frozen.
			if !endDemo(t, "500ms", signal) && !endDemo(t, "3s", signal) {
				t.Error("the demo froze no worker")
			}
		})
	}
}

// endDemo ends a demo with a signal once a worker is frozen, and reports whether it came to that.
func endDemo(t *testing.T, ttl string, signal syscall.Signal) bool {
	t.Helper()
	cmd, stderr := command(t, "demo", "--ttl", ttl)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const froze = "(SIGSTOP)"
	shown := readUntil(stdout, froze)
	_ = cmd.Process.Signal(signal)
	rest, _ := io.ReadAll(stdout)
	err = cmd.Wait()
	pids := workers(shown + string(rest))
	defer allGone(t, pids)
	if !strings.Contains(shown, froze) {
		t.Logf("it ended by itself: %v, %s\n%s", err, stderr, shown)
		return false
	}
	if len(pids) != len(workerNames)+1 {
		t.Fatalf("it showed workers %v, want %d; stdout\n%s%s", pids, len(workerNames)+1, shown, rest)
	}
	if signal != syscall.SIGKILL {
		if code := cmd.ProcessState.ExitCode(); code != statusInterrupted || stderr.String() != "holdfast: interrupted\n" {
			t.Errorf("%v, stderr %q, want status %d", err, stderr, statusInterrupted)
		}
	}
	return true
}

// readUntil reads lines up to the one that contains text.
func readUntil(r io.Reader, text string) string {
	var shown strings.Builder
	lines := bufio.NewReaderSize(r, 16) // so that little is read ahead and lost
	for {
		line, err := lines.ReadString('\n')
		shown.WriteString(line)
		if err != nil || strings.Contains(line, text) {
			return shown.String()
		}
	}
}

// workers returns the process ids that the demo shows.
func workers(out string) []int {
	var pids []int
	for _, match := range regexp.MustCompile(`starts worker-\d(?: again)?, process (\d+)`).FindAllStringSubmatch(out, -1) {
		pid, _ := strconv.Atoi(match[1])
		pids = append(pids, pid)
	}
	return pids
}

func allGone(t *testing.T, pids []int) {
	t.Helper()
	if len(pids) == 0 {
		t.Error("no worker was shown")
	}
	deadline := time.Now().Add(3 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Errorf("worker process %d is still there", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// alive is false for a zombie too: an orphan that nobody has reaped yet is dead.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // no Linux; there the signal's word is all there is
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}
