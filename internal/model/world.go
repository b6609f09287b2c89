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
	m.giveBack(s, emit)
	if m.Joins && !s.joined && !s.gone[0] && s.frozen == 0 {
		t := *s
		t.joined = true
		t.replicas |= replicaD
		emit(t, step{what: joins})
	}
	if m.Leap && s.phase == promoted && !s.leapt && s.nodes[1].stampAge < m.grace()+m.Margin {
		t := *s
		t.leapt = true
		t.nodes[1].stampAge++
		emit(t, step{what: leaps})
	}
}

// giveBack emits how A comes to be the master of all again, and B to be its replica.
func (m *machine) giveBack(s *state, emit func(state, step)) {
	if m.GiveBack && s.phase == promoted {
		for _, follows := range [...]bool{false, true} {
			t := *s
			t.phase, t.since, t.gone[1] = returned, 0, !m.Linger
			if follows {
				t.replicas |= replicaB
				t.gone[1] = true
			}
			for j := range t.flights {
				if f := &t.flights[j]; f.hist == 0 && !m.Old {
					*f = flight{}
				}
			}
			for i := range t.clients {
				c := &t.clients[i]
				c.out = c.first[1] < 0 || !m.Late && c.last[1] >= m.grace()
			}
			emit(t, step{what: gaveBack})
		}
	}
	if s.phase == returned && s.replicas&replicaB == 0 {
		t := *s
		t.replicas |= replicaB
		t.gone[1] = true
		emit(t, step{what: follows})
	}
}

func (m *machine) promote(s *state, emit func(state, step)) {
	for skew := -m.Skew; skew <= m.Skew; skew++ {
		t := *s
		t.phase, t.since, t.replicas = promoted, 0, s.replicas&^replicaB
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

// older is the age of a stamp a tick later.
func (m *machine) older(age int8) int8 { return max(age, min(age+1, m.grace()+m.Margin)) }

// tick lets all clocks go on.
func (m *machine) tick(s *state) {
	if s.frozen == 1 {
		s.frozen = 2
	}
	if s.phase == promoted && s.frozen == 0 {
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
		n.stampAge = m.older(n.stampAge)
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
				c.born[h] = m.older(c.born[h])
			}
		}
		if c.back >= 0 {
			c.back = min(c.back+1, m.grace())
		}
		if c.fewer >= 0 {
			c.fewer = min(c.fewer+1, m.W+1)
		}
	}
	for j := range s.flights {
		s.flights[j].trust, s.flights[j].after = max(s.flights[j].trust-1, 0), false
	}
}
