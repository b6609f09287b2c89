package main

import "testing"

// A history in which worker-1 is lost at 100 and worker-2 follows at 110.
func twoTerms() *history {
	var h history
	h.record("worker-1", event{Kind: eventElected, At: 10, Fence: 1, ValidUntil: 60})
	h.record("worker-1", event{Kind: eventWrote, At: 50, Fence: 1, ValidUntil: 100, Looks: []int64{20, 30, 40, 50}})
	h.record("worker-2", event{Kind: eventElected, At: 110, Fence: 2, ValidUntil: 200})
	h.record("worker-2", event{Kind: eventWrote, At: 130, Fence: 2, ValidUntil: 220, Looks: []int64{110, 120, 130}})
	return &h
}

func TestTwoOwners(t *testing.T) {
	for _, tc := range []struct {
		name string
		then func(h *history)
		want []int64
	}{
		{"one after the other", func(*history) {}, nil},
		{"a late report of the end", func(h *history) {
			// Frozen from 50 to 150: no code ran, and its validity ended at 100.
			h.record("worker-1", event{Kind: eventContextDone, At: 150, Fence: 1})
		}, nil},
		{"live when thawed", func(h *history) {
			h.record("worker-1", event{Kind: eventContextDone, At: 150, Fence: 1, Looks: []int64{125, 135}})
		}, []int64{125, 135}},
		{"writes when thawed, vouching for itself", func(h *history) {
			h.record("worker-1", event{Kind: eventWrote, At: 125, Fence: 1, ValidUntil: 180, Looks: []int64{125}})
		}, []int64{110, 110, 120, 125, 130}},
		{"refused but live", func(h *history) {
			h.record("worker-1", event{Kind: eventRefused, At: 125, Fence: 1, Looks: []int64{125}})
		}, []int64{125}},
		{"a write on purpose, without a look", func(h *history) {
			h.record("worker-1", event{Kind: eventRefused, At: 125, Fence: 1, Late: true})
		}, nil},
		{"a successor elected too early", func(h *history) {
			h.record("worker-3", event{Kind: eventElected, At: 190, Fence: 3, ValidUntil: 290})
		}, []int64{190}},
		{"a successor after a resignation", func(h *history) {
			h.record("worker-2", event{Kind: eventResigned, At: 189, Fence: 2, Looks: []int64{140, 189}})
			h.record("worker-3", event{Kind: eventElected, At: 190, Fence: 3, ValidUntil: 290})
		}, nil},
		{"a successor before the resignation", func(h *history) {
			h.record("worker-2", event{Kind: eventResigned, At: 191, Fence: 2, Looks: []int64{140, 191}})
			h.record("worker-3", event{Kind: eventElected, At: 190, Fence: 3, ValidUntil: 290})
		}, []int64{190, 191}},
		{"a successor after a kill", func(h *history) {
			h.killed("worker-2", 2, 140)
			h.record("worker-3", event{Kind: eventElected, At: 190, Fence: 3, ValidUntil: 290})
		}, nil},
		{"the same worker again", func(h *history) {
			h.record("worker-2", event{Kind: eventElected, At: 190, Fence: 3, ValidUntil: 290})
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := twoTerms()
			tc.then(h)
			got := h.twoOwners(195)
			if len(got) != len(tc.want) {
				t.Fatalf("moments %v, want those at %v", got, tc.want)
			}
			for i, m := range got {
				if m.at != tc.want[i] {
					t.Errorf("moment %d is %v, want it at %d", i, m, tc.want[i])
				}
			}
		})
	}
}

func TestTwoOwnersNamesBoth(t *testing.T) {
	h := twoTerms()
	h.record("worker-1", event{Kind: eventContextDone, At: 150, Fence: 1, Looks: []int64{125}})
	got := h.twoOwners(195)
	if want := (moment{at: 125, looked: "worker-1", owner: "worker-2"}); len(got) != 1 || got[0] != want {
		t.Errorf("moments %v, want %v alone", got, want)
	}
	if n := h.looks(); n != 8 {
		t.Errorf("%d looks, want 8", n)
	}
}
