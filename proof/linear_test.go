//go:build linux

package main

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-go/holdfast/internal/proof"
)

// held is a session from got to end, in which one update read a value.
func held(id, fence, asked, got, end int64, read uint16) *proof.Session {
	return &proof.Session{
		ID: id, Fence: fence, Weight: 1, Asked: asked, Got: got, LastAlive: end, Ended: end + 1,
		Uses: []proof.Use{{From: got, To: end, Fence: fence, Value: read, OK: true}},
	}
}

func TestModel(t *testing.T) {
	for name, test := range map[string]struct {
		sessions       []*proof.Session
		exclusive, all bool // without and with an excusing fault: linearizable?
		gaps           bool
	}{
		"one after the other":  {sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 11, 1, 6, 9, 1)}, exclusive: true, all: true},
		"two at once":          {sessions: []*proof.Session{held(1, 10, 1, 2, 9, 0), held(2, 11, 1, 3, 8, 1)}, all: true},
		"a smaller fence":      {sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 9, 1, 6, 9, 1)}, all: true},
		"a lost update":        {sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 11, 1, 6, 9, 0)}},
		"a value from nowhere": {sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 11, 1, 6, 9, 3)}},
		"a value of a worker that was killed": {
			sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 11, 1, 6, 9, 3)}, exclusive: true, all: true, gaps: true,
		},
		"a lost update, and a worker that was killed": {
			sessions: []*proof.Session{held(1, 10, 1, 2, 5, 0), held(2, 11, 1, 6, 9, 0)}, gaps: true,
		},
		"a session nobody looked at": {sessions: []*proof.Session{
			held(1, 10, 1, 2, 5, 0), {ID: 2, Fence: 9, Weight: 1, Asked: 1, Got: 3, Ended: 4},
		}, exclusive: true, all: true},
	} {
		h := &proof.History{Locks: []string{"lock"}, Sessions: test.sessions}
		for exclusive, want := range map[bool]bool{true: test.exclusive, false: test.all} {
			m := model(state{fence: 5}, 1, exclusive, true, test.gaps)
			if got := porcupine.CheckOperations(m, slices.Clone(operations(h, 0))); got != want {
				t.Errorf("%s, exclusive %v: linearizable %v", name, exclusive, got)
			}
		}
	}
}

// TestModelOfPermits: as many permits as there are can be held at a time; who holds some reads what who held
// all wrote.
func TestModelOfPermits(t *testing.T) {
	took := func(s *proof.Session, permits int) *proof.Session {
		s.Weight = permits
		return s
	}
	for name, test := range map[string]struct {
		sessions       []*proof.Session
		exclusive, all bool
	}{
		"two at once":          {sessions: []*proof.Session{took(held(1, 10, 1, 2, 9, 0), 2), took(held(2, 11, 1, 3, 8, 0), 3)}, exclusive: true, all: true},
		"one too many":         {sessions: []*proof.Session{took(held(1, 10, 1, 2, 9, 0), 3), took(held(2, 11, 1, 3, 8, 0), 3)}, all: true},
		"alone, then together": {sessions: []*proof.Session{took(held(1, 10, 1, 2, 5, 0), 5), took(held(2, 11, 1, 6, 9, 1), 2), took(held(3, 12, 1, 7, 9, 1), 3)}, exclusive: true, all: true},
		"alone beside another": {sessions: []*proof.Session{took(held(1, 10, 1, 2, 9, 0), 1), took(held(2, 11, 1, 3, 8, 0), 5)}, all: true},
		"an old value":         {sessions: []*proof.Session{took(held(1, 10, 1, 2, 5, 0), 5), took(held(2, 11, 1, 6, 9, 0), 2)}, all: true},
		"a smaller fence":      {sessions: []*proof.Session{took(held(1, 10, 1, 2, 5, 0), 2), took(held(2, 9, 6, 7, 9, 0), 2)}, all: true},
	} {
		h := &proof.History{Locks: []string{"proof:semaphore-5:0"}, Sessions: test.sessions}
		for exclusive, want := range map[bool]bool{true: test.exclusive, false: test.all} {
			m := model(state{fence: 5}, h.Limit(0), exclusive, true, false)
			if got := porcupine.CheckOperations(m, operations(h, 0)); got != want {
				t.Errorf("%s, exclusive %v: linearizable %v", name, exclusive, got)
			}
		}
	}
	h := &proof.History{Locks: []string{"", "proof:semaphore-5:1"}, Sessions: []*proof.Session{took(held(1, 10, 1, 2, 5, 0), 2), took(held(2, 11, 1, 6, 9, 0), 5)}}
	for _, s := range h.Sessions {
		s.Lock = 1
	}
	if ops := operations(h, 1); len(ops) != 3 {
		t.Errorf("where leases are passed on: %d operations, want those of one session", len(ops))
	}
}
