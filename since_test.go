package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// inspect is Inspect that must succeed.
func (e *env) inspect(mu *holdfast.Mutex) holdfast.Info {
	e.t.Helper()
	info, err := mu.Inspect(e.ctx())
	if err != nil {
		e.t.Fatal(err)
	}
	return info
}

// TestSince: since when a lock is held, in whatever way it was looked at.
func TestSince(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		mu, other := l.Mutex("a"), l.Mutex("b")
		if info := e.inspect(mu); !info.Since.IsZero() || info.HeldFor != 0 {
			t.Errorf("a free lock: %+v", info)
		}
		before := time.Now()
		s := e.acquire(mu)
		after := time.Now()
		time.Sleep(100 * time.Millisecond)
		e.acquire(other)
		look := func(what string, info holdfast.Info) {
			t.Helper()
			least, most := 100*time.Millisecond, time.Since(before)
			if info.HeldFor < least || info.HeldFor > most {
				t.Errorf("%s: held for %v, want %v to %v", what, info.HeldFor, least, most)
			}
			// The test and the server read the same clock here. A fence has microseconds.
			if info.Since.Before(before.Add(-time.Microsecond)) || info.Since.After(after) {
				t.Errorf("%s: since %v, want %v to %v", what, info.Since, before, after)
			}
		}
		look("Inspect", e.inspect(mu))
		found := list(t, l, "")
		look("List", found["a"])
		if younger := found["b"]; younger.HeldFor > found["a"].HeldFor-100*time.Millisecond {
			t.Errorf("b was taken 100ms later: %v, %v", younger.HeldFor, found["a"].HeldFor)
		}
		waiter(t, e, "a", "w", 1)
		queued, queue, err := mu.InspectQueue(e.ctx())
		if err != nil || len(queue) != 1 {
			t.Fatal(queue, err)
		}
		look("InspectQueue", queued)
		if _, err := l.Mutex("b").Resume(e.ctx(), "x"); !errors.Is(err, holdfast.ErrTaken) {
			t.Error(err)
		}
		before = time.Now()
		resumed, err := mu.Resume(e.ctx(), s.Token())
		if err != nil {
			t.Fatal(err)
		}
		if info := e.inspect(mu); info.Fence != resumed.Fence() || info.HeldFor > time.Since(before) {
			t.Errorf("resumed: %+v", info)
		}
		e.direct.Set(e.ctx(), "stranger", "x", time.Minute)
		if info := e.inspect(l.Mutex("stranger")); !info.Stranger || !info.Since.IsZero() || info.HeldFor != 0 {
			t.Errorf("a stranger's: %+v", info)
		}
	})
}

// TestSinceByTheServersClock: no clock but the server's has a part in it.
func TestSinceByTheServersClock(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithoutExpiry(), holdfast.WithoutRenewal()).Mutex("a")
		began := time.Now().Add(1000 * time.Hour).Truncate(time.Microsecond)
		e.fake.M.SetTime(began)
		e.acquire(mu)
		e.fake.M.SetTime(began.Add(90 * time.Second))
		if info := e.inspect(mu); info.HeldFor != 90*time.Second || !info.Since.Equal(began) {
			t.Errorf("%+v, want since %v, for 1m30s", info, began)
		}
		e.fake.M.SetTime(began.Add(-time.Second)) // the clock is set back
		if info := e.inspect(mu); info.HeldFor != 0 || !info.Since.Equal(began) {
			t.Errorf("%+v, want since %v, for 0s", info, began)
		}
	})
}

// TestSincePassed: within a process the time moves on with the fence, once Redis is told.
func TestSincePassed(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithTTL(2 * time.Second)).Mutex("a")
		if err := e.acquire(mu).Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // it listens from here on: else it passes nothing on after 10 ms
		first := e.acquire(mu)
		next := make(chan *holdfast.Session)
		go func() {
			s, _ := mu.Acquire(e.ctx())
			next <- s
		}()
		time.Sleep(500 * time.Millisecond)
		if err := first.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		second := <-next
		if info := e.inspect(mu); info.Fence != first.Fence() || info.HeldFor < 500*time.Millisecond {
			t.Errorf("passed on, and Redis is not told: %+v", info)
		}
		time.Sleep(1500 * time.Millisecond)
		// The fence of a pass runs slower than the clock by 2%.
		if info := e.inspect(mu); info.Fence != second.Fence() || info.HeldFor < 1500*time.Millisecond || info.HeldFor > 1510*time.Millisecond {
			t.Errorf("renewed since: %+v, want fence %d", info, second.Fence())
		}
		if err := second.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestForceReleaseStranger(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		if err := mu.ForceReleaseStranger(e.ctx()); err != nil {
			t.Errorf("a free lock: %v", err)
		}
		s := e.acquire(mu)
		err := mu.ForceReleaseStranger(e.ctx())
		text := fmt.Sprintf(`holdfast: force the release of "a": held under another fence: its fence is %d, and a stranger has none`, s.Fence())
		if !errors.Is(err, holdfast.ErrOtherFence) || err.Error() != text {
			t.Errorf("held by one of ours: %v, want %s", err, text)
		}
		if err := s.Check(e.ctx()); err != nil {
			t.Errorf("one of ours was not spared: %v", err)
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		e.direct.Set(e.ctx(), "a", "stranger", 0)
		got := make(chan error, 1)
		go func() {
			s, err := e.locker().Mutex("a").Acquire(e.ctx())
			if err == nil {
				err = s.Release(context.Background())
			}
			got <- err
		}()
		eventually(t, "one waits", func() bool { return e.inspect(mu).Waiters == 1 })
		if err := mu.ForceReleaseStranger(e.ctx()); err != nil {
			t.Error(err)
		}
		if err := <-got; err != nil {
			t.Errorf("who waited for the stranger: %v", err)
		}
	})
}
