package redistest

import (
	"io"
	"sync"
	"time"
)

// Link controls the path between one client and the server. The fake network
// (FakeLink) and the TCP proxy (Proxy) behave alike. All methods may be called
// from any goroutine. Holds add up until Heal; a Delay stays until changed.
type Link interface {
	// Cut holds bytes back both ways, on existing and new connections: a
	// black hole. Connections stay open and dials still succeed.
	Cut()
	// HoldRequests holds back what the client sends.
	HoldRequests()
	// HoldReplies holds back what the server sends: requests still run.
	HoldReplies()
	// Heal delivers everything held and ends the holds and Refuse.
	Heal()
	// Reset aborts the present connections with ECONNRESET and drops what
	// was held on them. New connections work (under the same holds).
	Reset()
	// ResetLate aborts the client's side of the present connections at once,
	// but what is on its way to the server still arrives, when its hold or
	// delay ends: a request applied after its connection died.
	ResetLate()
	// Refuse resets the present connections and refuses new ones with
	// ECONNREFUSED until Heal.
	Refuse()
	// Delay adds d each way, keeping the order; 0 means none.
	Delay(d time.Duration)
	// DropIdle drops, without a word to either side, whatever is sent on a connection that was
	// silent for longer than d, as a NAT or a balancer does that has forgotten it. New connections
	// work. 0 means none; what was forgotten stays so.
	DropIdle(d time.Duration)
	// CutIdle closes in order, both ways, the connections that are silent for d, as a proxy's idle
	// time-out does. It concerns the connections that are made from then on; 0 means none.
	CutIdle(d time.Duration)
	// Lose ends the present connections on the server's side alone: the client's side stays open,
	// and silent, as behind a proxy that closes nothing when its server is replaced.
	Lose()
	// Held counts the bytes that are on their way: sent but not delivered.
	Held() (requests, replies int)
}

// The reasons for which a queue does not deliver. Several may apply.
const (
	holdRequests = 1 << iota
	holdReplies
	frozen // the server does not read (Fake.Freeze)
)

// gate is the state of one link, shared by both implementations. Its lock also
// guards the link's queues, so that every operation is atomic for the link.
type gate struct {
	mu     sync.Mutex
	holds  uint8
	refuse bool
	delay  time.Duration
	drop   time.Duration      // see DropIdle
	cut    time.Duration      // see CutIdle
	wires  map[*wire]struct{} // connections that may still carry bytes
}

// wire is one connection through a link: a queue for each direction.
type wire struct {
	req, rep *queue
	// abort, if set, is called with the gate locked when the link resets the
	// wire; late means the server's side lives on.
	abort func(late bool)

	used      time.Time // when bytes were last sent on it
	forgotten bool      // see DropIdle
}

// newWire adds a connection, or returns nil while the link refuses them.
func (g *gate) newWire(abort func(late bool)) *wire {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse {
		return nil
	}
	w := &wire{abort: abort, used: time.Now()}
	w.req, w.rep = newQueue(g, w, holdRequests|frozen), newQueue(g, w, holdReplies)
	if g.cut > 0 {
		time.AfterFunc(g.cut, func() { g.cutIdle(w) })
	}
	if g.wires == nil {
		g.wires = map[*wire]struct{}{}
	}
	g.wires[w] = struct{}{}
	return w
}

// forget drops a wire that will carry nothing more.
func (g *gate) forget(w *wire) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.wires, w)
}

// change runs f with the gate locked and then lets every reader look again.
func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	for w := range g.wires {
		w.req.wake()
		w.rep.wake()
	}
}

func (g *gate) Cut()          { g.change(func() { g.holds |= holdRequests | holdReplies }) }
func (g *gate) HoldRequests() { g.change(func() { g.holds |= holdRequests }) }
func (g *gate) HoldReplies()  { g.change(func() { g.holds |= holdReplies }) }

func (g *gate) Heal() {
	g.change(func() {
		g.holds &^= holdRequests | holdReplies
		g.refuse = false
	})
}

func (g *gate) DropIdle(d time.Duration) { g.change(func() { g.drop = d }) }
func (g *gate) CutIdle(d time.Duration)  { g.change(func() { g.cut = d }) }

func (g *gate) Lose() {
	g.change(func() {
		for w := range g.wires {
			w.req.end(io.EOF)
			w.forgotten = true
		}
	})
}

// cutIdle closes a wire if it is silent for too long.
func (g *gate) cutIdle(w *wire) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.wires[w]; !there || g.cut == 0 {
		return
	}
	if left := g.cut - time.Since(w.used); left > 0 {
		time.AfterFunc(left, func() { g.cutIdle(w) })
		return
	}
	w.req.end(io.EOF)
	w.rep.end(io.EOF)
}

// send notes that something is sent on the wire, and reports whether it is forwarded.
func (g *gate) send(w *wire) bool {
	now := time.Now()
	w.forgotten = w.forgotten || g.drop > 0 && now.Sub(w.used) > g.drop
	w.used = now
	return !w.forgotten
}

func (g *gate) Delay(d time.Duration) { g.change(func() { g.delay = d }) }

func (g *gate) Reset() { g.change(g.resetLocked) }

func (g *gate) Refuse() {
	g.change(func() {
		g.refuse = true
		g.resetLocked()
	})
}

func (g *gate) resetLocked() {
	for w := range g.wires {
		w.req.fail(errReset)
		w.rep.fail(errReset)
		if w.abort != nil {
			w.abort(false)
		}
		delete(g.wires, w)
	}
}

// ResetLate keeps the wires: a Reset that comes later still drops what they
// hold toward the server.
func (g *gate) ResetLate() {
	g.change(func() {
		for w := range g.wires {
			w.rep.fail(errReset)
			w.req.end(io.EOF)
			if w.abort != nil {
				w.abort(true)
			}
		}
	})
}

func (g *gate) Held() (requests, replies int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for w := range g.wires {
		requests += w.req.size()
		replies += w.rep.size()
	}
	return requests, replies
}
