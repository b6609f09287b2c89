package model

// What a step is.
const (
	ticked = iota
	copied
	promotes
	freezes
	thaws
	turned
	gaveBack
	follows
	joins
	leaps
	sent
	ran
	ranAndReceived
	dropped
	received
	messaged
)

// step says what was done, to tell it in words.
type step struct {
	what       int
	c, node    int
	kind, heir int8
	flight     int
	skew       int8
}

// steps emits every state that can come next, always in the same order.
func (m *machine) steps(s *state, emit func(state, step)) {
	m.worldSteps(s, emit)
	for j := range s.flights {
		if f := &s.flights[j]; f.c > 0 {
			m.flightSteps(s, j, emit)
		}
	}
	for i := range s.clients {
		if s.message[i] > 0 {
			t := *s
			m.told(&t, i)
			emit(t, step{what: messaged, c: i, node: int(s.message[i] - 1)})
		}
		m.sends(s, i, emit)
	}
	t := *s
	m.tick(&t)
	emit(t, step{what: ticked})
}

func (m *machine) flightSteps(s *state, j int, emit func(state, step)) {
	f := &s.flights[j]
	st := step{c: int(f.c - 1), kind: f.kind, heir: f.heir, flight: j}
	t := *s
	t.flights[j] = flight{}
	st.what = dropped
	emit(t, st)
	if f.hist > 0 {
		m.receive(&t, *f)
		st.what, st.node = received, int(f.hist-1)
		emit(t, st)
		return
	}
	for i := range s.nodes {
		if !m.answers(s, i) {
			continue
		}
		st.what, st.node = ran, i
		t := *s
		m.run(&t, j, i, false)
		m.deliver(&t, j, st, emit)
		if s.message != [clients]int8{} {
			t := *s
			m.run(&t, j, i, true)
			m.deliver(&t, j, st, emit)
		}
	}
}

// deliver emits what becomes of the answer in flight j, which has just been made. If it gives something it is
// under way. Else it comes at once or never, unless World.Slow: late it would do less harm.
func (m *machine) deliver(s *state, j int, st step, emit func(state, step)) {
	f := s.flights[j]
	if f.hist == 0 || m.Slow || f.got && f.kind != renew && f.kind != extend {
		emit(*s, st)
		return
	}
	t := *s
	t.flights[j] = flight{}
	emit(t, st)
	m.receive(&t, f)
	st.what = ranAndReceived
	emit(t, st)
}

// forget makes states equal that differ only in what no step reads any more.
func (m *machine) forget(s *state) (moved [clients]int8) {
	if s.phase == promoted && s.since > m.Demote && !m.GiveBack {
		s.gone[0] = true
	}
	for i, gone := range s.gone {
		if gone {
			s.nodes[i] = node{}
		}
	}
	if s.gone[0] {
		s.replicas, s.since, s.frozen, s.turn = 0, 0, 0, false
	}
	for j := range s.flights {
		f := &s.flights[j]
		if f.c > 0 && s.clients[f.c-1].stage == over && f.kind != force {
			*f = flight{}
		}
		if f.hist == 0 && s.gone[0] {
			f.settled[0], f.has = false, 0
		}
	}
	for i := range s.clients {
		m.forgetClient(s, i)
	}
	moved = m.permute(s)
	s.sort()
	return moved
}

func (m *machine) forgetClient(s *state, i int) {
	c := &s.clients[i]
	under, old := false, s.message[i] == 1 // requests or answers under way; of H1
	for j := range s.flights {
		if f := &s.flights[j]; f.c == int8(i+1) {
			under = true
			old = old || f.hist == 1
		}
	}
	if c.stage == releasing && !under && s.nodes[0].owner != int8(i+1) && s.nodes[1].owner != int8(i+1) {
		c.stage = over
	}
	if c.stage != asking || c.ref == 0 {
		c.ref, c.refHist, c.refKnows, c.refAfter = 0, 0, false, false
	}
	if c.stage != asking {
		s.message[i] = 0
	}
	if s.message[i] == 0 {
		c.refKnows = false
		for n := range s.nodes {
			s.nodes[n].knows[i] = false
		}
		for j := range s.flights {
			if s.flights[j].c == int8(i+1) {
				s.flights[j].knows = false
			}
		}
	}
	if c.stage == over {
		*c = client{stage: over}
		for j := range s.nodes {
			n := &s.nodes[j]
			n.dequeue(int8(i + 1))
			if n.owner == int8(i+1) && m.Roles[i] == Resumer {
				n.owner = detached
			} else if n.owner == int8(i+1) {
				n.owner = dead
			}
		}
		return
	}
	m.forgetHistories(s, c, old)
}

// forgetHistories is forgetClient for what it knows of the histories. old: H1 may yet tell it something.
func (m *machine) forgetHistories(s *state, c *client, old bool) {
	if s.gone[0] && !old && c.order != 1 && (c.order == 2 || c.first[0] >= 0) {
		c.order, c.first[0], c.replicas, c.fewer, c.back = 2, -1, -1, -1, -1
		c.last, c.born, c.looked[0] = [2]int8{1, 0}, [2]int8{}, false
	}
	if c.order != 1 { // only the younger history's last answer counts, or that there was one in this tick
		c.last[0] = min(c.last[0], 1)
		if !m.Freeze {
			c.last[0] = 1
		}
	}
	if !m.GiveBack && (!m.Freeze || m.on(ForGood)) { // A never comes to be settled again, nor to count as one without replicas
		c.fewer = -1
		if c.order == 2 && m.on(Younger) {
			c.first[0], c.last[1] = -1, 0
		}
	}
	if c.order != 2 && !m.GiveBack {
		c.last[1] = m.grace()
	}
	if !m.Looks {
		c.born, c.looked = [2]int8{}, [2]bool{}
	}
	if c.first[1] >= 0 && !m.Looks {
		c.first[1] = 0
	}
}
