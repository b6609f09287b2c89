package model

import "fmt"

func (m *machine) name(i int) string { return string("XYZ"[m.names[i]]) }

func server(i int) string { return string("AB"[i]) }

var kinds = [...]string{ask: "ask", renew: "renewal", extend: "Extend", release: "release", resume: "Resume", force: "force", look: "look"}

// words tells a step from s to t.
func (m *machine) words(s, t *state, st step) string {
	request := ""
	if st.what >= sent {
		request = fmt.Sprintf("%s's %s", m.name(st.c), kinds[max(st.kind, 0)])
	}
	switch st.what {
	case copied:
		return "B has a copy of A's data: " + m.data(&t.nodes[1])
	case promotes:
		return fmt.Sprintf("B is promoted (clock %+d): %s", -st.skew, m.data(&t.nodes[1]))
	case freezes:
		return "A stands still"
	case thaws:
		return "A goes on"
	case turned:
		return "A notices that its replica has gone"
	case gaveBack:
		return "the clients are brought back to A, whose replicas are" + replicas(t.replicas)
	case follows:
		return "B is made a replica of A"
	case joins:
		return "A has a new replica, D"
	case leaps:
		return "B's clock steps forward"
	case sent:
		if st.heir > 0 {
			request += " with heir " + m.name(int(st.heir-1))
		}
		return request + " is sent" + m.claims(t, st)
	case ran:
		return fmt.Sprintf("%s runs %s: %s%s", server(st.node), request, m.data(&t.nodes[st.node]), m.news(s, t))
	case ranAndReceived:
		return fmt.Sprintf("%s runs %s: %s%s; %s has the answer: %s", server(st.node), request, m.data(&t.nodes[st.node]),
			m.news(s, t), m.name(st.c), m.client(s, t, st.c))
	case dropped:
		return request + " (or its answer) is lost"
	case received:
		return fmt.Sprintf("%s has the answer of %s: %s", m.name(st.c), server(st.node), m.client(s, t, st.c))
	case messaged:
		return fmt.Sprintf("%s has the message of %s's grant: %s", m.name(st.c), server(st.node), m.client(s, t, st.c))
	}
	return ""
}

// claims says which histories a request that was just sent takes a gift from.
func (m *machine) claims(s *state, st step) string {
	if st.kind == renew || st.kind == extend || st.kind == look {
		return ""
	}
	text := ""
	for h, settled := range s.flights[st.flight].settled {
		if settled {
			text += fmt.Sprintf(" H%d", h+1)
		}
	}
	if text == "" {
		return " (nothing is settled)"
	}
	return " (settled:" + text + ")"
}

func replicas(set int8) string {
	if set == 0 {
		return " none"
	}
	text := ""
	for i, name := range [...]string{"B", "C", "D"} {
		if set>>i&1 == 1 {
			text += " " + name
		}
	}
	return text
}

func (m *machine) data(n *node) string {
	text := "the lock is free"
	switch {
	case n.owner == detached:
		text = fmt.Sprintf("the lock has the detached token for %d", n.left)
	case n.owner == dead:
		text = fmt.Sprintf("the lock has a token of nobody's for %d", n.left)
	case n.owner > 0:
		text = fmt.Sprintf("the lock is %s's for %d", m.name(int(n.owner-1)), n.left)
	}
	for i, c := range n.queue {
		if c > 0 && i == 0 {
			text += ", in the queue"
		}
		if c > 0 {
			text += " " + m.name(int(c-1))
		}
	}
	return text
}

// news says which message a script sent.
func (m *machine) news(s, t *state) string {
	for i := range t.message {
		if t.message[i] != s.message[i] {
			return fmt.Sprintf("; a message to %s is sent", m.name(i))
		}
	}
	return ""
}

func (m *machine) client(s, t *state, i int) string {
	c := &t.clients[i]
	switch {
	case c.sess > s.clients[i].sess:
		return fmt.Sprintf("live for %d", c.sess)
	case c.sess > 0:
		return fmt.Sprintf("still live for %d", c.sess)
	case s.clients[i].sess > 0:
		return "its session ends"
	case c.stage == asking:
		return "it waits"
	}
	return "nothing to it"
}
