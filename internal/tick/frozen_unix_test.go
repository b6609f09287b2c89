//go:build unix

package tick_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/tick/ticktest"
)

// TestFrozenRun: a process that is stopped past its lease finds the context of its run done at the
// first look, before the runtime has had the time to fire a timer.
func TestFrozenRun(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	log := ticktest.NewLog(server.Client())
	child := ticktest.Start(t, ticktest.Plan{Addr: server.Addr()})
	const trials = 40 // that prove something
	event := func(n int) ticktest.Event {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			events, err := log.Events(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(events) > n {
				return events[n]
			}
		}
		t.Fatal("the process says nothing")
		return ticktest.Event{}
	}
	judged := 0
	for i := 0; judged < trials && i < 5*trials; i++ {
		if e := event(2 * i); e.What != ticktest.Begun {
			t.Fatalf("trial %d: %+v", i, e)
		}
		stopped := time.Now()
		_ = child.Signal(syscall.SIGSTOP)
		time.Sleep(2 * frozenTTL)
		_ = child.Signal(syscall.SIGCONT)
		e := event(2*i + 1)
		if e.At.Before(stopped) {
			continue // a busy machine had left that one goroutine aside, while the lock was renewed, or not renewed it
		}
		if judged++; e.What != ticktest.Done {
			t.Errorf("trial %d: its context was %s", i, e.What)
		}
	}
	if judged < trials/2 {
		t.Errorf("it was stopped in time in %d of %d trials only", judged, 5*trials)
	}
	child.Stop()
	if err := child.Wait(30 * time.Second); err != nil {
		t.Error(err)
	}
}
