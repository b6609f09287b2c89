package drain_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/drain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestDrained: the channel is closed when the last function leaves, and not before.
func TestDrained(t *testing.T) {
	var d drain.Drain[int]
	none := func(when string) {
		t.Helper()
		if d.Drained() != nil || d.Working() {
			t.Errorf("%s: a function seems to be running", when)
		}
	}
	none("at first")
	d.Enter()
	first := d.Drained()
	if first == nil || closed(first) || !d.Working() {
		t.Error("one has entered, and seems not to be running")
	}
	d.Enter()
	if d.Drained() != first {
		t.Error("one Drain has two channels at a time")
	}
	d.Leave()
	if closed(first) || !d.Working() {
		t.Error("one of two has left, and none seems to be running")
	}
	d.Leave()
	if !closed(first) {
		t.Error("the last has left, and Drained is not closed")
	}
	none("after the last has left")

	d.Enter()
	d.Leave() // nobody waits: there is no channel to close
	none("after one for which nobody waited")

	d.Enter()
	second := d.Drained()
	if second == nil || closed(second) {
		t.Error("the next to enter is not waited for")
	}
	d.Leave()
	if !closed(second) {
		t.Error("the next has left, and Drained is not closed")
	}
	none("at last")
}

// TestLeaving: the function leaves when it ends, also by a panic, and returns what it did.
func TestLeaving(t *testing.T) {
	want := errors.New("on purpose")
	for name, f := range map[string]func() error{
		"it returns": func() error { return want },
		"it panics":  func() error { panic(want) },
	} {
		var d drain.Drain[int]
		d.Enter()
		leaving := d.Leaving(func() error {
			if !d.Working() {
				t.Errorf("%s: it has left before its end", name)
			}
			return f()
		})
		func() {
			defer func() { _ = recover() }()
			if err := leaving(); err != want {
				t.Errorf("%s: error %v", name, err)
			}
		}()
		if d.Working() {
			t.Errorf("%s: it has not left", name)
		}
	}
}

// TestDrainedConcurrently: each that waits is woken, once nobody is left of those it waits for.
func TestDrainedConcurrently(t *testing.T) {
	var (
		d       drain.Drain[int]
		inside  atomic.Int32
		all     sync.WaitGroup
		waiters sync.WaitGroup
	)
	d.Enter() // until all waiters wait
	for range 8 {
		all.Go(func() {
			for range 200 {
				d.Enter()
				inside.Add(1)
				inside.Add(-1)
				d.Leave()
			}
		})
	}
	for range 8 {
		drained := d.Drained()
		waiters.Go(func() {
			<-drained
			if n := inside.Load(); n != 0 {
				t.Errorf("%d functions were running when Drained was closed", n)
			}
		})
	}
	all.Wait()
	d.Leave()
	waiters.Wait()
	if d.Working() {
		t.Error("a function seems to be running when all have left")
	}
}

// TestWaiting: Waiting counts those between Wait and Waited.
func TestWaiting(t *testing.T) {
	var d drain.Drain[int]
	for i, c := range []struct {
		call    func()
		waiting bool
	}{
		{func() {}, false},
		{d.Wait, true},
		{d.Wait, true},
		{d.Waited, true},
		{d.Waited, false},
		{d.Enter, false},
		{d.Wait, true},
		{d.Leave, true},
		{d.Waited, false},
	} {
		if c.call(); d.Waiting() != c.waiting {
			t.Errorf("after call %d Waiting is not %v", i, c.waiting)
		}
	}
}

// TestTurns: turns are taken one at a time, each as soon as the one before is over, and each finds
// what those before it left.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const turns = 5
		var (
			d   drain.Drain[[]int]
			all sync.WaitGroup
		)
		began := time.Now()
		for i := range turns {
			all.Go(func() {
				told := d.LockTurn()
				defer d.UnlockTurn()
				before := len(*told)
				*told = append(*told, i)
				time.Sleep(time.Second)
				if len(*told) != before+1 {
					t.Errorf("%d turns were taken during one", len(*told)-before)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != turns*time.Second {
			t.Errorf("%d turns of a second took %v", turns, took)
		}
		told := *d.LockTurn()
		d.UnlockTurn()
		seen := make(map[int]bool)
		for _, i := range told {
			seen[i] = true
		}
		if len(told) != turns || len(seen) != turns {
			t.Errorf("the last turn was told %v", told)
		}
	})
}

// TestTurnAndFunctions: a turn does not wait for the functions, nor they for it.
func TestTurnAndFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drain.Drain[string]
		d.Enter()
		drained := d.Drained()
		*d.LockTurn() = "ended"
		d.Enter()
		d.Leave()
		d.Leave()
		if !closed(drained) {
			t.Error("the functions have left, and Drained is not closed")
		}
		var told string
		go func() {
			told = *d.LockTurn()
			d.UnlockTurn()
		}()
		synctest.Wait()
		if told != "" {
			t.Error("two have the turn at once")
		}
		d.UnlockTurn()
		synctest.Wait()
		if told != "ended" {
			t.Errorf("the next turn was told %q", told)
		}
	})
}

// TestAwait: it waits for what is running, or for the end of its context, and looks before, and when it gives up.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drain.Drain[int]
		var looked []bool // whether somebody waited
		look := func() { looked = append(looked, d.Waiting()) }
		if !d.Await(t.Context(), look) || looked != nil {
			t.Error("it waited for nothing", looked)
		}
		d.Enter()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d.Await(ctx, look) || time.Since(began) != time.Second {
			t.Error("it did not end with its context", time.Since(began))
		}
		time.AfterFunc(time.Second, d.Leave)
		if !d.Await(t.Context(), look) || time.Since(began) != 2*time.Second {
			t.Error("it did not end with the function", time.Since(began))
		}
		if !slices.Equal(looked, []bool{true, false, true}) {
			t.Error(looked)
		}
	})
}
