package task_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWait: Wait returns when the last task has ended, not before, whoever runs it and however it
// ends.
func TestWait(t *testing.T) {
	for name, c := range map[string]struct {
		start func(*task.Group)
		waits time.Duration
	}{
		"nothing": {func(*task.Group) {}, 0},
		"a goroutine": {func(g *task.Group) {
			g.Go(func() { time.Sleep(time.Second) })
		}, time.Second},
		"two, one after the other": {func(g *task.Group) {
			g.Go(func() { time.Sleep(2 * time.Second) })
			g.Go(func() { time.Sleep(time.Second) })
		}, 2 * time.Second},
		"one that starts another": {func(g *task.Group) {
			g.Go(func() {
				time.Sleep(time.Second)
				g.Go(func() { time.Sleep(time.Second) })
			})
		}, 2 * time.Second},
		"a caller's own": {func(g *task.Group) {
			g.Enter()
			time.AfterFunc(time.Second, g.Leave)
		}, time.Second},
		"one that has ended": {func(g *task.Group) {
			g.Enter()
			g.Leave()
		}, 0},
		"one that leaves by Goexit": {func(g *task.Group) {
			g.Go(func() {
				time.Sleep(time.Second)
				runtime.Goexit()
			})
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g task.Group
				c.start(&g)
				began := time.Now()
				g.Wait()
				if took := time.Since(began); took != c.waits {
					t.Errorf("Wait took %v, not %v", took, c.waits)
				}
			})
		})
	}
}

// TestWaitTwice: several wait at once, and again later.
func TestWaitTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g task.Group
		for range 2 {
			g.Go(func() { time.Sleep(time.Second) })
			began := time.Now()
			var waiters sync.WaitGroup
			for range 3 {
				waiters.Go(g.Wait)
			}
			waiters.Wait()
			if took := time.Since(began); took != time.Second {
				t.Errorf("they waited for %v", took)
			}
		}
	})
}

// TestEnterWhileWaiting: tasks that come and go while somebody waits, as a WaitGroup does not allow.
func TestEnterWhileWaiting(t *testing.T) {
	var g task.Group
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					g.Enter()
					g.Leave()
				}
			}
		})
	}
	for range 1000 {
		g.Wait()
	}
	close(stop)
	callers.Wait()
	g.Wait()
}
