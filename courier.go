package holdfast

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// couriers carry the requests of the Locker's callers, each those to one Redis server: a
// server that hangs holds up none but its own.
type couriers struct {
	l    *Locker
	most int // deliveries of one courier under way
	mu   sync.Mutex
	of   map[string]*courier // by the store's name of the server

	loads, errands bound
}

func newCouriers(l *Locker) *couriers {
	cs := &couriers{l: l, most: mostDeliveries, of: make(map[string]*courier)}
	cs.loads.while, cs.errands.while = cleanupTime, errandTime*4/5 // which bound makes errandTime at most
	if pool := l.store.Connections(); pool > 0 {
		cs.most = min(max(pool*3/4, 1), mostDeliveries) // the others are for renewals
	}
	return cs
}

// courier carries requests that come at the same moment together, which costs both sides
// far less than one by one. A request that comes alone is carried at once.
type courier struct {
	l       *Locker
	server  string // the store's name of it
	most    int    // deliveries under way
	mu      sync.Mutex
	queue   []*request
	running int  // deliveries under way
	loads   uint // that have been taken out of the queue
	many    bool // the last was of more than one
	brisk   bool // the last was answered within briskly
	waiting bool // hurry has been set off
}

const (
	// A request waits for others only while so many deliveries are under way, and then only
	// if one of them ends within patience; else the network is what takes time, and another
	// sets out, as long as there are not so many that they use up a client's connections.
	fewDeliveries  = 3
	mostDeliveries = 16
	patience       = 2 * time.Millisecond
	// loadMost is how many requests go together, in scripts of at most 256.
	loadMost = 1024

	// errandTime is how long a caller runs an errand himself, while he hears nothing else: see
	// courier.errand. He does so only if the server has just answered briskly.
	errandTime = 50 * time.Millisecond
	briskly    = errandTime / 5
)

func (cs *couriers) courier(server string) *courier {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.of[server]
	if c == nil {
		c = &courier{l: cs.l, server: server, most: cs.most}
		cs.of[server] = c
	}
	return c
}

func (c *courier) add(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, r)
	c.attend()
}

// errand carries a lone request in its caller's goroutine, for to wake another and to be woken
// by it takes longer than all else; false if it is not the time for that. go-redis waits for an
// answer without looking at the request's context, so a server that doesn't answer at once
// makes the request one like all others, for the second time.
func (c *courier) errand(r *request) bool {
	c.mu.Lock()
	if !c.brisk || !c.l.store.Brief() || c.many || c.running > 0 || len(c.queue) > 0 {
		c.mu.Unlock()
		return false
	}
	c.running++
	r.off = true
	c.mu.Unlock()

	c.l.enter() // Close waits for it
	defer c.l.leave()
	sent := c.l.clock.Now()
	answered := c.l.store.Briefly(c.l.couriers.brief(r.ctx), errandTime, &r.call)
	took := c.l.clock.Now() - sent
	defer c.l.conf.observer.sent(Calls, 1, took)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.loads++
	c.brisk = answered && took < briskly
	if answered {
		r.sent = sent
		r.answered <- r
	} else {
		r.off, r.open, r.call.Err = false, true, nil
		c.queue = append(c.queue, r)
	}
	if len(c.queue) > 0 {
		c.attend()
	}
	return true
}

// start sets out on a delivery while fewer than most are under way. Called with mu held.
func (c *courier) start(most int) bool {
	if c.running >= min(most, c.most) {
		return false
	}
	c.running++
	c.l.spawn(c.run)
	return true
}

// attend sets out on a delivery, or waits a little for those under way. Called with mu held.
func (c *courier) attend() {
	if c.start(fewDeliveries) || c.waiting {
		return
	}
	c.waiting = true
	loads := c.loads
	time.AfterFunc(patience, func() { c.hurry(loads) })
}

// hurry sets out on another delivery if no load has been taken for a while.
func (c *courier) hurry(loads uint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if len(c.queue) == 0 {
		return
	}
	if loads == c.loads {
		c.start(mostDeliveries)
	}
	c.attend()
}

// run delivers what there is until there is nothing.
func (c *courier) run() {
	c.mu.Lock()
	for {
		if c.many {
			c.mu.Unlock()
			runtime.Gosched() // those who just had their answers are about to ask again
			c.mu.Lock()
		}
		load := c.take()
		if load == nil {
			c.running--
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		took := c.deliver(load)
		c.mu.Lock()
		c.brisk = took < briskly
	}
}

// take takes requests out of the queue. Called with mu held.
func (c *courier) take() (load []*request) {
	rest := c.queue
	for len(rest) > 0 && len(load) < loadMost {
		r := rest[0]
		rest = rest[1:]
		switch {
		case r.off:
		case r.ctx.Err() != nil:
			r.unasked()
		default:
			r.off = true
			load = append(load, r)
		}
	}
	if c.queue = rest; len(rest) == 0 {
		c.queue = nil
	}
	c.loads++
	c.many = len(load) > 1 || len(load) == 1 && c.running > 1
	return load
}

// bound is for those who set out together to share a context, and its timer, that ends a while from
// now, or at most a quarter of that later. go-redis looks at nothing but Done while it waits for a
// connection.
type bound struct {
	while time.Duration
	mu    sync.Mutex
	ctx   context.Context
	end   context.CancelFunc // not called: it ends by itself
	ends  time.Time
}

func (b *bound) context() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.ends.Sub(now) < b.while {
		b.ends = now.Add(b.while + b.while/4)
		b.ctx, b.end = context.WithDeadline(context.Background(), b.ends)
	}
	return b.ctx
}

// brief returns a context that ends no later than errandTime from now, and no later than ctx's
// deadline. Unless that is so near, it does not end when ctx is cancelled: to make one that does
// costs much of what a lone request saves, and go-redis waits for an answer whatever its context
// says.
func (cs *couriers) brief(ctx context.Context) context.Context {
	errand := cs.errands.context()
	end, _ := errand.Deadline()
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		return ctx
	}
	return within{errand, ctx}
}

// within is a context that ends with another one than its values'.
type within struct {
	context.Context
	values context.Context
}

func (w within) Value(key any) any {
	if v := w.Context.Value(key); v != nil { // only context asks for it, to find out by whom it ends
		return v
	}
	return w.values.Value(key)
}

// deliver sends requests in one round trip, hands out the answers, and returns how long that took.
func (c *courier) deliver(load []*request) (took time.Duration) {
	ctx := load[0].ctx
	if len(load) > 1 || ctx.Done() == nil {
		// What some still wait for does not end with the others. But it must end.
		ctx = c.l.couriers.loads.context()
	}
	calls := make([]*store.Call, len(load))
	for i, r := range load {
		calls[i] = &r.call
	}
	sent := c.l.clock.Now()
	c.l.store.Do(ctx, calls...)
	took = c.l.clock.Now() - sent
	c.l.conf.observer.sent(Calls, len(load), took)
	for _, r := range load {
		r.sent = sent
		r.answered <- r
	}
	return took
}
