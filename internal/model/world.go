package model

// worldSteps emits what happens to the nodes.
func (m *machine) worldSteps(s *state, emit func(state, step)) {
	if s.phase == before {
		if s.frozen == 0 && s.nodes[0] != s.nodes[1] {
			t := *s
			t.nodes[1] = t.nodes[0]
			emit(t, step{what: copied})
		}
		if s.frozen != 1 { // a freeze is noticed after a while
			m.promote(s, emit)
		}
		if m.Freeze && s.frozen == 0 {
			t := *s
			t.frozen = 1
			emit(t, step{what: freezes})
		}
	}
	if s.frozen > 0 {
		t := *s
		t.frozen, t.turn = 0, s.phase == promoted
		emit(t, step{what: thaws})
	}
	if s.turn {
		t := *s
		t.turn = false
		emit(t, step{what: turned})
	}
	if m.GiveBack && s.phase == promoted {
		for _, count := range [...]int8{0, 1} {
			t := *s
			t.phase, t.since, t.count, t.gone[1] = returned, 0, count, !m.Linger
			for j := range t.flights {
				if f := &t.flights[j]; f.hist == 0 && !m.Old {
					*f = flight{}
				}
			}
			for i := range t.clients {
				c := &t.clients[i]
				c.out = c.first[1] < 0 || !m.Late && c.last[1] >= m.grace()
			}
			emit(t, step{what: gaveBack, skew: count})
		}
	}
	if m.Leap && s.phase == promoted && !s.leapt && s.nodes[1].stampAge < m.grace()+m.Margin {
		t := *s
		t.leapt = true
		t.nodes[1].stampAge++
		emit(t, step{what: leaps})
	}
}

func (m *machine) promote(s *state, emit func(state, step)) {
	for skew := -m.Skew; skew <= m.Skew; skew++ {
		t := *s
		t.phase, t.since, t.count = promoted, 0, 0
		t.gone[0] = m.Crash
		n := &t.nodes[1]
		if n.owner == 0 && skew != 0 {
			continue
		}
		n.left = max(n.left+skew, 0)
		n.expire()
		emit(t, step{what: promotes, skew: skew})
	}
}

func (n *node) expire() {
	if n.left <= 0 {
		n.owner, n.left = 0, 0
	}
}

// tick lets all clocks go on.
func (m *machine) tick(s *state) {
	if s.frozen == 1 {
		s.frozen = 2
	}
	if s.phase != before && !(s.phase == promoted && s.frozen > 0) {
		s.since = min(s.since+1, m.Demote+1)
	}
	if s.phase != before {
		s.age = min(s.age+1, m.grace())
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		n.left--
		if i == 0 || s.phase != before || n.left <= -m.Skew {
			n.expire() // a replica does not: what is over for its master may not be over for its own clock
		}
		n.stampAge = min(n.stampAge+1, m.grace()+m.Margin)
	}
	for i := range s.clients {
		c := &s.clients[i]
		if c.sess == 1 {
			c.stage = over
		}
		c.sess, c.ref = max(c.sess-1, 0), max(c.ref-1, 0)
		for h := range c.first {
			c.last[h] = min(c.last[h]+1, m.grace())
			if c.first[h] >= 0 {
				c.first[h] = min(c.first[h]+1, m.grace())
			}
		}
		if c.fewer >= 0 {
			c.fewer = min(c.fewer+1, m.W+1)
		}
	}
	for j := range s.flights {
		s.flights[j].trust, s.flights[j].after = max(s.flights[j].trust-1, 0), false
	}
}
