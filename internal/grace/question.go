package grace

import "time"

// Question is what one request to a server says of the history in which a lock may be given.
type Question struct {
	Says [2]any // see lib_said.lua
	to   string
	of   *history // which it names; of a Cluster, which the server has as far as is known
	has  Replicas // those that it names
	// runs is the history that the server has as far as is known, and seen when that was asked what it
	// has answered, 0 if it has not.
	runs *history
	seen time.Duration
	sent time.Duration // not before then
}

// Ask returns what a request that is about to be sent to a server says.
func (g *Guard) Ask(to string) Question {
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	q := Question{Says: [2]any{"", ""}, to: to, sent: now}
	if g.Sharded {
		q.runs = g.server(to).runs
		q.Says[0], q.of = g.settled(now), q.runs
	} else if q.runs = g.latest(); q.runs != nil && q.runs.looked && g.left(q.runs, now) == 0 {
		g.restore(q.runs, now)
		q.Says, q.of = q.runs.says, q.runs
	}
	if q.runs != nil {
		q.seen, q.has = q.runs.asked, q.runs.replicas
	}
	return q
}

// list is what a question to a Cluster says of the histories that are settled.
type list struct {
	text  any // a string, in the form in which it is sent
	until time.Duration
}

const (
	// listedFor is how long a history is named that does not answer. One that is not named says so.
	listedFor = time.Hour
	// listEvery is how old a list gets.
	listEvery = time.Minute
)

// settled returns the histories that give locks, as far as servers have them. Called with mu held.
func (g *Guard) settled(now time.Duration) any {
	if now < g.list.until {
		return g.list.text
	}
	text, until := "", now+listEvery
	for _, h := range g.known {
		switch left := g.left(h, now); {
		case now-h.last >= listedFor:
		case left == 0:
			text += h.listed
		default:
			until = min(until, now+left)
		}
	}
	g.list = list{text, until}
	return text
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
	awake := h.answered(q, now)
	known := q.has == h.replicas // else it had more when this was asked
	if known {
		h.short = 0
		g.replaced(h, h.replicas, awake, now)
	}
	switch {
	case g.left(h, now) > 0:
		return Refused
	case !known, h.watched() && (!awake || h.idle && !g.Sharded):
		return Again
	}
	return Counts
}

// answered notes an answer to a question, and returns whether that came less than recent after the question
// of another answer was asked, which had come before. So the server was not stopped between the two for
// longer. Called with mu held.
func (h *history) answered(q Question, now time.Duration) bool {
	awake := q.runs == h && q.seen != 0 && now-q.seen < recent
	if awake {
		h.awake = max(h.awake, q.sent)
	} else {
		h.idle = true
	}
	h.last, h.asked = now, max(h.asked, q.sent)
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
	if h == nil || !h.looked && !g.Sharded {
		return true
	}
	if h.watched() && (h.awake == 0 || now-h.awake >= recent) {
		return true
	}
	return g.younger(h)
}
