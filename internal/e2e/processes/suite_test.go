// Package processes has the tests in which several processes share locks: one is stopped or killed, and
// clients of several sleep, have their clocks stepped, or count fences.
package processes_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/holdfast-go/holdfast/internal/locktest"
)

func TestMain(m *testing.M) {
	runChild()
	locktest.Main(m)
}

// children are the functions that a test runs in a process of its own.
var children = map[string]func(addr, arg string) error{}

const childEnv = "HOLDFAST_TEST_CHILD"

// runChild runs in place of the tests if this process is a child.
func runChild() {
	name := os.Getenv(childEnv)
	if name == "" {
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := children[name](os.Args[1], os.Args[2]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type child struct {
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Scanner
}

// startChild starts this binary again as one of the children. It ends when its standard
// input does, so also when the test's process is killed, and is killed by the cleanup.
func startChild(t *testing.T, name, addr, arg string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], addr, arg)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() {
		w.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd, w, bufio.NewScanner(out)}
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatal("the child is gone")
	}
	return c.out.Text()
}

func (c *child) expect(t *testing.T, want string) {
	t.Helper()
	if got := c.line(t); got != want {
		t.Fatalf("the child says %q, want %q", got, want)
	}
}
