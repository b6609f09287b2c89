// Package model checks the rules of the failover grace (docs/failover.md) by going through every
// interleaving of a small world: one lock, two or three clients, two nodes, one failover.
//
// It uses no network, no clock and no randomness, and shares no code with the library. Search visits
// every state that a World can reach, nearest first, and returns the first one in which two sessions
// are live that must not be, with the steps that lead there.
//
// The world:
//
//   - Node A is the master with history H1. Node B has a copy of A's data, of any age. At any moment B is
//     promoted, and begins history H2. B's clock may be ahead or behind by one tick.
//
//   - A goes on answering for World.Demote ticks, and then it is gone. If World.Crash, it is gone at
//     once: that is also one server that restarts with old data. If World.GiveBack, A is never
//     demoted: by hand the clients are brought back to it, and B is gone; or, if World.Linger, it is
//     a master until it is made A's replica again, if ever.
//
//   - A's replicas are B and, if World.Other, C, which stays with A. If World.Joins, D becomes one, too.
//
//   - A request under way is run by any node that answers, at any time, or is lost; so is its answer. So
//     each client may follow the failover early, late, or back and forth.
//
//   - Each client makes one attempt: it asks until it has the lock or stands in the queue, renews when it
//     likes or not at all, and releases. Its session is live from before the request was sent.
//
//   - All clocks tick together, and go on for ever: ages larger than what any rule compares are equal.
//
//   - Clients of one role are alike: a state and the one with two of them exchanged are the same.
//
// Bounds: World.Flights requests and answers under way at once, of a client one of each kind (but
// World.Twice); one message of a grant per client; one failover, one give-back, one freeze, which lasts a
// tick at least before B is promoted. A TTL is one or two ticks. Unless World.Slow, an answer that gives
// nothing, a renewal and a look come at once or never. Requests of an attempt that is over are lost.
package model

// The clients are 1 to 3, as owners of the lock and in the queue.
const (
	clients  = 3
	flights  = 3
	detached = clients + 1 // the lock's owner is a token which no session holds; resumers know it
	dead     = clients + 2 // the lock's owner is a client whose attempt is over
)

// Role is what a client does.
type Role int8

const (
	Nobody   Role = iota
	Known         // has long known history H1
	New           // has had no answer yet
	Resumer       // as Known; resumes the one detached token instead of asking
	Operator      // as Known; forces the lock open once
)

// World has the bounds, and what happens in it. Times are in ticks.
type World struct {
	Name    string
	Roles   [clients]Role
	TTL     int8 // of a lease; also the longest time that any client trusts one
	Claim   int8 // the TTL of a grant
	Long    int8 // what Extend gives; 0: nobody extends
	Demote  int8 // for how long a master that was replaced goes on answering
	W       int8 // what the clients believe Demote is, at most
	Skew    int8 // B's clock is ahead or behind by so much at most
	Margin  int8 // how much older than the grace a stamp must be
	Flights int  // requests and answers under way at once

	Crash    bool // A is gone when B is promoted
	Freeze   bool // A may stand still for a tick or more, in which B may be promoted
	GiveBack bool // A is never demoted: the clients are brought back to it by hand
	Linger   bool // with GiveBack: B goes on answering until it follows A
	Other    bool // A has two replicas, of which one stays with it
	Joins    bool // A gets a replica that it has not had before
	Old      bool // with GiveBack: requests from before it may still run
	Late     bool // with GiveBack: also those who last heard of B more than a grace ago
	Twice    bool // a client may have two requests for the lock under way
	Slow     bool // answers that give nothing, and renewals, may be late too
	Looks    bool // clients look at the stamp
	Unknown  bool // there is no stamp at the start
	Replaced bool // B is the master at the start, H2 settled, and who knows one history knows both. If Freeze, A stands still
	Leap     bool // B's clock may step forward by one tick, once, as seen by the stamp
	Heirs    bool // a release may bring an attempt of another client along
	Held     bool // at the start somebody holds the lock of whom nothing more is heard
}

// grace is how long a new history gives nothing.
func (w *World) grace() int8 { return w.TTL + w.W }

// Rules is a set of rules that are turned off.
type Rules uint64

// The rules. docs/failover.md says each in words.
const (
	GiveFree       Rules = 1 << iota // R1: acquire takes a free lock
	GiveHead                         // R1: acquire gives a free lock to the head of the queue
	GiveYours                        // R1: "yours"
	GiveResume                       // R1
	GiveRelease                      // R1: release hands on
	GiveHeir                         // R1: release gives to its own heir
	GiveForce                        // R1: force hands on
	FirstAnswer                      // R2: grace after the first answer
	WaitW                            // R2: the grace has W in it
	WaitTTL                          // R2: the grace has the longest trust in it
	Younger                          // R2: a younger history unsettles the older ones
	ForGood                          // R2: … not only until grace after its last answer
	YoungerStamp                     // R2: which is the younger one is told by their stamps
	Back                             // R2: an older history with all its replicas gives again only a grace later
	BackWhole                        // R2: … without a replica it does not
	BackTurn                         // R2: … a thawed master's first turn does not show that it has all
	Arrival                          // a give whose history is not settled when it arrives is dropped
	ArrivalMessage                   // the same for a grant's message
	ArrivalRenewal                   // the same for a renewal's answer
	FirstHistory                     // R3: a client's first history is not settled either
	StampHistory                     // R3: the stamp names the history that runs
	StampMargin                      // R3: a stamp must be older than the grace
	StampNumber                      // R3, R5: the stamp says which replicas there were
	StampFirst                       // R3: a history gives nothing to a client that has not looked at its stamp
	Message                          // R4: the grant's message and the last answer name one history
	Replicas                         // R5: no gift if a replica is missing
	ReplicasNames                    // R5: … which is known by its name, not by how many there are
	ReplicasHandOn                   // R5 for what a release hands on
	ReplicasWait                     // R5: what is missing stays so for W before it counts as normal
	Turn                             // R5: a thawed master's first turn is not trusted: answers
	TurnMessage                      // … and messages
	Longest                          // R6: no session trusts an unconfirmed lease for longer
	Place                            // R7: a waiter keeps its place
)

// Stages of a client's one attempt.
const (
	idle int8 = iota
	asking
	holding
	releasing
	over
)

// client is what a client knows. Ages are in ticks, and stop growing at the grace.
type client struct {
	stage int8
	sess  int8 // how long its session is still live

	first  [2]int8 // age of the first answer from H1, H2; -1: none
	last   [2]int8 // age of the last answer
	looked [2]bool // at the stamp of H1, H2; only if World.Looks
	born   [2]int8 // how old each is as far as it knows, by its stamp or the first answer; only if World.Looks
	order  int8    // which is the younger one: 1 for H1, 2 for H2; 0: not both are known
	back   int8    // for how long H1 has had all its replicas again since H2 answered; -1: it has not

	replicas int8 // A's replicas, as far as it knows: a set; -1: unknown
	fewer    int8 // age of the first answer with fewer; -1: there are not fewer

	// Of the last answer that it stands in the queue:
	ref      int8 // how long a claim granted after it would last
	refHist  int8 // which history answered
	refKnows bool // the fence in it is not below that of the message under way
	refAfter bool // asked after another answer of this tick

	// out: at the give-back it had no answer from B (or, unless World.Late, none within a grace). What A
	// gives to it, or at its request, after that is not promised to be right.
	out   bool
	taken bool // by an operator, or by a Resume, on purpose: it may overlap with others
}

// node is a server's data.
type node struct {
	owner, left int8
	queue       [clients]int8
	knows       [clients]bool // its last fence is not below that of the message to this client

	stampHist, stampAge, stampReplicas int8
}

// Kinds of requests.
const (
	ask int8 = iota + 1
	renew
	extend
	release
	resume
	force
	look
)

// flight is a request under way, or its answer.
type flight struct {
	c, kind int8
	trust   int8    // for how long a lease would be trusted, counted from when it was sent
	settled [2]bool // the histories that the asker takes a gift from
	has     int8    // A's replicas, as the asker knows them
	heir    int8
	after   bool // sent after another answer from H1 in this tick

	hist  int8 // 0: a request. Else an answer, by this history:
	got   bool
	knows bool
	shows int8 // A's replicas, as it saw them
	had   int8 // more of them, as the stamp says
	stamp int8 // age of the stamp; -1: none
}

// Phases.
const (
	before   int8 = iota
	promoted      // B is a master
	returned      // the clients are brought back to A
)

// state is everything.
type state struct {
	phase, since int8 // since the promotion, A's thaw or the give-back, in ticks
	age          int8 // of H2, in ticks, at most the grace
	gone         [2]bool
	frozen       int8 // 1: A stands still; 2: for a tick or more
	turn         bool // A's first turn after a thaw: it still shows its replica
	replicas     int8 // A's replicas: a set
	joined       bool // D has become one
	leapt        bool
	nodes        [2]node
	clients      [clients]client
	message      [clients]int8 // the history of the message of a grant under way; 0: none
	flights      [flights]flight
}

// Replicas of A, as sets have them.
const (
	replicaB int8 = 1 << iota
	replicaC
	replicaD
)

// ever is the age of a stamp from before the failover: older than any that is written later.
func (m *machine) ever() int8 { return m.grace() + m.Margin + 1 }

// machine is a world with rules.
type machine struct {
	World
	off   Rules
	names [clients]int8 // who is who, while a trace is told
}

func (m *machine) on(r Rules) bool { return m.off&r == 0 }

// start is the first state: nobody holds the lock, and B has a current copy.
func (m *machine) start() state {
	s := state{replicas: replicaB}
	if m.Other {
		s.replicas |= replicaC
	}
	for i := range s.nodes {
		if !m.Unknown {
			s.nodes[i] = node{stampHist: 1, stampAge: m.ever(), stampReplicas: s.replicas}
		}
		if m.Held {
			s.nodes[i].owner, s.nodes[i].left = dead, m.TTL
		}
	}
	for c, role := range m.Roles {
		s.clients[c] = client{first: [2]int8{m.grace(), -1}, last: [2]int8{m.grace(), m.grace()},
			born: [2]int8{m.ever(), 0}, looked: [2]bool{true, false}, back: -1, replicas: s.replicas, fewer: -1}
		switch role {
		case New:
			s.clients[c].first[0], s.clients[c].born[0], s.clients[c].replicas = -1, 0, -1
			s.clients[c].looked[0] = false
		case Nobody:
			s.clients[c] = client{stage: over}
		case Resumer:
			for i := range s.nodes {
				s.nodes[i].owner, s.nodes[i].left = detached, m.TTL
			}
		}
	}
	if m.Replaced {
		m.replace(&s)
	}
	return s
}

// replace makes of the first state one in which B has been the master for a grace.
func (m *machine) replace(s *state) {
	s.phase, s.age, s.replicas = promoted, m.grace(), s.replicas&^replicaB
	if m.Freeze {
		s.frozen = 2
	}
	s.nodes[1].stampHist, s.nodes[1].stampAge, s.nodes[1].stampReplicas = 2, m.grace()+m.Margin, 0
	for i := range s.clients {
		if c := &s.clients[i]; c.first[0] >= 0 {
			c.first[1], c.born[1], c.looked[1], c.order = m.grace(), m.grace()+m.Margin, true, 2
		}
	}
}
