//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/holdfast-go/holdfast"
)

// onTerminal is the command at a terminal of its own.
type onTerminal struct {
	*tool
	tty *os.File
	mu  sync.Mutex
	got strings.Builder
}

func newOnTerminal(t *testing.T, addr string, args ...string) *onTerminal {
	t.Helper()
	return startOnTerminal(t, newTool(t, addr, args...))
}

func startOnTerminal(t *testing.T, tl *tool) *onTerminal {
	t.Helper()
	o := &onTerminal{tool: tl}
	o.cmd.Env = append(o.cmd.Env, "TERM=xterm-256color", "NO_COLOR=1")
	tty, err := pty.StartWithSize(o.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	o.tty = tty
	read := make(chan struct{})
	go func() { // ends when the terminal is closed
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			o.mu.Lock()
			o.got.Write(buf[:n])
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = o.cmd.Wait()
		close(o.ended)
	}()
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		<-o.ended
		tty.Close()
		<-read
	})
	return o
}

func (o *onTerminal) screen() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got.String()
}

func (o *onTerminal) press(keys string) {
	o.t.Helper()
	if _, err := io.WriteString(o.tty, keys); err != nil {
		o.t.Error(err)
	}
}

func (o *onTerminal) shows(text string) {
	o.t.Helper()
	for range 4000 {
		if strings.Contains(o.screen(), text) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	o.t.Fatalf("the terminal does not show %q: %q", text, o.screen())
}

func (o *onTerminal) exits(status int) {
	o.t.Helper()
	select {
	case <-o.ended:
	case <-time.After(20 * time.Second):
		o.t.Fatalf("it has not ended: %q", o.screen())
	}
	if got := o.cmd.ProcessState.ExitCode(); got != status {
		o.t.Errorf("status %d, want %d: %q", got, status, o.screen())
	}
}

// TestRunAtATerminal: the program reads from the terminal, and is what Ctrl-C interrupts.
func TestRunAtATerminal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := newOnTerminal(t, r.Addr(), "run", "a", "--", "sh", "-c", `trap 'echo interrupted; exit 5' INT; read x; echo "read <$x>"; while :; do sleep 0.01; done`)
	o.press("hello\n")
	o.shows("read <hello>")
	o.press("\x03")
	o.shows("interrupted")
	o.exits(5)
}

// TestRunJobControl: Ctrl-Z stops the program and the tool, and both go on.
func TestRunJobControl(t *testing.T) {
	t.Parallel()
	if !tellsStops {
		t.Skip("only Linux tells that a program was stopped")
	}
	r := newRig(t)
	o := newOnTerminal(t, r.Addr(), "run", "a", "--", "sh", "-c", `echo pid $$; read x; echo "read <$x>"; exec 2>/dev/null; trap 'exit 6' INT; while :; do sleep 1000 & wait $!; done`)
	o.shows("pid ")
	o.press("one\n")
	o.shows("read <one>")
	for range 2 {
		for i := range 2000 {
			if state(t, o.cmd.Process.Pid) == "T" {
				break
			}
			if i%400 == 0 { // the program may not be in the foreground again yet
				o.press("\x1a")
			}
			time.Sleep(5 * time.Millisecond)
		}
		if s := state(t, o.cmd.Process.Pid); s != "T" {
			t.Fatalf("the tool has state %q", s)
		}
		_ = o.cmd.Process.Signal(syscall.SIGCONT)
		for range 2000 {
			if state(t, o.cmd.Process.Pid) != "T" {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // until the terminal is the program's again
	}
	o.press("\x03")
	o.exits(6)
}

// TestRunTerminalStops: in the background of a terminal that stops who writes to it, what the
// tool says does not stop it.
func TestRunTerminalStops(t *testing.T) {
	t.Parallel()
	if !tellsStops {
		t.Skip("it is so on Linux only")
	}
	r := newRig(t)
	tl := newTool(t, r.Addr())
	self := tl.cmd.Path
	const shell = `stty tostop; "$0" run --grace 300ms a -- sh -c 'trap "" TERM; while :; do sleep 0.02; done' >/dev/null & wait $!; echo "status $?"`
	tl.cmd.Path, tl.cmd.Args = "/bin/sh", []string{"sh", "-m", "-c", shell, self}
	o := startOnTerminal(t, tl)
	o.until("it has the lock", func() bool { return r.held(t, "a") })
	time.Sleep(200 * time.Millisecond) // until the program runs
	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.shows("killed the program")
	o.shows("status 76")
}

// TestReleaseAsks: at a terminal it shows the holder and asks.
func TestReleaseAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.hold(t, "a", holdfast.WithLabel("me"))
	fence := fenceText(holdfast.Info{Fence: s.Fence()})
	for _, c := range []struct {
		answer string
		status int
	}{{"\n", statusFailed}, {"n\n", statusFailed}, {"\x03", statusInterrupted}, {"yes\n", 0}} {
		o := newOnTerminal(t, r.Addr(), "release", "--force", "--fence", fence, "a")
		o.shows("holder   me\r\n")
		o.shows("Take it from this holder? [y/N] ")
		o.press(c.answer)
		o.exits(c.status)
		if err := s.Check(t.Context()); (err == nil) != (c.status != 0) || err != nil && !errors.Is(err, holdfast.ErrForceReleased) {
			t.Errorf("after %q: %v", c.answer, err)
		}
	}
}

// TestReleaseAsksWhose: of several holders it says from whom it is about to take.
func TestReleaseAsksWhose(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.permits(t, "a", 2, 1, holdfast.WithLabel("worker"))
	r.permits(t, "a", 2, 1, holdfast.WithLabel("worker"))
	fence := fmt.Sprint(one.Fence())
	o := newOnTerminal(t, r.Addr(), "release", "--fence", fence, "a")
	o.shows("permits  2 of 2\r\n")
	o.shows("Take it from worker, fence " + fence + "? [y/N] ")
	o.press("y\n")
	o.shows("taken from worker")
	o.exits(0)
}

// TestTop: the live view on a terminal.
func TestTop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "jobs:a", holdfast.WithLabel("holder-1"))
	o := newOnTerminal(t, r.Addr(), "top")
	o.shows("holder-1")
	r.hold(t, "jobs:b", holdfast.WithLabel("holder-2"))
	o.shows("holder-2")
	if err := r.hold(t, "render").Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Of "(2 of 5 permits)" only the words are sent.
	shared := r.permits(t, "render", 5, 2)
	o.shows("(2")
	r.permits(t, "render", 5, 1)
	o.shows("(3")
	if err := shared.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.shows("(1")
	if strings.Contains(o.screen(), "(stranger)") {
		t.Error("permits are shown as a stranger's")
	}
	r.Stop()
	o.shows("no answer from Redis at " + r.Addr())
	r.Cont()
	if strings.Contains(o.screen(), "\x1b[31m") {
		t.Error("there are colours although NO_COLOR is set")
	}
	o.press("q")
	o.exits(0)
	newTool(t, r.Addr(), "top").start().want(statusUsage, "top needs a terminal")
	newTool(t, r.Addr(), "top", "--sort", "x").start().want(statusUsage, `--sort "x" is no column`)
	newTool(t, r.Addr(), "top", "--interval", "1ms").start().want(statusUsage, "--interval 1ms is less than 100ms")
}
