package grace

import "time"

// Question is what one request to a server says of the history in which a lock may be given.
type Question struct {
	Says [2]any // see lib_said.lua
	to   string
	of   *history // which it names; of a Cluster, which the server has as far as is known
	// runs is the history that the server has as far as is known, and seen when its last answer came.
	runs *history
	seen time.Duration
}

// Ask returns what a request that is about to be sent to a server says.
func (g *Guard) Ask(to string) Question {
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	q := Question{Says: [2]any{"", ""}, to: to}
	if g.Sharded {
		list := ""
		for _, h := range g.known {
			if g.left(h, now) == 0 {
				list += h.listed
			}
		}
		q.runs = g.server(to).runs
		q.Says[0], q.of = list, q.runs
	} else if q.runs = g.latest(); q.runs != nil && g.left(q.runs, now) == 0 {
		g.restore(q.runs, now)
		q.Says, q.of = q.runs.says, q.runs
	}
	if q.runs != nil {
		q.seen = q.runs.last
	}
	return q
}

// latest returns the history that answered last, nil if none has. Called with mu held.
func (g *Guard) latest() (latest *history) {
	for _, h := range g.known {
		if latest == nil || h.last >= latest.last {
			latest = h
		}
	}
	return latest
}

// Verdict is what a gift is worth.
type Verdict int

// Verdicts.
const (
	Counts Verdict = iota
	// Again: the same request, sent once more, tells.
	Again
	// Refused: the history is not the settled one any more.
	Refused
)

// Ran notes an answer of the history that the question named, and returns what it is worth if it gives
// a lock.
func (g *Guard) Ran(q Question) Verdict {
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	h := q.of
	switch {
	case h == nil && g.Sharded:
		return Again // it is not known yet which history the server has
	case h == nil: // it named none, so it was given nothing
		return Refused
	}
	h.short = 0
	awake := h.answered(q, now)
	g.replaced(h, h.replicas, awake, now)
	switch {
	case g.left(h, now) > 0:
		return Refused
	case h.replicas > 0 && !awake:
		return Again
	}
	return Counts
}

// answered notes an answer to a question, and returns whether that was asked for less than recent after
// another answer. Called with mu held.
func (h *history) answered(q Question, now time.Duration) bool {
	awake := q.runs == h && q.seen != 0 && now-q.seen < recent
	if awake {
		h.awake = now
	}
	h.last = now
	return awake
}

// Doubtful reports whether what a message says is granted in that history has to be confirmed: by a
// master that was replaced, or may have been stopped meanwhile (see recent). A message is not asked
// for, so the last answer has to be recent.
func (g *Guard) Doubtful(id string) bool {
	if g == nil {
		return false
	}
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.find(id)
	if h == nil {
		return true
	}
	if h.replicas > 0 && (h.awake == 0 || now-h.awake >= recent) {
		return true
	}
	return g.younger(h)
}
