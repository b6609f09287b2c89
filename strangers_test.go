package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// turnEvery is how often strangers have a turn, and turnGap how long they have the lock to
// themselves then: on a real server so long that a busy machine finds the time to look.
func (e *env) turnEvery() time.Duration { return e.short(300 * time.Millisecond) }
func (e *env) turnGap() time.Duration   { return e.short(200 * time.Millisecond) }

// turns is the option that leaves the lock to strangers from time to time.
func (e *env) turns() holdfast.Option {
	return holdfast.WithTurnsForStrangers(e.turnEvery(), e.turnGap())
}

// TestStrangersTurn: when it is time, a release leaves the lock free although others wait, none
// of ours gets it before the gap has ended, with the option or without, and then the first in
// the queue gets it at once.
func TestStrangersTurn(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(4)
		s := e.acquire(lockers[0].Mutex("turn", e.turns()))
		first := e.wait(lockers[1].Mutex("turn"))
		time.Sleep(e.turnEvery())
		e.must(s.Release(e.ctx()))
		freed := time.Now()
		if held(t, e, "turn") {
			t.Fatal("the lock is held after the release")
		}
		if _, err := lockers[2].Mutex("turn").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("TryAcquire within the gap: %v", err)
		}
		second := e.wait(lockers[3].Mutex("turn"))
		if held(t, e, "turn") {
			t.Error("one of ours has taken the lock within the gap")
		}
		s = <-first
		if gap := time.Since(freed); gap < e.turnGap()-5*time.Millisecond || gap > e.atMost(e.turnGap()+150*time.Millisecond) {
			t.Errorf("the first had the lock %v after the release, the gap is %v", gap, e.turnGap())
		}
		e.must(s.Release(e.ctx())) // without the option, and soon: it is handed on
		s = <-second
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnTold: the first in the queue, whom nobody else's request serves, is told when
// to ask.
func TestStrangersTurnTold(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(2)
		s := e.acquire(lockers[0].Mutex("told", e.turns()))
		first := e.wait(lockers[1].Mutex("told"))
		time.Sleep(e.turnEvery())
		e.must(s.Release(e.ctx()))
		freed := time.Now()
		s = <-first
		if gap := time.Since(freed); gap > e.atMost(e.turnGap()+150*time.Millisecond) {
			t.Errorf("the first had the lock %v after the release, the gap is %v", gap, e.turnGap())
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnTaken: a stranger that takes the lock in its turn holds it like any other
// stranger, and the first in the queue gets it after that.
func TestStrangersTurnTaken(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(2)
		s := e.acquire(lockers[0].Mutex("taken", e.turns()))
		first := e.wait(lockers[1].Mutex("taken"))
		time.Sleep(e.turnEvery())
		e.must(s.Release(e.ctx()))
		if ok, err := e.direct.SetNX(e.ctx(), "taken", "theirs", time.Minute).Result(); err != nil || !ok {
			t.Fatalf("the stranger gets nothing: %v", err)
		}
		time.Sleep(2 * e.turnGap())
		if len(first) > 0 || e.direct.Get(e.ctx(), "taken").Val() != "theirs" {
			t.Fatal("one of ours has what the stranger holds")
		}
		e.must(e.direct.Del(e.ctx(), "taken").Err())
		s = <-first
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnLong: who waits keeps its place also through the longest gap.
func TestStrangersTurnLong(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const gap = 10 * time.Second
		lockers, _ := e.listeners(3)
		s := e.acquire(lockers[0].Mutex("long", holdfast.WithTurnsForStrangers(gap, gap)))
		first := e.wait(lockers[1].Mutex("long"))
		second := e.wait(lockers[2].Mutex("long"))
		time.Sleep(gap)
		e.must(s.Release(e.ctx()))
		freed := time.Now()
		for time.Since(freed) < gap-200*time.Millisecond {
			time.Sleep(100 * time.Millisecond)
			_, queue, err := lockers[0].Mutex("long").InspectQueue(e.ctx())
			e.must(err)
			if len(queue) != 2 || queue[0].Alive == 0 {
				t.Fatalf("after %v of the gap: %v", time.Since(freed), queue)
			}
		}
		s = <-first
		if took := time.Since(freed); took < gap || took > gap+150*time.Millisecond {
			t.Errorf("the first had the lock %v after the release", took)
		}
		e.must(s.Release(e.ctx()))
		s = <-second
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnKept: strangers have their turn also where a minimum hold keeps the lock: when that
// has ended.
func TestStrangersTurnKept(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(3)
		opts := []holdfast.Option{e.turns(), holdfast.WithMinHold(e.turnEvery())}
		s := e.acquire(lockers[0].Mutex("kept", opts...))
		first := e.wait(lockers[1].Mutex("kept", opts...))
		e.must(s.Release(e.ctx())) // too early for a turn
		s = <-first
		got := time.Now()
		second := e.wait(lockers[2].Mutex("kept"))
		e.must(s.Release(e.ctx()))
		time.Sleep(time.Until(got.Add(e.turnEvery() + e.turnGap()/2)))
		if held(t, e, "kept") {
			t.Error("the lock is held, and the strangers have had no turn")
		}
		s = <-second
		if took := time.Since(got); took < e.turnEvery()+e.turnGap()-5*time.Millisecond || took > e.atMost(e.turnEvery()+e.turnGap()+150*time.Millisecond) {
			t.Errorf("the next had it after %v, the minimum hold is %v and the gap %v", took, e.turnEvery(), e.turnGap())
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnLeft: the gap lasts also when those who waited have left, and no longer than
// it was to last.
func TestStrangersTurnLeft(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(2)
		s := e.acquire(lockers[0].Mutex("left", e.turns()))
		ctx, cancel := context.WithCancel(e.ctx())
		gone := make(chan error, 1)
		go func() {
			_, err := lockers[1].Mutex("left").Acquire(ctx)
			gone <- err
		}()
		time.Sleep(e.turnEvery())
		e.must(s.Release(e.ctx()))
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(e.turnGap() / 4)
		if _, err := lockers[0].Mutex("left").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("within the gap: %v", err)
		}
		time.Sleep(e.turnGap())
		s, err := lockers[0].Mutex("left").TryAcquire(e.ctx())
		e.must(err)
		e.must(s.Release(e.ctx()))
		// Nothing is left that would make the next one dearer.
		s = e.acquire(lockers[0].Mutex("left"))
		if aux := e.direct.Get(e.ctx(), auxOf("left")).Val(); len(aux) < 17 || aux[16] != '-' {
			t.Errorf("%q is left", aux)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersTurnClock: a server's clock that was set back does not make the gap longer.
func TestStrangersTurnClock(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		lockers, _ := e.listeners(1)
		until := fmt.Sprintf("%016d", time.Now().Add(time.Hour).UnixMicro())
		e.must(e.direct.Set(e.ctx(), auxOf("clock"), until+"+0:17:1"+until+"0:0:0: ", time.Minute).Err())
		began := time.Now()
		s := e.acquire(lockers[0].Mutex("clock"))
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestStrangersShare: a stranger that polls every 100 ms gets its share beside two busy
// goroutines, of one process or of two.
func TestStrangersShare(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		for processes := 1; processes <= 2; processes++ {
			lockers, _ := e.listeners(processes)
			const d = 5 * time.Second
			name := "share " + strconv.Itoa(processes)
			ours := e.KeepBusy(name, lockers, d, e.turns())
			theirs, longest, last := 0, time.Duration(0), time.Now()
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				ok, err := e.direct.SetNX(e.ctx(), name, "theirs", time.Minute).Result()
				e.must(err)
				if !ok {
					continue
				}
				theirs++
				longest, last = max(longest, time.Since(last)), time.Now()
				time.Sleep(5 * time.Millisecond)
				e.must(e.direct.Del(e.ctx(), name).Err())
			}
			t.Logf("%d processes: %d by strangers, %d by ours, longest wait of the strangers %v", processes, theirs, ours(), longest)
			if most := 2*e.turnEvery() + e.turnGap(); theirs < int(d/most) || longest > most {
				t.Errorf("strangers had the lock %d times, and waited for %v", theirs, longest)
			}
		}
	})
}
