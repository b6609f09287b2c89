package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func newTestDirector(out io.Writer) *director {
	return &director{
		ttl:    2 * time.Second,
		team:   newTeam(workerConfig{}),
		screen: newScreen(out),
		frozen: make(map[string]bool),
	}
}

func from(worker string, ev event) teamEvent { return teamEvent{worker: worker, event: ev} }

// The director must not wave through what a sound lock never shows.
func TestDirectorObjects(t *testing.T) {
	elected := from("worker-1", event{Kind: eventElected, At: 10, Fence: 5, ValidUntil: 100})
	for _, tc := range []struct {
		name string
		ev   teamEvent
		want string // empty: no objection
	}{
		{"a larger fence", from("worker-2", event{Kind: eventElected, At: 200, Fence: 6}), ""},
		{"the same fence twice", from("worker-2", event{Kind: eventElected, At: 200, Fence: 5}), "not above 5"},
		{"a loss out of nothing", from("worker-1", event{Kind: eventContextDone, Fence: 5, Text: "lost"}), "nobody had touched"},
		{"a loss by freezing", from("worker-3", event{Kind: eventContextDone, Fence: 4}), ""},
		{"a refusal out of nothing", from("worker-1", event{Kind: eventRefused, Fence: 5, Newest: 6}), "nobody had frozen"},
		{"a refusal by freezing", from("worker-3", event{Kind: eventRefused, Fence: 4, Newest: 5, Late: true}), ""},
		{"an accepted late write", from("worker-3", event{Kind: eventWrote, Fence: 4, Late: true}), "accepted a late write"},
		{"a worker that failed", from("worker-2", event{Kind: eventFailed, Cause: "why"}), "worker-2 failed: why"},
		{"a worker that ended", from("worker-2", event{Kind: eventExited, Cause: "why"}), "worker-2 exited: why"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newTestDirector(io.Discard)
			d.frozen["worker-3"] = true
			if err := d.see(elected); err != nil {
				t.Fatal(err)
			}
			err := d.see(tc.ev)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestDirectorWaitsForSoLong(t *testing.T) {
	d := newTestDirector(io.Discard)
	never := func(teamEvent) bool { return false }
	if err := d.await(t.Context(), time.Millisecond, "nothing", never); err == nil || err.Error() != "waited 1ms for nothing" {
		t.Errorf("error %v, want what it waited for", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if err := d.await(ctx, time.Minute, "nothing", never); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want the context's cause", err)
	}
}

func TestSummaryFailsOnTwoOwners(t *testing.T) {
	for _, tc := range []struct {
		name    string
		second  int64 // election of the second term, ms after the start
		refused int
		want    string
	}{
		{"all well", 1100, 1, ""},
		{"two owners", 900, 1, "two owners at once, seen 1 times: worker-2 ran as the owner at 0.900s, within a term of worker-1"},
		{"nothing refused", 1100, 0, "no write was refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			d := newTestDirector(&out)
			d.refused = tc.refused
			d.screen.start = time.Now().Add(-5 * time.Second)
			at := func(ms int64) int64 { return d.screen.start.UnixNano() + ms*int64(time.Millisecond) }
			d.history.record("worker-1", event{Kind: eventElected, Fence: 1, At: at(0), ValidUntil: at(1000)})
			d.history.record("worker-2", event{Kind: eventElected, Fence: 2, At: at(tc.second), ValidUntil: at(3000)})
			err := d.sumUp()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if said := strings.Contains(out.String(), "Nothing went wrong"); said != (tc.want == "") {
				t.Errorf("it says that nothing went wrong: %t, with error %v", said, err)
			}
		})
	}
}
