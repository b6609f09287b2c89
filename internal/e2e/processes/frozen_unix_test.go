//go:build unix

package processes_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func init() { children["frozen"] = frozen }

const frozenTTL = 90 * time.Millisecond

// frozen is the process that is stopped: it looks at its context without a pause.
func frozen(addr, name string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithTTL(frozenTTL))
	defer locks.Close()
	lines := bufio.NewScanner(os.Stdin)
	for {
		s, err := locks.Mutex(name).Acquire(context.Background())
		if err != nil {
			return err
		}
		ctx := s.Context()
		fmt.Println("held")
		for last := time.Now(); ; {
			now := time.Now()
			stopped := now.Sub(last) > frozenTTL
			last = now
			err := ctx.Err() // the first look, if it was stopped before it
			if stopped {
				if err == nil {
					fmt.Println("live", now.UnixNano())
				} else {
					fmt.Println("done:", context.Cause(ctx))
				}
				break
			}
			if err != nil { // stopped within the few instructions above, or starved
				fmt.Println("done:", context.Cause(ctx))
				break
			}
		}
		if !lines.Scan() {
			return nil
		}
		_ = s.Release(context.Background())
	}
}

// TestFrozenProcess: a process that is stopped past its lease finds its context done at
// the first look, before the runtime has had the time to fire a timer.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const processes, trials = 2, 25 // trials that prove something
	for p := range processes {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			t.Parallel()
			child := startChild(t, "frozen", server.Addr(), fmt.Sprint(p))
			judged := 0
			for i := 0; judged < trials && i < 5*trials; i++ {
				child.expect(t, "held")
				stopped := time.Now()
				_ = child.cmd.Process.Signal(syscall.SIGSTOP)
				time.Sleep(2 * frozenTTL)
				_ = child.cmd.Process.Signal(syscall.SIGCONT)
				got := child.line(t)
				var at int64
				if _, err := fmt.Sscanf(got, "live %d", &at); err == nil && at < stopped.UnixNano() {
					// A busy machine had left that one goroutine aside, while the lock was renewed.
				} else if judged++; !strings.HasPrefix(got, "done: ") || !strings.Contains(got, "expired") {
					t.Errorf("trial %d: %s", i, got)
				}
				fmt.Fprintln(child.in)
			}
			if judged < trials/2 {
				t.Errorf("it was stopped in time in %d of %d trials only", judged, 5*trials)
			}
		})
	}
}
