package ticktest

import (
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSummarize: two runs at once, ticks that ran twice, and those that did not run are found.
func TestSummarize(t *testing.T) {
	plan := Plan{Jobs: 1, Ticks: 2}
	event := func(what string, tick int64, pid int) Event {
		return Event{What: what, Job: "job-0", Tick: tick, Run: tick + 1, Pid: pid}
	}
	killed := Event{What: Killed, Pid: 1}
	for name, c := range map[string]struct {
		events       []Event
		alone, times string // a part of the error, or "" for none
	}{
		"all well":             {[]Event{event(Begun, 0, 1), event(Ended, 0, 1), event(Begun, 1, 2), event(Ended, 1, 2)}, "", ""},
		"killed":               {[]Event{event(Begun, 0, 1), killed, event(Begun, 1, 2)}, "", ""},
		"its context was done": {[]Event{event(Begun, 0, 1), event(Done, 0, 1), event(Begun, 1, 2)}, "", ""},
		"another was killed":   {[]Event{event(Begun, 0, 3), killed, event(Begun, 1, 2)}, "tick 1 of job-0 began in process 2 while tick 0 ran in process 3", ""},
		"another has ended":    {[]Event{event(Begun, 0, 1), event(Ended, 0, 2), event(Begun, 1, 2)}, "two runs of one job at once, 1 times", ""},
		"twice":                {[]Event{event(Begun, 0, 1), event(Ended, 0, 1), event(Begun, 0, 2), event(Ended, 0, 2), event(Begun, 1, 1)}, "", "1 of 2 ticks are wrong, among them: [tick 0 of job-0 ran 2 times]"},
		"left out":             {[]Event{event(Begun, 1, 1)}, "", "tick 0 of job-0 ran 0 times"},
		"one that is none":     {[]Event{event(Begun, 0, 1), event(Ended, 0, 1), event(Begun, 1, 1), event(Ended, 1, 1), event(Begun, 2, 1)}, "", "1 ticks ran that are none"},
	} {
		s := Summarize(c.events)
		for what, got := range map[string]struct {
			err  error
			want string
		}{"alone": {s.Alone(), c.alone}, "times": {s.Times(1, plan), c.times}} {
			if got.want == "" != (got.err == nil) || got.err != nil && !strings.Contains(got.err.Error(), got.want) {
				t.Errorf("%s: %s: %v, want %q", name, what, got.err, got.want)
			}
		}
	}
	if s := Summarize([]Event{event(Begun, 0, 1), event(Ended, 0, 1), event(Begun, 0, 2)}); s.Twice() != 1 || !reflect.DeepEqual(s.Processes, map[int]int{1: 1, 2: 1}) {
		t.Errorf("%+v", s)
	}
}
