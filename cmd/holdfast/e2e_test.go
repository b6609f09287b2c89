//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// tool is one run of the command, as a process of its own.
type tool struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}
}

// newTool is the command with these arguments, on the Redis at addr, to be started.
func newTool(t *testing.T, addr string, args ...string) *tool {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the command")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tl := &tool{t: t, cmd: exec.Command(self, args...), ended: make(chan struct{})}
	tl.cmd.Env = append(os.Environ(), beMain+"=1", envURL+"=redis://"+addr)
	return tl
}

// start starts it with a pipe for its stdin, and a file for stderr if none is given, and has
// it killed at the end of the test.
func (tl *tool) start(stderr ...*os.File) *tool {
	tl.t.Helper()
	// Files, not pipes of os/exec: what a program leaves behind would keep these open.
	out, err := os.Create(filepath.Join(tl.t.TempDir(), "out"))
	if err != nil {
		tl.t.Fatal(err)
	}
	errs, err := os.Create(filepath.Join(tl.t.TempDir(), "err"))
	if err != nil {
		tl.t.Fatal(err)
	}
	tl.cmd.Stdout, tl.cmd.Stderr = out, errs
	if len(stderr) > 0 {
		tl.cmd.Stderr = stderr[0]
	}
	if tl.stdin, err = tl.cmd.StdinPipe(); err != nil {
		tl.t.Fatal(err)
	}
	if err := tl.cmd.Start(); err != nil {
		tl.t.Fatal(err)
	}
	go func() { // ends with the process, which the test ends
		_ = tl.cmd.Wait()
		close(tl.ended)
	}()
	tl.t.Cleanup(func() {
		_ = tl.cmd.Process.Kill()
		<-tl.ended
		out.Close()
		errs.Close()
	})
	return tl
}

func (tl *tool) out() string { return tl.read(tl.cmd.Stdout) }
func (tl *tool) err() string { return tl.read(tl.cmd.Stderr) }

func (tl *tool) read(w io.Writer) string {
	text, err := os.ReadFile(w.(*os.File).Name())
	if err != nil {
		return "(not a file)"
	}
	return string(text)
}

// wait returns its exit status.
func (tl *tool) wait() int {
	tl.t.Helper()
	select {
	case <-tl.ended:
	case <-time.After(time.Minute):
		tl.t.Fatalf("%q has not ended; stdout %q, stderr %q", tl.cmd.Args[1:], tl.out(), tl.err())
	}
	return tl.cmd.ProcessState.ExitCode()
}

// want waits for its exit status, and for what it says on stderr.
func (tl *tool) want(status int, stderr string) {
	tl.t.Helper()
	if got := tl.wait(); got != status || !strings.Contains(tl.err(), stderr) || (stderr == "") != (tl.err() == "") {
		tl.t.Errorf("%q: status %d, stderr %q; want %d, %q", tl.cmd.Args[1:], got, tl.err(), status, stderr)
	}
}

// pid waits for the program to write its process id, and returns it.
func (tl *tool) pid() int {
	tl.t.Helper()
	return tl.pids(1)[0]
}

// pids waits for the program to write so many process ids, each on a line, and returns them.
func (tl *tool) pids(n int) []int {
	tl.t.Helper()
	pids := make([]int, n)
	tl.until("the program has said its process ids", func() bool {
		lines := strings.SplitAfterN(tl.out(), "\n", n+1)
		for i := range pids {
			if len(lines) <= n {
				return false
			}
			pids[i], _ = strconv.Atoi(strings.TrimSpace(lines[i]))
		}
		return !slices.Contains(pids, 0)
	})
	tl.t.Cleanup(func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return pids
}

func (tl *tool) until(what string, cond func() bool) {
	tl.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	tl.t.Fatalf("it did not come to pass that %s; stdout %q, stderr %q", what, tl.out(), tl.err())
}

// rig is a server and what looks at it directly.
type rig struct {
	*redistest.Server
	client *redis.Client
	locks  *holdfast.Locker
}

func newRig(t *testing.T, args ...string) *rig {
	t.Helper()
	r := &rig{Server: redistest.Start(t, args...)}
	r.client = r.Client(func(o *redis.Options) { o.MaxRetries = -1 })
	r.locks = holdfast.New(r.client)
	t.Cleanup(func() { r.locks.Close() })
	return r
}

// held reports whether anybody holds a lock.
func (r *rig) held(t *testing.T, name string) bool {
	t.Helper()
	held, err := r.locks.Mutex(name).Locked(context.Background())
	if err != nil {
		t.Error(err)
	}
	return held
}

// hold holds a lock until the test ends.
func (r *rig) hold(t *testing.T, name string, opts ...holdfast.Option) *holdfast.Session {
	t.Helper()
	s, err := r.locks.Mutex(name, opts...).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func gone(pid int) bool { return !alive(pid) }
