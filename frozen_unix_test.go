//go:build unix

package holdfast_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestFrozenProcess: a process that is stopped past its lease finds its context done at
// the first look, before the runtime has had the time to fire a timer.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const processes, trials = 2, 25
	for p := range processes {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			t.Parallel()
			child := startChild(t, "frozen", server.Addr(), fmt.Sprint(p))
			for i := range trials {
				child.expect(t, "held")
				_ = child.cmd.Process.Signal(syscall.SIGSTOP)
				time.Sleep(2 * frozenTTL)
				_ = child.cmd.Process.Signal(syscall.SIGCONT)
				if got := child.line(t); !strings.HasPrefix(got, "done: ") || !strings.Contains(got, "expired") {
					t.Errorf("trial %d: %s", i, got)
				}
				fmt.Fprintln(child.in)
			}
		})
	}
}
