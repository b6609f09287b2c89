package grace

import (
	"strconv"
	"strings"
	"time"
)

// Due reports whether the stamp of a server is to be looked at before the next request to it. So it is when
// a master that has replicas, or may have got some, has not answered for a while: others may know of more by then.
func (g *Guard) Due(at string) bool {
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.server(at)
	if s.due || s.runs == nil || g.Sharded {
		return s.due
	}
	return s.runs.watched() && (s.runs.idle || now-s.runs.asked >= recent)
}

// Lower is which replicas the look takes out of the stamp: see look.lua.
func (g *Guard) Lower(at string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.server(at).lower
}

// Longest is the grace that the Guard goes by: its own, or another's.
func (g *Guard) Longest() time.Duration {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Grace
}

// Own is the grace that the Guard was made with.
func (g *Guard) Own() time.Duration {
	if g == nil {
		return 0
	}
	return g.own
}

// Seen is what a look at a server found.
type Seen struct {
	ID       string        // the running history
	Known    time.Duration // for how long it was known by the server's clock
	Replicas Replicas      // those that the master has
	Stamped  []string      // those that the stamp has
	Syncs    int64         // how often one has begun to follow
	Longest  time.Duration // the longest grace that anybody goes by, which counts for all
	Settled  bool          // an operator has said that no lease of an earlier history is live
	Joinable bool          // a replica may join without another history
	Short    time.Duration // for how long it has lacked those, by the server's clock
	Asked    time.Duration // when the look was sent
	Lower    string        // what it took out of the stamp
}

// Looked notes what a look at a server found.
func (g *Guard) Looked(at string, seen Seen) {
	now := g.Now()
	g.mu.Lock()
	longer := seen.Longest > g.Grace
	if longer {
		g.lengthen(seen.Longest)
	}
	s := g.server(at)
	h, fresh := g.history(seen.ID, now)
	s.lowered(h, &seen)
	s.looked = now
	h.joinable = seen.Joinable
	h.looked, h.idle, h.asked = true, false, max(h.asked, seen.Asked)
	if missing := without(seen.Stamped, h.replicas.names()); len(missing) > 0 {
		h.count(h.replicas.and(missing))
	}
	g.counted(s, h, seen.Replicas, seen.Syncs, now)
	if h.short != 0 { // by the server's clock, so that a process that has just begun need not wait for all of it
		h.short = min(h.short, now-max(0, seen.Short-stampMargin))
	}
	before := g.left(h, now)
	h.settled = min(h.settled, now+max(0, g.Grace+stampMargin-seen.Known))
	if seen.Settled {
		h.settled = min(h.settled, now)
	}
	h.born = min(h.born, now-seen.Known)
	g.sort()
	g.list.until = 0
	after := g.left(h, now)
	changed := fresh && len(g.known) > 1
	g.mu.Unlock()
	if longer && g.Longer != nil {
		g.Longer(g.own, seen.Longest)
	}
	if changed {
		g.tellChanged(after)
	}
	if after < before && after == 0 {
		g.Settled()
	}
}

// lengthen has a longer grace count: whoever has it may hold a lease for longer, or know of a master that
// goes on answering for longer. Which of the two is not known. Called with mu held.
func (g *Guard) lengthen(longest time.Duration) {
	more := longest - g.Grace
	g.Grace, g.Window = longest, g.Window+more
	for _, h := range g.known {
		h.settled += more
	}
}

// lowered notes whether a look has taken out of the stamp what was to be taken out of it.
func (s *server) lowered(h *history, seen *Seen) {
	gone := strings.Fields(s.lower)
	if len(gone) > 2 && s.lower != seen.Lower && gone[0] == h.id && gone[1] == strconv.FormatInt(seen.Syncs, 10) {
		seen.Stamped = without(seen.Stamped, gone[2:]) // this look was sent before that was known
		return
	}
	s.lower, s.due = "", false
}

// unknown is a number of syncs.
const unknown = -1

// counted notes which history a server has, which replicas, and how often one has begun to follow. Called
// with mu held.
//
// A master that was replaced loses a replica in that moment, long before it is told. So one that lacks
// a replica that it had gives nothing until that is back, or has been gone for as long as a master that
// was replaced may go on answering. If one came and left meanwhile, that time begins anew. Replicas are
// known by their addresses: another one in its place proves nothing.
func (g *Guard) counted(s *server, h *history, replicas Replicas, syncs int64, now time.Duration) {
	if s.runs != h || h.replicas != replicas {
		g.list.until = 0
	}
	s.runs, h.last = h, now
	gone := without(h.replicas.names(), replicas.names())
	switch {
	case len(gone) == 0:
		h.count(replicas)
		h.short = 0
	case h.short == 0, len(without(gone, h.gone)) > 0, syncs != unknown && syncs != h.syncs:
		h.short, h.syncs = now, syncs
		s.due = s.due || syncs == unknown
	case now-h.short < g.Window:
	case syncs == unknown:
		s.due = true
	case g.younger(h): // its successor is missing, and will be missed
	default:
		h.count(replicas)
		h.short, s.due = 0, true
		s.lower = h.id + " " + strconv.FormatInt(syncs, 10) + " " + strings.Join(gone, " ")
	}
	h.gone = gone
}
