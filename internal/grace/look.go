package grace

import (
	"strconv"
	"time"
)

// Due reports whether the stamp of a server is to be looked at before the next request to it.
func (g *Guard) Due(at string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.server(at).due
}

// Lower is what the look says of the stamp's number of replicas: see look.lua.
func (g *Guard) Lower(at string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.server(at).lower
}

// Longest is the grace that the Guard goes by.
func (g *Guard) Longest() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Grace
}

// Seen is what a look at a server found.
type Seen struct {
	ID       string        // the running history
	Known    time.Duration // for how long it was known by the server's clock
	Replicas int           // how many the master has
	Most     int           // the most that it had
	Syncs    int64         // how often one has begun to follow
	Longest  time.Duration // the longest grace that anybody goes by, which counts for all
	Settled  bool          // an operator has said that no lease of an earlier history is live
}

// Looked notes what a look at a server found.
func (g *Guard) Looked(at string, seen Seen) {
	now := g.Now()
	g.mu.Lock()
	if more := seen.Longest - g.Grace; more > 0 {
		g.Grace = seen.Longest
		for _, h := range g.known {
			h.settled += more
		}
	}
	s := g.server(at)
	h, fresh := g.history(seen.ID, now)
	if s.lower == h.id+strconv.Itoa(seen.Replicas) && seen.Most > seen.Replicas {
		seen.Most = seen.Replicas // this look was sent before it was known
	} else {
		s.lower, s.due = "", false
	}
	s.looked = now
	if seen.Most > h.replicas {
		h.count(seen.Most)
	}
	g.counted(s, h, seen.Replicas, seen.Syncs, now)
	before := g.left(h, now)
	h.settled = min(h.settled, now+max(0, g.Grace+stampMargin-seen.Known))
	if seen.Settled {
		h.settled = min(h.settled, now)
	}
	h.born = min(h.born, now-seen.Known)
	g.sort()
	after := g.left(h, now)
	changed := fresh && len(g.known) > 1
	g.mu.Unlock()
	if changed {
		g.tellChanged(after)
	}
	if after < before && after == 0 {
		g.Settled()
	}
}

// unknown is a number of syncs.
const unknown = -1

// counted notes which history a server has, how many replicas, and how often one has begun to follow.
// Called with mu held.
//
// A master that was replaced loses a replica in that moment, long before it is told. So one that has
// fewer than it had gives nothing until they are back, or have been gone for as long as a master that
// was replaced may go on answering. If one came and left meanwhile, that time begins anew.
func (g *Guard) counted(s *server, h *history, replicas int, syncs int64, now time.Duration) {
	s.runs, h.last = h, now
	switch {
	case replicas >= h.replicas:
		h.count(replicas)
		h.short = 0
	case h.short == 0, replicas < h.fewer, syncs != unknown && syncs != h.syncs:
		h.short, h.fewer, h.syncs = now, replicas, syncs
		s.due = s.due || syncs == unknown
	case now-h.short < g.Window:
	case syncs == unknown:
		s.due = true
	case g.younger(h): // its successor is missing, and will be missed
	default:
		h.count(replicas)
		h.short, s.due, s.lower = 0, true, h.id+strconv.Itoa(replicas)
	}
}
