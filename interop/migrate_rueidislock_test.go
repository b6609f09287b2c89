package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// keysOf are the keys of rueidislock for a lock, at its default KeyMajority of 2.
func keysOf(name string) []string {
	return []string{"rueidislock:0:" + name, "rueidislock:1:" + name, "rueidislock:2:" + name}
}

// TestMoveRueidislock: beside rueidislock Holdfast takes two of the three keys, and when the last old worker has gone,
// the lock gets a name of its own, in two releases.
func TestMoveRueidislock(t *testing.T) {
	t.Parallel()
	lib := find("rueidislock")
	f := newFleet(t)
	ctx := t.Context()
	two := keysOf(name)[:2]
	ours := func(names []string, opts ...holdfast.Option) taker {
		return many(ctx, f.locker(opts...), names)
	}
	strangers := holdfast.WithTurnsForStrangers(time.Second, lib.gap)
	f.during("old A", 1, 2, f.old(lib))
	f.during("old B", 1, 4, f.old(lib))
	f.during("new 1, two keys", 2, 5, ours(two, strangers))
	f.during("new 2, two keys", 3, 6, ours(two, strangers))
	f.during("old A again", 3, 4, f.old(lib))
	both := append(slices.Clone(two), name)
	f.during("new 1, both names", 6, 7, ours(both))
	f.during("new 2, both names", 7, 8, ours(both))
	f.during("new 1, its own name", 8, 9, ours([]string{name}))
	f.during("new 2, its own name", 9, 9, ours([]string{name}))
	f.move()
}

// TestRueidislockKeys: a key of a rueidislock holder that is lost lets a lock on that key alone in beside it, and not
// one on two keys.
func TestRueidislockKeys(t *testing.T) {
	t.Parallel()
	lib := find("rueidislock")
	f := newFleet(t)
	ctx := t.Context()
	take := f.old(lib)
	locks := f.locker()
	for i, lost := range keysOf(name) {
		release, err := take()
		if err != nil || release == nil {
			t.Fatalf("rueidislock does not get the lock: %v", err)
		}
		waitFor(t, "all three keys", func() bool { return f.client.Exists(ctx, keysOf(name)...).Val() == 3 })
		if err := f.client.Del(ctx, lost).Err(); err != nil {
			t.Fatal(err)
		}
		s, err := locks.Mutex(lost).TryAcquire(ctx)
		if err != nil {
			t.Errorf("the lost key %s alone: %v", lost, err)
		} else if err := s.Release(ctx); err != nil {
			t.Error(err)
		}
		if _, err := locks.TryAcquireAll(ctx, keysOf(name)[:2]); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("two keys, when key %d is lost: %v, not ErrHeld", i, err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "no key", func() bool { return f.client.Exists(ctx, keysOf(name)...).Val() == 0 })
	}
	all, err := locks.TryAcquireAll(ctx, keysOf(name)[:2])
	if err != nil {
		t.Fatal(err)
	}
	defer all.Release(ctx)
	cmd, _ := lib.get(ctx, nil)
	w, err := launch(ctx, cmd.on(f.server.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if a, err := w.do(acquire(long, 0)); err != nil || a.OK || a.Error != "ErrNotLocked" {
		t.Errorf("rueidislock, while Holdfast has two keys: %+v, %v", a, err)
	}
}

// TestRueidislockTurns: with turns for strangers rueidislock gets the lock beside two busy goroutines that take two keys
// each time, since both are free at the same time then.
func TestRueidislockTurns(t *testing.T) {
	t.Parallel()
	lib := find("rueidislock")
	f := newFleet(t)
	locks := f.locker(holdfast.WithTurnsForStrangers(time.Second, lib.gap))
	busy := many(t.Context(), locks, keysOf(name)[:2])
	f.during("busy 1", 1, 3, busy)
	f.during("busy 2", 1, 3, busy)
	for i := range f.callers {
		f.callers[i].rest = 0
	}
	f.during("rueidislock", 1, 3, f.old(lib))
	f.move()
	if got := f.callers[2].side.Got; got < 2 {
		t.Errorf("rueidislock had the lock %d times in %v", got, 3*f.step)
	}
}

// TestRueidislockOneKey: Holdfast on the first key alone does not keep rueidislock out: if the answer for that key takes
// longer than TryNextAfter, 20 ms, rueidislock takes the other two. With two keys it never gets the lock.
func TestRueidislockOneKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx := t.Context()
	link := f.server.Proxy(t)
	cmd, err := find("rueidislock").get(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := launch(ctx, cmd.on(link.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	// got has rueidislock try, with an answer that is late at first, until it gets the lock or has tried often.
	got := func(tries int) bool {
		for range tries {
			link.HoldReplies()
			late := time.AfterFunc(30*time.Millisecond, link.Heal)
			a, err := w.do(acquire(long, 0))
			late.Stop()
			link.Heal()
			if err != nil {
				t.Fatal(err)
			}
			if a.OK {
				return true
			}
		}
		return false
	}
	if err := errors.Join(w.must(acquire(long, 0)), w.must(order{Op: "release"})); err != nil { // it is connected
		t.Fatal(err)
	}
	waitFor(t, "no key", func() bool { return f.client.Exists(ctx, keysOf(name)...).Val() == 0 })
	all, err := f.locker().TryAcquireAll(ctx, keysOf(name)[:2])
	if err != nil {
		t.Fatal(err)
	}
	if got(20) {
		t.Error("rueidislock gets the lock although Holdfast has two keys")
	}
	if err := errors.Join(all.Err(), all.Release(ctx)); err != nil {
		t.Fatal(err)
	}
	s, err := f.locker().Mutex(keysOf(name)[0]).Acquire(ctx, holdfast.WithWaitTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release(ctx)
	if !got(200) {
		t.Error("rueidislock never gets the lock beside Holdfast on the first key: docs/interop.md says that it may")
	}
}
