package redistest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSteady says which rounds are run again, and what becomes of their errors.
func TestSteady(t *testing.T) {
	const slack = 400 * time.Millisecond
	wrong := errors.New("two owners")
	type round struct {
		wrong error
		worst time.Duration
	}
	for name, tc := range map[string]struct {
		rounds []round
		want   error
	}{
		"good":                {[]round{{nil, 0}}, nil},
		"good despite stalls": {[]round{{nil, time.Second}}, nil},
		"wrong":               {[]round{{wrong, 100 * time.Millisecond}}, wrong},
		"good again":          {[]round{{wrong, 101 * time.Millisecond}, {nil, 0}}, nil},
		"wrong again":         {[]round{{wrong, 101 * time.Millisecond}, {wrong, 200 * time.Millisecond}}, wrong},
		"never steady":        {[]round{{wrong, time.Second}, {wrong, time.Second}, {wrong, time.Second}}, errUnsteady},
	} {
		t.Run(name, func(t *testing.T) {
			var paces []time.Duration
			logged := 0
			err := steady(slack, func(pace time.Duration) (time.Duration, error) {
				paces = append(paces, pace)
				r := tc.rounds[pace-1]
				return r.worst, r.wrong
			}, func(string, ...any) { logged++ })
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if want := []time.Duration{1, 2, 3}[:len(tc.rounds)]; !slices.Equal(paces, want) {
				t.Errorf("paces %v, want %v", paces, want)
			}
			if tc.want == wrong && !strings.Contains(err.Error(), "would excuse this") {
				t.Errorf("it does not say how steady the machine was: %v", err)
			}
			if again := len(tc.rounds) - 1; tc.want != errUnsteady && logged != again {
				t.Errorf("%d rounds logged, want %d", logged, again)
			}
		})
	}
}

// TestStalls: a server that is late is seen, also if it has not answered at the end.
func TestStalls(t *testing.T) {
	t.Parallel()
	s := Start(t)
	c := s.Client()
	for _, name := range []string{"in the midst", "at the end"} {
		const late = 300 * time.Millisecond
		stop := stalls(func() { _ = c.Ping(t.Context()).Err() })
		time.Sleep(50 * time.Millisecond)
		s.Stop()
		time.AfterFunc(late, s.Cont)
		if name == "in the midst" {
			time.Sleep(late + 100*time.Millisecond)
		}
		if worst := stop(); worst < late*9/10 {
			t.Errorf("%s: %v", name, worst)
		}
	}
}

// TestSteadyPace: the rounds' own cleanups are over before the next one begins.
func TestSteadyPace(t *testing.T) {
	t.Parallel()
	var open int
	Steady(t, time.Nanosecond, func(t *testing.T, pace time.Duration) error {
		if open != 0 {
			t.Errorf("pace %d: %d rounds are open", pace, open)
		}
		open++
		t.Cleanup(func() { open-- })
		time.Sleep(30 * time.Millisecond) // no sleep ends to the nanosecond
		if pace < steadyRounds {
			return errors.New("not yet")
		}
		return nil
	})
}
