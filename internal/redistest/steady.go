package redistest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rounds of a test that needs processor time in time: see Steady.
const (
	steadyRounds = 3
	// steadyShare: a stall of more than this part of the slack excuses a round. What a round does
	// within its slack takes several steps, each of which may be as late.
	steadyShare = 4
)

// errUnsteady: no round said anything.
var errUnsteady = errors.New("the machine stalled in each of the rounds")

// Steady runs a test with many short leases on a real server. A round returns what it found wrong,
// and must bear a machine that is late by slack. If it found something, and the machine stalled
// meanwhile for more than a quarter of slack, the round says nothing: it is run again, twice at
// most, with all its times, and so the slack, multiplied by pace. What is wrong on a machine that
// does not stall fails the test at once.
func Steady(t *testing.T, slack time.Duration, round func(t *testing.T, pace time.Duration) error) {
	t.Helper()
	canary := Start(t).Client(func(o *redis.Options) { o.PoolSize = 1 })
	err := steady(slack, func(pace time.Duration) (worst time.Duration, wrong error) {
		ran := t.Run(fmt.Sprint("pace ", int(pace)), func(t *testing.T) {
			stop := stalls(func() { _ = canary.Ping(t.Context()).Err() })
			defer func() { worst = stop() }()
			wrong = round(t, pace)
		})
		if !ran {
			worst, wrong = 0, errors.New("the round could not be run")
		}
		return worst, wrong
	}, t.Logf)
	if err != nil {
		t.Error(err)
	}
}

// steady is Steady with its tools.
func steady(slack time.Duration, round func(pace time.Duration) (worst time.Duration, wrong error), logf func(string, ...any)) error {
	for pace := time.Duration(1); pace <= steadyRounds; pace++ {
		worst, wrong := round(pace)
		if wrong == nil {
			return nil
		}
		if most := slack * pace / steadyShare; worst <= most {
			return fmt.Errorf("%w\n(the machine stalled for %v at most; %v would excuse this)", wrong, worst, most)
		}
		logf("the machine stalled for %v, so this says nothing: %v", worst, wrong)
	}
	return errUnsteady
}

// stalls notes by how much the machine is late at its worst, until stop is called: a sleep that
// ends late, or a ping, of another process, that takes long.
func stalls(ping func()) (stop func() (worst time.Duration)) {
	const pause = 10 * time.Millisecond
	quit, result := make(chan struct{}), make(chan time.Duration)
	go func() { // ends with stop
		var worst time.Duration
		for began := time.Now(); ; began = time.Now() {
			timer, last := time.NewTimer(pause), false
			select {
			case <-timer.C:
			case <-quit:
				last = true
			}
			timer.Stop()
			ping()
			worst = max(worst, time.Since(began)-pause)
			if last {
				result <- worst
				return
			}
		}
	}()
	return func() time.Duration {
		close(quit)
		return <-result
	}
}
