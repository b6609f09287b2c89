package model

import "slices"

// answers reports whether a node runs scripts.
func (m *machine) answers(s *state, i int) bool {
	switch {
	case s.gone[i], i == 0 && s.frozen > 0, i == 1 && s.phase == before:
		return false
	case i == 0 && s.phase == promoted:
		return s.since <= m.Demote
	}
	return true
}

// shows is which replicas a node says it has. B's never change.
func (s *state) shows(i int) int8 {
	if i == 0 && s.turn {
		return s.replicas | replicaB
	}
	if i == 0 {
		return s.replicas
	}
	return 0
}

// may reports whether a script may give: R1 and R5. exempt is the rule whose absence allows it.
func (m *machine) may(s *state, f *flight, i int, exempt Rules) bool {
	if i == 0 && s.phase == returned && s.clients[f.c-1].out {
		return false // not promised: see client.out
	}
	replicas := i == 1 || f.has == s.shows(i) || !m.on(Replicas) || f.has >= 0 && m.alike(f.has, s.shows(i)) ||
		!m.on(ReplicasHandOn) && (exempt == GiveRelease || exempt == GiveHeir)
	return replicas && (f.settled[i] || !m.on(exempt))
}

// alike: with R5 by numbers only.
func (m *machine) alike(a, b int8) bool { return m.covers(a, b) && m.covers(b, a) }

func (n *node) enqueue(c int8) {
	for i, other := range n.queue {
		if other == 0 {
			n.queue[i] = c
		}
		if n.queue[i] == c {
			return
		}
	}
}

func (n *node) dequeue(c int8) {
	if at := slices.Index(n.queue[:], c); at >= 0 {
		copy(n.queue[at:], n.queue[at+1:])
		n.queue[clients-1] = 0
	}
}

func (n *node) set(owner, left int8) {
	n.owner, n.left = owner, left
	n.dequeue(owner)
}

// grant gives the lock to the head of the queue, and sends it a message. One message fits: if an earlier
// one is under way, keep says which is lost.
func (m *machine) grant(s *state, i int, keep bool) {
	n := &s.nodes[i]
	head := n.queue[0]
	n.set(head, m.Claim)
	if keep || s.clients[head-1].stage != asking {
		return
	}
	s.message[head-1] = int8(i + 1)
	s.nodes[0].knows[head-1], s.nodes[1].knows[head-1] = i == 0, i == 1
	s.clients[head-1].refKnows = false
	for j := range s.flights {
		if s.flights[j].c == head {
			s.flights[j].knows = false
		}
	}
}

// run has node i run the script of flight j, which becomes its answer.
func (m *machine) run(s *state, j, i int, keep bool) {
	f, n := &s.flights[j], &s.nodes[i]
	if i == 0 && f.after {
		s.turn = false // it was sent after an answer of the first turn
	}
	f.shows, f.had, f.stamp = s.shows(i), 0, -1
	switch f.kind {
	case ask:
		m.runAsk(s, f, i, keep)
	case renew:
		if f.got = n.owner == f.c; f.got {
			n.left = max(n.left, m.TTL)
		}
	case extend:
		if f.got = n.owner == f.c; f.got {
			n.left = max(n.left, m.Long)
		}
	case release:
		m.runRelease(s, f, i, keep)
	case resume:
		known := n.owner == detached || n.owner > 0 && n.owner <= clients && m.Roles[n.owner-1] == Resumer
		if f.got = known && m.may(s, f, i, GiveResume); f.got {
			if n.owner <= clients && n.owner != f.c {
				s.clients[n.owner-1].taken = true
			}
			n.set(f.c, max(n.left, m.TTL))
		}
	case force:
		m.runForce(s, f, i, keep)
	case look:
		m.runLook(f, n, i)
	}
	f.hist, f.knows = int8(i+1), n.knows[f.c-1]
	f.settled, f.has = [2]bool{}, 0
	if (f.kind == ask || f.kind == release) && !f.got {
		f.trust = max(f.trust-m.TTL+m.Claim, 0)
	} else if !f.got {
		f.trust = 0
	}
	if f.kind == force || f.kind == release && f.heir == 0 {
		*f = flight{}
	} else if f.kind == release {
		*f = flight{c: f.heir, kind: ask, trust: f.trust, hist: f.hist, got: f.got,
			knows: n.knows[f.heir-1], shows: f.shows, stamp: -1, after: f.after}
	}
}

func (m *machine) runAsk(s *state, f *flight, i int, keep bool) {
	n := &s.nodes[i]
	head := n.queue[0]
	switch {
	case n.owner == f.c && m.may(s, f, i, GiveYours):
		f.got, f.trust = true, min(f.trust, n.left)
		n.dequeue(f.c)
		return
	case n.owner == 0 && (head == 0 || head == f.c):
		if f.got = m.may(s, f, i, GiveFree); f.got {
			n.set(f.c, m.TTL)
			return
		}
	case n.owner == 0 && m.may(s, f, i, GiveHead):
		m.grant(s, i, keep)
	}
	if !m.on(Place) && !f.settled[i] {
		n.dequeue(f.c)
	}
	n.enqueue(f.c)
}

func (m *machine) runRelease(s *state, f *flight, i int, keep bool) {
	n := &s.nodes[i]
	f.got = false
	if n.owner != f.c {
		return
	}
	n.owner, n.left = 0, 0
	if f.heir > 0 {
		n.enqueue(f.heir)
	}
	switch head := n.queue[0]; {
	case head == 0:
	case head == f.heir:
		if f.got = m.may(s, f, i, GiveHeir); f.got {
			n.set(head, m.TTL)
		}
	case m.may(s, f, i, GiveRelease):
		m.grant(s, i, keep)
	}
}

func (m *machine) runForce(s *state, f *flight, i int, keep bool) {
	n := &s.nodes[i]
	if n.owner > 0 && n.owner <= clients {
		s.clients[n.owner-1].taken = true
	}
	if n.owner > 0 && n.queue[0] > 0 && m.may(s, f, i, GiveForce) {
		m.grant(s, i, keep)
	} else {
		n.owner, n.left = 0, 0
	}
}

func (m *machine) runLook(f *flight, n *node, i int) {
	if n.stampHist != int8(i+1) && m.on(StampHistory) {
		n.stampHist, n.stampAge, n.stampReplicas = int8(i+1), 0, 0
	}
	n.stampReplicas |= f.shows
	f.stamp = n.stampAge
	if m.on(StampNumber) {
		f.had = n.stampReplicas
	}
}
