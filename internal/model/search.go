package model

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// Result is what a search found.
type Result struct {
	States  int    // that were visited
	Whole   bool   // all that can be reached
	Trace   string // how two sessions came to be live, or a waiter lost its place; "" if never
	GivenBy [2]int // sessions that began by a gift of H1, of H2
}

// Search visits the states of w, in which the rules off are turned off, nearest first, until a rule's
// purpose is broken or there are no more, or most have been visited.
//
// States are told apart by a hash of 64 bits: that two of some millions share one has a probability
// below one in a million.
func Search(w World, off Rules, most int) Result {
	r := &search{machine: machine{World: w, off: off}, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{})}
	level, ids := []state{r.start()}, []int32{0}
	r.from = append(r.from, origin{-1, 0})
	for len(level) > 0 {
		r.next, r.ids = nil, nil
		for k := range level {
			broken := r.expand(&level[k], ids[k])
			if r.States = len(r.from); broken > 0 {
				r.Trace = r.replay(r.way(ids[k], broken))
				return r.Result
			}
			if r.States > most {
				return r.Result
			}
		}
		level, ids = r.next, r.ids
	}
	r.Whole = true
	return r.Result
}

// search is a search under way.
type search struct {
	machine
	Result
	seed maphash.Seed
	seen map[uint64]struct{}
	from []origin // of each state that was visited
	next []state  // those to visit after this level
	ids  []int32  // their places in from
}

// origin says how a state was reached: which state is before it, and which of its steps was made, from 1 on.
type origin struct{ parent, choice int32 }

// expand finds what comes after s. It returns the step that breaks a promise, or 0.
func (r *search) expand(s *state, id int32) (broken int32) {
	choice := int32(0)
	r.steps(s, func(t state, st step) {
		choice++
		if broken > 0 {
			return
		}
		if r.broken(s, &t, st) != "" {
			broken = choice
			return
		}
		r.forget(&t)
		hash := maphash.Comparable(r.seed, t)
		if _, old := r.seen[hash]; old {
			return
		}
		r.seen[hash] = struct{}{}
		r.count(s, &t, st)
		r.next, r.ids = append(r.next, t), append(r.ids, int32(len(r.from)))
		r.from = append(r.from, origin{id, choice})
	})
	return broken
}

// way returns the choices from the start to the state at and one more, last first.
func (r *search) way(at, last int32) []int32 {
	choices := []int32{last}
	for ; r.from[at].parent >= 0; at = r.from[at].parent {
		choices = append(choices, r.from[at].choice)
	}
	return choices
}

// count counts a new session.
func (r *Result) count(s, t *state, st step) {
	if st.what != received && st.what != messaged {
		return
	}
	if s.clients[st.c].stage == asking && t.clients[st.c].sess > 0 {
		r.GivenBy[st.node]++
	}
}

// broken says which promise the step from s to t broke, or "".
func (m *machine) broken(s, t *state, st step) string {
	for i := range t.clients {
		for j := range i {
			a, b := &t.clients[i], &t.clients[j]
			same := m.Roles[i] == Resumer && m.Roles[j] == Resumer // one takes the token from the other on purpose
			if a.sess > 0 && b.sess > 0 && !a.taken && !b.taken && !same {
				return fmt.Sprintf("%s and %s are live at once", m.name(j), m.name(i))
			}
		}
	}
	if (st.what == ran || st.what == ranAndReceived) && st.kind == ask {
		was, is := s.nodes[st.node].place(st.c), t.nodes[st.node].place(st.c)
		if was > 0 && is > was {
			return fmt.Sprintf("%s waited at place %d and was put back to %d", m.name(st.c), was, is)
		}
	}
	return ""
}

func (n *node) place(i int) int {
	for at, c := range n.queue {
		if c == int8(i+1) {
			return at + 1
		}
	}
	return 0
}

// replay tells the steps of a way through the states, choices last first.
func (m *machine) replay(choices []int32) string {
	var b strings.Builder
	s, ticks := m.start(), 0
	m.names = [clients]int8{0, 1, 2}
	for k := len(choices) - 1; k >= 0; k-- {
		n := int32(0)
		var found state
		var did step
		m.steps(&s, func(t state, st step) {
			if n++; n == choices[k] {
				found, did = t, st
			}
		})
		if did.what == ticked {
			ticks++
		} else {
			fmt.Fprintf(&b, "\t%2d  %s\n", ticks, m.words(&s, &found, did))
		}
		if why := m.broken(&s, &found, did); why != "" {
			fmt.Fprintf(&b, "\t%2d  BROKEN: %s\n", ticks, why)
			return b.String()
		}
		names := m.names
		for i, old := range m.forget(&found) {
			m.names[i] = names[old]
		}
		s = found
	}
	return b.String()
}
