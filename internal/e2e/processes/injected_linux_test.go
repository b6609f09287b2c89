package processes_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/proof"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// injected is Holdfast in clients that can be told that they slept. Every other one has only
// a wall clock to learn it from.
var injected = proof.Library{Name: "injected", Fences: true, Permits: true, Injects: true, Open: openInjected}

// init makes this process a worker, if it was started as one.
func init() { proof.ChildMain(injected) }

type sleeper struct {
	proof.Contender
	slept, wall atomic.Int64
}

var sleepers atomic.Int64

func openInjected(t proof.Target) (proof.Contender, error) {
	s := &sleeper{}
	src := clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(s.slept.Load()) }}
	if sleepers.Add(1)%2 == 0 {
		src = clock.Source{Wall: func() time.Time {
			return time.Now().Round(0).Add(time.Duration(s.wall.Load()))
		}}
	}
	defer clock.Replace(src)()
	var err error
	s.Contender, err = proof.Holdfast.Open(t)
	return s, err
}

// Suspend is what both clocks show: of a machine that slept, the wall clock has run ahead.
func (s *sleeper) Suspend(d time.Duration) {
	s.slept.Add(int64(d))
	s.wall.Add(int64(d))
}

func (s *sleeper) StepWall(d time.Duration) { s.wall.Add(int64(d)) }

// TestProofInjected: clients that sleep, and whose clocks are stepped, have no lock at the
// same time, with fences in order. No other test runs beside it: they would take its processor time.
func TestProofInjected(t *testing.T) {
	strikes := redistest.Rounds(t, 20, 4)
	// The bounds of the checker bear 500 ms of disorder, and 2 s until somebody is stuck.
	redistest.Steady(t, 500*time.Millisecond, func(t *testing.T, pace time.Duration) error {
		return injectedRound(t, strikes, time.Second*pace)
	})
}

// injectedRound strikes for so many TTLs, and returns what is wrong.
func injectedRound(t *testing.T, strikes int, ttl time.Duration) error {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	suspended := 0
	var wrong []error
	result := proof.Run(t, proof.Config{
		Seed: seed, Deployment: proof.Single, Library: injected, Rounds: 1, Strikes: time.Duration(strikes) * ttl,
		Workers: 3, Clients: 6, Locks: 10, TTL: ttl, Think: ttl / 20, Only: "(injected)",
		Say: t.Logf, Round: func(h *proof.History, r *proof.Report) {
			for _, v := range r.Violations {
				var text strings.Builder
				h.Print(&text, v)
				wrong = append(wrong, errors.New(text.String()))
			}
			for _, s := range h.Sessions {
				if s.Got != 0 && proof.CodeName(s.Code) == "suspended" {
					suspended++
				}
			}
		},
	})
	faults := 0
	for name, tally := range result.Faults {
		if !strings.Contains(name, "(injected)") {
			continue // a time in which the server answered late, by itself
		}
		faults++
		if tally.Strikes < strikes/2 { // a pause of a quarter of a TTL between them would make it 4/3 of strikes
			wrong = append(wrong, fmt.Errorf("%s: only %d", name, tally.Strikes))
		}
	}
	if faults != 3 || suspended == 0 {
		wrong = append(wrong, fmt.Errorf("%d faults, %d sessions ended by sleep", faults, suspended))
	}
	return errors.Join(wrong...)
}
