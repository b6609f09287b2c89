// Package grace decides in which replication history a lock may be given. It only calculates: no
// I/O; package store asks it before each request that may give a lock, and tells it each answer.
//
// A history is what INFO calls master_replid. Each start of a server and each promotion begins a new
// one. What the last master had acknowledged may be missing in it: leases may be live of which the
// server knows nothing. So a lock is given only in a history that is settled: one that has been
// running for so long that every lease of the histories before it is over. docs/failover.md has the
// rules and why they suffice.
//
// A Guard's mutex is taken last; nothing is called with it held but the clock.
package grace

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// Config is what a Guard works with.
type Config struct {
	// Grace is for how long a new history gives no lock: for how long any lease may be believed, plus
	// Window, plus what clocks may differ by.
	Grace time.Duration
	// Window is for how long a master that was replaced may go on answering.
	Window time.Duration
	// Sharded says that there are several masters, each with a history of its own.
	Sharded bool
	Now     func() time.Duration
	// Changed is called when another history is seen than before, and no lock is given for so long;
	// Settled when a lock may be given earlier than was known. All without the mutex; Changed may be
	// nil.
	Changed func(left time.Duration)
	Settled func()
	// Longer is called when another's grace turns out to be longer, and counts from now on; may be nil.
	Longer func(own, longest time.Duration)
}

const (
	// stampMargin is how much older than Grace the stamp in Redis must be to count: it is a time of the
	// server's clock, which may have been corrected since.
	stampMargin = time.Minute
	// recent bounds the time from when a master with replicas was asked what it answered before to a gift
	// that counts. A master that was stopped for longer may have been replaced meanwhile: its first
	// answers come before it has noticed that its replicas are gone.
	recent = time.Second
	// lookEvery is the least time between two looks at a history that was seen before.
	lookEvery = time.Second
	// mostKnown is how many histories are remembered, of a Cluster mostShards. One that was forgotten
	// counts as new.
	mostKnown, mostShards = 8, 4096
)

// Never is how long a server that was replaced gives no lock.
const Never = clock.Forever / 2 // so that no sum overflows

// Guard knows the histories that a Locker has seen. It is safe for concurrent use. A nil Guard is one
// that no option has asked for.
type Guard struct {
	Config
	own     time.Duration // the Grace that was asked for
	mu      sync.Mutex
	known   []*history // in the order in which they were born
	servers map[string]*server
	list    list
}

// server is what is known of one server, which the caller names.
type server struct {
	runs   *history // at its last answer
	due    bool     // its stamp is to be looked at
	looked time.Duration
	lower  string // empty, or which replicas the look takes out of the stamp: see look.lua
}

// history is one history, as this process has seen it. Times are the clock's.
type history struct {
	id       string        // 16 hex digits
	born     time.Duration // when it was first seen, by this process or, as its stamp says, by another
	settled  time.Duration // from then on, unless a younger history is seen
	last     time.Duration // when its last answer came
	asked    time.Duration // when the question of an answer was asked, the latest; 0: no answer
	awake    time.Duration // when the question of one was asked that came less than recent after another
	looked   bool          // its stamp was looked at
	idle     bool          // no stamp was looked at since it had not answered for a while
	joinable bool          // a replica may join without another history: it has a backlog
	replicas Replicas      // those that it has if it is what it was
	gone     []string      // which of them were missing at last, since short
	short    time.Duration // since when some are missing; 0: none is
	back     time.Duration // since when it has had all its replicas again, though a younger was seen; 0: it has not
	syncs    int64         // how often a replica had begun to follow by then; -1: not known
	says     [2]any        // see lib_said.lua
	listed   string        // the same, of a Cluster
}

// New returns a Guard that has seen nothing.
func New(conf Config) *Guard {
	return &Guard{Config: conf, own: conf.Grace, servers: make(map[string]*server)}
}

// server returns what is known of a server. Called with mu held.
func (g *Guard) server(name string) *server {
	s := g.servers[name]
	if s == nil {
		if len(g.servers) == mostShards { // addresses come and go
			clear(g.servers)
		}
		s = &server{due: true}
		g.servers[name] = s
	}
	return s
}

// Heard notes an answer of a server that gave no lock because of its history, and returns how long it
// will give none; and whether to ask again at once, because another question may be answered otherwise.
func (g *Guard) Heard(q Question, id string, replicas Replicas) (left time.Duration, again bool) {
	now := g.Now()
	g.mu.Lock()
	s := g.server(q.to)
	h, fresh := g.history(id, now)
	g.replaced(h, replicas, h.answered(q, now), now)
	another := s.runs != h
	if another || now-s.looked >= lookEvery {
		s.due = true
	}
	short := h.short
	g.counted(s, h, replicas, unknown, now)
	left = g.blocked(h, now)
	again = another || left == 0 || h.short != short // there is something to look at
	changed := fresh && len(g.known) > 1
	g.mu.Unlock()
	if changed {
		g.tellChanged(left)
	}
	return left, again
}

// tellChanged tells of another history than before. Of a Cluster, another node's is no change.
func (g *Guard) tellChanged(left time.Duration) {
	if g.Changed != nil && !g.Sharded {
		g.Changed(left)
	}
}

// find returns the history of that id, nil if it is not known. Called with mu held.
func (g *Guard) find(id string) *history {
	for _, h := range g.known {
		if h.id == id {
			return h
		}
	}
	return nil
}

// history returns the history of that id, and whether it is new. Called with mu held.
func (g *Guard) history(id string, now time.Duration) (_ *history, fresh bool) {
	if h := g.find(id); h != nil {
		return h, false
	}
	h := &history{id: id, born: now, settled: now + g.Grace}
	h.count(None)
	if len(g.known) == mostShards || !g.Sharded && len(g.known) == mostKnown {
		g.known = g.known[1:]
	}
	g.known, g.list.until = append(g.known, h), 0
	return h, true
}

// watched reports whether others may know of replicas that this process does not know of. The first replica
// of a master changes its history only if there is no backlog: there is one for an hour (repl-backlog-ttl)
// after the last one has left, and after a promotion.
func (h *history) watched() bool { return h.replicas != None || h.joinable }

func (h *history) count(replicas Replicas) {
	if replicas == h.replicas {
		return
	}
	h.replicas = replicas
	h.says = [2]any{"master_replid:" + h.id, replicas.pattern()}
	h.listed = ";" + h.id + " " + string(replicas) + ";"
}

// left returns how long a history gives no lock yet, as far as its age says, or Never. Called with mu
// held.
//
// It does not once a younger one was seen: a master that was replaced and never told keeps its history,
// and who follows the address may find it there again, while leases are live that only its successor
// knows. See replaced.
func (g *Guard) left(h *history, now time.Duration) time.Duration {
	switch {
	case !g.younger(h):
		return max(0, h.settled-now)
	case h.back == 0:
		return Never
	}
	return max(0, h.back+g.Grace-now)
}

// replaced looks at an answer of a history beside which others were seen. A master that was replaced has
// lost its successor as a replica. If it has all its replicas again, the successor is one of them and
// gives nothing: a grace later the older history is the one that counts. Called with mu held.
func (g *Guard) replaced(h *history, replicas Replicas, awake bool, now time.Duration) {
	switch {
	case !g.younger(h):
		for _, older := range g.known {
			older.back = 0
		}
	case len(h.replicas.names()) == 0 || len(without(h.replicas.names(), replicas.names())) > 0:
		h.back = 0
	case h.back == 0 && awake:
		h.back = now
	}
}

// restore makes an older history that counts again the youngest. Called with mu held.
func (g *Guard) restore(h *history, now time.Duration) {
	if g.younger(h) && g.left(h, now) == 0 {
		h.born, h.settled, h.back = now, now, 0
		g.sort()
	}
}

func (g *Guard) sort() {
	slices.SortStableFunc(g.known, func(a, b *history) int { return cmp.Compare(a.born, b.born) })
}

// younger reports whether a younger history was seen than h. Of a Cluster, each node has its own, and one
// that was replaced is told so by the others. Called with mu held.
func (g *Guard) younger(h *history) bool { return !g.Sharded && h != g.known[len(g.known)-1] }

// Older returns the histories that were seen beside a younger one, one after another.
func (g *Guard) Older() (ids string) {
	if g == nil || g.Sharded {
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.known {
		if g.younger(h) {
			ids += h.id
		}
	}
	return ids
}

// Left returns how long a server gives no lock, as far as is known.
func (g *Guard) Left(from string) (left time.Duration) {
	if g == nil {
		return 0
	}
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.server(from).runs
	if h == nil {
		return 0
	}
	return min(g.blocked(h, now), g.Grace+g.Window)
}

// blocked is left, or how long it gives none because it has lost replicas. Called with mu held.
func (g *Guard) blocked(h *history, now time.Duration) time.Duration {
	left := g.left(h, now)
	if h.short != 0 && left != Never {
		left = max(left, h.short+g.Window-now)
	}
	return left
}
