package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// fleet is a race whose callers come and go, as the workers of a fleet do that moves from one lock library to
// another without stopping.
type fleet struct {
	*testing.T
	race    *race
	server  *redistest.Server
	client  *redis.Client
	step    time.Duration // how long each step of the move takes
	names   []string
	callers []caller
}

const (
	// aStep is long enough for each to get the lock often.
	aStep = 1600 * time.Millisecond
	// longestWait is what docs/interop.md says of a move: nobody waits for longer.
	longestWait = 5 * time.Second
)

func newFleet(t *testing.T) *fleet {
	server := redistest.Start(t)
	f := &fleet{T: t, server: server, client: server.Client(), step: aStep}
	f.race = &race{client: f.client}
	return f
}

// old starts a worker of the library.
func (f *fleet) old(lib *library) taker {
	f.Helper()
	cmd, err := lib.get(f.Context(), testStore(f.T))
	if err != nil {
		lack(f.T, err)
	}
	w, err := launch(f.Context(), cmd.on(f.server.Addr()))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(w.close)
	return theirs(lib, w)
}

// locker is a Locker with a client of its own: another process, as far as Redis can tell.
func (f *fleet) locker(opts ...holdfast.Option) *holdfast.Locker {
	locks := holdfast.New(f.server.Client(), append(opts, holdfast.WithLogger(nil))...)
	f.Cleanup(func() { _ = locks.Close() })
	return locks
}

// during has a worker take part from the beginning of one step to the end of another.
func (f *fleet) during(name string, first, last int, take taker) {
	f.names = append(f.names, fmt.Sprintf("%s in steps %d to %d", name, first, last))
	at := func(step int) time.Time { return time.Time{}.Add(time.Duration(step) * f.step) } // moved by move
	f.callers = append(f.callers, caller{side: new(side), rest: rest, take: take, from: at(first - 1), until: at(last)})
}

// move goes through the steps, and demands that no update is lost, and that everyone gets the lock and nobody
// waits for longer than longestWait.
func (f *fleet) move() {
	f.Helper()
	begin := time.Now()
	for i := range f.callers {
		c := &f.callers[i]
		c.from, c.until = begin.Add(c.from.Sub(time.Time{})), begin.Add(c.until.Sub(time.Time{}))
	}
	_, err := f.race.run(f.Context(), f.callers)
	if err != nil {
		f.Error(err)
	}
	for i, c := range f.callers {
		f.Logf("%-36s %4d times, longest wait %v", f.names[i], c.side.Got, c.side.Longest.Round(time.Millisecond))
		if c.side.Got+c.side.Late == 0 || c.side.GaveUp > 0 || c.side.Longest > longestWait {
			f.Errorf("%s: got the lock %d times, gave up %d times, waited for up to %v", f.names[i], c.side.Got, c.side.GaveUp, c.side.Longest)
		}
	}
}

// TestMove: a fleet goes over from a library to Holdfast while it works, one worker after the other, and back and forth
// once, as docs/interop.md says.
func TestMove(t *testing.T) {
	for _, candidates := range [][]string{{"redsync"}, {"redislock"}, {"redis-py-4.3", "redis-py-6.1", "redis-py-6.4"}} {
		t.Run(candidates[0], func(t *testing.T) {
			t.Parallel()
			lib := ofMachine(t, testStore(t), candidates...)
			f := newFleet(t)
			ctx := t.Context()
			strangers := holdfast.WithTurnsForStrangers(time.Second, lib.gap)
			ours := func(opts ...holdfast.Option) taker {
				return f.race.ours(ctx, f.locker(opts...).Mutex(lib.holdfastKey()))
			}

			f.during("old A", 1, 2, f.old(lib)) // 1: the old fleet; 2: the first new worker
			f.during("old B", 1, 3, f.old(lib)) // 3: the second
			f.during("old C", 1, 5, f.old(lib)) // 4: the third, and one goes back to the old release
			f.during("new 1", 2, 7, ours(strangers))
			f.during("new 2", 3, 3, ours(strangers))
			f.during("old A again", 4, 5, f.old(lib))
			f.during("new 2 again", 5, 7, ours(strangers))
			f.during("new 3", 4, 6, ours(strangers)) // 6: Holdfast alone
			f.during("new 3, without turns", 7, 8, ours())
			f.during("new 1, without turns", 8, 8, ours())
			f.move()
		})
	}
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s: not %s", what)
		}
	}
}
