package model

import "cmp"

// permute numbers clients of one role anew, by what they know: which of them is which does not matter. It
// returns for each new number the old one.
func (m *machine) permute(s *state) (old [clients]int8) {
	to := [dead + 1]int8{0, 1, 2, 3, detached, dead}
	changed := false
	for i := range old {
		old[i] = int8(i)
	}
	for i := range old {
		for j := range i {
			if m.Roles[j] == m.Roles[i] && m.key(s, old[i]).compare(m.key(s, old[j])) < 0 {
				old[i], old[j] = old[j], old[i]
				changed = true
			}
		}
	}
	if !changed {
		return old
	}
	was := *s
	for i, o := range old {
		to[o+1] = int8(i + 1)
		s.clients[i], s.message[i] = was.clients[o], was.message[o]
		for n := range s.nodes {
			s.nodes[n].knows[i] = was.nodes[n].knows[o]
		}
	}
	for n := range s.nodes {
		s.nodes[n].owner = to[s.nodes[n].owner]
		for i, c := range s.nodes[n].queue {
			s.nodes[n].queue[i] = to[c]
		}
	}
	for j := range s.flights {
		s.flights[j].c, s.flights[j].heir = to[s.flights[j].c], to[s.flights[j].heir]
	}
	return old
}

// key is what clients are ordered by.
type key struct {
	client  *client
	message int8
	places  [4]int8
}

func (m *machine) key(s *state, i int8) key {
	k := key{&s.clients[i], s.message[i], [4]int8{}}
	for n := range s.nodes {
		k.places[n] = int8(s.nodes[n].place(int(i)))
		k.places[n+2] = bit(s.nodes[n].owner == i+1)
	}
	return k
}

func (k key) compare(l key) int {
	c, d := k.client, l.client
	if order := cmp.Or(cmp.Compare(c.stage, d.stage), cmp.Compare(c.sess, d.sess), cmp.Compare(c.ref, d.ref),
		cmp.Compare(k.message, l.message)); order != 0 {
		return order
	}
	for n := range k.places {
		if order := cmp.Compare(k.places[n], l.places[n]); order != 0 {
			return order
		}
	}
	return cmp.Or(cmp.Compare(c.first[0], d.first[0]), cmp.Compare(c.first[1], d.first[1]),
		cmp.Compare(c.last[0], d.last[0]), cmp.Compare(c.last[1], d.last[1]), cmp.Compare(c.order, d.order),
		cmp.Compare(c.replicas, d.replicas), cmp.Compare(c.back, d.back), cmp.Compare(c.refHist, d.refHist))
}

func bit(b bool) int8 {
	if b {
		return 1
	}
	return 0
}

// sort puts what is under way in an order of its own: the order in which it was sent does not matter.
func (s *state) sort() {
	for i := range s.flights {
		for j := range i {
			if s.flights[j].compare(&s.flights[i]) < 0 {
				s.flights[i], s.flights[j] = s.flights[j], s.flights[i]
			}
		}
	}
}

func (f *flight) compare(g *flight) int {
	return cmp.Or(
		cmp.Compare(f.c, g.c), cmp.Compare(f.kind, g.kind), cmp.Compare(f.trust, g.trust),
		cmp.Compare(f.hist, g.hist), cmp.Compare(f.has, g.has), cmp.Compare(f.heir, g.heir),
		cmp.Compare(f.shows, g.shows), cmp.Compare(f.had, g.had), cmp.Compare(f.stamp, g.stamp),
		cmp.Compare(bit(f.settled[0]), bit(g.settled[0])), cmp.Compare(bit(f.settled[1]), bit(g.settled[1])),
		cmp.Compare(bit(f.got), bit(g.got)), cmp.Compare(bit(f.knows), bit(g.knows)), cmp.Compare(bit(f.after), bit(g.after)),
	)
}
