package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A hand-over in which waiters are told takes one round trip. One that takes slowHandOver longer
// than to take the lock was found by polling, or the machine is very busy. The waiter polls so
// seldom that no poll comes by chance just after the release.
const (
	trialPolls   = time.Second // varied by a quarter
	slowHandOver = trialPolls / 4
	// handOvers are tried, of which the quickest counts, but not the first: in that one the waiter
	// subscribes, and asks once more when it has, which may be just after the release.
	handOvers = 3
)

// checkTrial takes a lock, hands it over and gives it back.
func (t *target) checkTrial(ctx context.Context, locks *holdfast.Locker, name string) finding {
	const check = "trial lock"
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	aux, queue := keysBeside(name)
	// What fails half-way may leave keys without expiry.
	defer t.client.Del(context.WithoutCancel(ctx), name, aux, queue)
	// The next in line is another process, as far as Redis knows.
	other := holdfast.New(t.client, holdfast.WithRetryInterval(trialPolls), holdfast.WithLogger(nil))
	defer other.Close()
	var best trial
	for i := range handOvers {
		got, err := tryHandOver(ctx, locks.Mutex(name), other.Mutex(name))
		switch {
		case err != nil:
			return finding{check, bad, message(err), "What a program under a lock would need does not work."}
		case got.fences[1] <= got.fences[0]:
			return finding{check, bad, fmt.Sprintf("fence %d after %d", got.fences[1], got.fences[0]), "Fences must grow."}
		case i == 0:
			continue
		case i == 1:
			best = got
		}
		best.handed = min(best.handed, got.handed)
		if best.handed <= slowHandOver+best.taken {
			break
		}
	}
	found := fmt.Sprintf("taken in %v, handed over in %v", best.taken.Round(10*time.Microsecond), best.handed.Round(10*time.Microsecond))
	if best.handed > slowHandOver+best.taken {
		return finding{check, warn, found, "A hand-over takes one round trip if waiters can be notified. Here the waiter polled, once a second for this trial, or the network is slow: rights and commands say what is missing."}
	}
	return finding{check, good, found, "A hand-over takes one round trip, if waiters can be notified."}
}

// trial is how long it took to take a lock, and to hand it over.
type trial struct {
	taken, handed time.Duration
	fences        [2]int64
}

// tryHandOver takes a lock while another waits for it, and hands it over.
func tryHandOver(ctx context.Context, mine, theirs *holdfast.Mutex) (got trial, err error) {
	began := time.Now()
	first, err := mine.Acquire(ctx)
	if err != nil {
		return got, err
	}
	got.taken = time.Since(began)
	type won struct {
		s   *holdfast.Session
		err error
		at  time.Time
	}
	next := make(chan won, 1)
	go func() { // ends with ctx at the latest; next is read from below
		s, err := theirs.Acquire(ctx)
		next <- won{s, err, time.Now()}
	}()
	info, errInspect := mine.Inspect(ctx)
	for ; errInspect == nil && info.Waiters == 0 && len(next) == 0; info, errInspect = mine.Inspect(ctx) {
		time.Sleep(5 * time.Millisecond)
	}
	released := time.Now()
	errRelease := first.Release(ctx)
	second := <-next
	if second.err != nil {
		return got, second.err
	}
	got.handed, got.fences = second.at.Sub(released), [2]int64{first.Fence(), second.s.Fence()}
	return got, errors.Join(errInspect, errRelease, second.s.Release(ctx))
}
