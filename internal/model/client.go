package model

import "math/bits"

// settled is R2: whether a client takes a gift from history h (0 for H1).
//
// Without looks, clients differ in when they had the first answer of H2: at any time from the promotion
// on. So any of them may find it settled when it is as old as the grace; send has both cases.
func (m *machine) settled(s *state, c *client, h int) bool {
	wait, age := m.grace(), c.first[h]
	if !m.on(WaitW) {
		wait = m.TTL
	}
	if !m.on(WaitTTL) {
		wait = m.W
	}
	if !m.on(FirstAnswer) {
		wait = 0
	}
	if h == 1 && !m.Looks && age >= 0 {
		age = s.age
	}
	if m.Looks && m.on(StampFirst) && !c.looked[h] {
		return false
	}
	return age >= wait && !m.unsettled(c, h)
}

// unsettled reports whether a younger history takes from h what it was.
func (m *machine) unsettled(c *client, h int) bool {
	younger := 1 - h
	if !m.on(Younger) || c.order != int8(younger+1) || !m.on(ForGood) && c.last[younger] >= m.grace() {
		return false
	}
	return h == 1 || c.back < 0 || m.on(Back) && c.back < m.grace()
}

// restore makes an older history that counts again the younger one.
func (m *machine) restore(c *client) {
	if c.order == 2 && c.back >= 0 && !m.unsettled(c, 0) {
		c.order, c.back, c.first[0], c.born[0] = 1, -1, m.grace(), 0
	}
}

// heard notes that a node of history h answered, and showed so many replicas.
func (m *machine) heard(s *state, c *client, f *flight) {
	h := int(f.hist - 1)
	if c.first[h] < 0 {
		c.first[h], c.born[h] = 0, 0
		if !m.on(FirstHistory) && c.order == 0 && c.first[1-h] < 0 {
			c.first[h] = m.grace()
		}
		if c.order == 0 && c.first[1-h] >= 0 {
			c.order = int8(h + 1)
		}
	}
	c.last[h] = 0
	if f.stamp >= 0 {
		margin := m.Margin
		if !m.on(StampMargin) {
			margin = 0
		}
		c.first[h] = max(c.first[h], min(f.stamp-margin, m.grace()))
		c.born[h], c.looked[h] = max(c.born[h], f.stamp), true
		if m.on(YoungerStamp) && c.order > 0 && c.born[0] != c.born[1] {
			c.order = 1
			if c.born[1] < c.born[0] {
				c.order = 2
			}
		}
	}
	if h == 1 {
		return
	}
	if f.had != 0 {
		c.replicas = max(c.replicas, 0) | f.had
	}
	m.whole(c, f)
	m.counted(s, c, f.shows)
}

// whole notes whether an older H1 has all its replicas again.
func (m *machine) whole(c *client, f *flight) {
	switch {
	case c.order != 2:
		c.back = -1
	case m.on(BackWhole) && (c.replicas <= 0 || !m.covers(f.shows, c.replicas)):
		c.back = -1
	case c.back < 0 && (f.after || !m.Freeze || !m.on(BackTurn)):
		c.back = 0
	}
}

// covers reports whether none of the replicas in has is missing in shows.
func (m *machine) covers(shows, has int8) bool {
	if !m.on(ReplicasNames) {
		return bits.OnesCount8(uint8(shows)) >= bits.OnesCount8(uint8(has))
	}
	return has&^shows == 0
}

// counted notes which replicas A shows.
func (m *machine) counted(s *state, c *client, shows int8) {
	switch {
	case c.replicas < 0 || m.covers(shows, c.replicas):
		c.replicas, c.fewer = shows, -1
	case c.fewer < 0 && m.on(ReplicasWait):
		c.fewer = 0
	case c.fewer > m.W && c.order != 2 || !m.on(ReplicasWait):
		s.nodes[0].stampReplicas &^= c.replicas &^ shows
		c.replicas, c.fewer = shows, -1
	}
}

// receive has the client get the answer f.
func (m *machine) receive(s *state, f flight) {
	c, h := &s.clients[f.c-1], int(f.hist-1)
	m.heard(s, c, &f)
	switch f.kind {
	case renew, extend:
		if f.got && m.on(ArrivalRenewal) && m.unsettled(c, h) {
			return
		}
		if c.sess > 0 && f.got {
			c.sess = max(c.sess, f.trust)
		} else if c.sess > 0 {
			c.sess, c.stage = 0, over
		}
	case ask, resume:
		if c.stage != asking {
			return
		}
		if f.got {
			if f.trust > 0 && !(m.on(Arrival) && m.unsettled(c, h)) && (f.after || h == 1 || !m.Freeze || !m.on(Turn)) {
				c.sess, c.stage = f.trust, holding
				s.message[f.c-1] = 0
			}
		} else if f.kind == ask {
			c.ref, c.refHist, c.refKnows, c.refAfter = f.trust, f.hist, f.knows, f.after
		}
	}
}

// told has the client get the message of a grant.
func (m *machine) told(s *state, i int) {
	c, h := &s.clients[i], s.message[i]
	s.message[i] = 0
	switch {
	case c.stage != asking || c.ref == 0 || c.refKnows,
		s.phase == returned && h == 1 && c.out,
		m.on(Message) && c.refHist != h,
		m.on(ArrivalMessage) && m.unsettled(c, int(h-1)),
		m.on(TurnMessage) && m.Freeze && h == 1 && !c.refAfter:
	default:
		c.sess, c.stage = c.ref, holding
	}
}

// send puts a request under way; and returns its place, or -1 if too much is.
func (m *machine) send(s *state, i int, kind, heir int8) int {
	c := &s.clients[i]
	m.restore(c)
	f := flight{c: int8(i + 1), kind: kind, heir: heir, stamp: -1, has: c.replicas,
		settled: [2]bool{m.settled(s, c, 0), m.settled(s, c, 1)}}
	if kind != look && kind != force && (kind != release || heir > 0) {
		f.trust = m.TTL
	}
	if kind == extend && !m.on(Longest) {
		f.trust = m.Long
	}
	f.after = m.Freeze && c.first[0] >= 0 && c.last[0] == 0
	if kind == renew || kind == extend || kind == look {
		f.settled, f.has, f.after = [2]bool{}, 0, false // not sent
	}
	for _, g := range s.flights {
		if g.c == f.c && g.kind == kind && g.hist == 0 && !(m.Twice && kind == ask) {
			return -1 // one of a kind at once
		}
	}
	for j := range m.Flights {
		if s.flights[j] == (flight{}) {
			s.flights[j] = f
			return j
		}
	}
	return -1
}

// try emits what becomes of a request, if it may be sent; the client is in stage then.
func (m *machine) try(s *state, i int, kind, heir, stage int8, emit func(state, step)) {
	t := *s
	t.clients[i].stage = stage
	if stage != holding {
		t.clients[i].sess = 0
	}
	if heir > 0 {
		t.clients[heir-1].stage = asking
	}
	j := m.send(&t, i, kind, heir)
	if j < 0 {
		return
	}
	st := step{what: sent, c: i, kind: kind, heir: heir, flight: j}
	if (kind == renew || kind == extend || kind == look) && !m.Slow { // run at once or never: late it would do less harm
		for n := range t.nodes {
			if m.answers(s, n) {
				u := t
				m.run(&u, j, n, false)
				st.what, st.node = ran, n
				m.deliver(&u, j, st, emit)
			}
		}
		return
	}
	emit(t, st)
	if t.flights[j].settled[1] && !m.Looks {
		t.flights[j].settled[1] = false
		emit(t, st)
	}
}

// sends emits every request that client i may send now.
func (m *machine) sends(s *state, i int, emit func(state, step)) {
	c := &s.clients[i]
	try := func(kind, heir, stage int8) { m.try(s, i, kind, heir, stage, emit) }
	wants := c.stage == idle && m.inTurn(s, i) || c.stage == asking
	switch role := m.Roles[i]; {
	case wants && role == Operator:
		try(force, 0, over)
	case wants && role == Resumer:
		try(resume, 0, asking)
	case wants:
		try(ask, 0, asking)
	case c.stage == holding:
		try(renew, 0, holding)
		if m.Long > 0 {
			try(extend, 0, holding)
		}
	}
	if m.Looks && wants && !m.settled(s, c, 0) && !m.settled(s, c, 1) {
		try(look, 0, asking)
	}
	if c.stage == holding || c.stage == releasing {
		try(release, 0, releasing)
		for heir := range s.clients {
			if m.Heirs && s.clients[heir].stage == idle && m.inTurn(s, heir) {
				try(release, int8(heir+1), releasing)
			}
		}
	}
}

// inTurn breaks a symmetry: of idle clients with one role, the first begins.
func (m *machine) inTurn(s *state, i int) bool {
	for j := range i {
		if m.Roles[j] == m.Roles[i] && s.clients[j].stage == idle {
			return false
		}
	}
	return true
}
