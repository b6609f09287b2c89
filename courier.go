package holdfast

import (
	"context"
	"runtime"
	"slices"
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

	// See bounded.
	bound   context.Context
	unbound context.CancelFunc
	ends    time.Time
}

func newCouriers(l *Locker) *couriers {
	cs := &couriers{l: l, most: mostDeliveries, of: make(map[string]*courier)}
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
	waiting bool // hurry has been set off
}

const (
	// A request waits for others only while so many deliveries are under way, and then only
	// if one of them ends within patience; else the network is what takes time, and another
	// sets out, as long as there are not so many that they use up a client's connections.
	fewDeliveries  = 6
	mostDeliveries = 16
	patience       = 2 * time.Millisecond
	// loadMost is how many requests go together, in scripts of at most 256.
	loadMost = 1024
)

// request is one call on somebody's behalf. It is used again once its answer was taken.
type request struct {
	ctx      context.Context // when it is done nobody waits for the answer any more
	call     store.Call
	sent     time.Duration
	answered chan *request // has room
	courier  *courier
	off      bool // on its way, or dropped; under the courier's mu
}

// take returns what came of a request whose answer has come, which ends it.
func (r *request) take(l *Locker) answer {
	got := r.answer()
	*r = request{answered: r.answered}
	l.requests.Put(r)
	return got
}

func (r *request) answer() answer { return answer{r.sent, r.call.Reply, r.call.Err} }

// answer is what came of a request that was sent at sent.
type answer struct {
	sent  time.Duration
	reply store.Reply
	err   error
}

// send starts one request. go-redis ignores a cancellation in mid-flight, so whoever waits
// for the answer looks at ctx himself, and the request goes on until the client's time-out.
func (l *Locker) send(ctx context.Context, call store.Call) *request {
	r := l.requests.Get().(*request)
	r.ctx, r.call = ctx, call
	l.start(r)
	return r
}

func (l *Locker) start(r *request) {
	if r.ctx.Err() != nil {
		r.unasked()
		return
	}
	r.courier = l.couriers.courier(l.store.Server(r.call.Lock.Name))
	r.courier.add(r)
}

// unasked answers a request that was not sent and won't be.
func (r *request) unasked() {
	r.off = true
	r.call.Err = &unasked{context.Cause(r.ctx)}
	r.answered <- r
}

// unanswered are requests that ask the same. The first answer counts.
type unanswered struct {
	first *request
	more  []*request
	other chan *request // those of more that were answered
}

// mostUnanswered is more than insist can ask: its pauses double from 10 ms on, and after
// three times its patience it is over.
const mostUnanswered = 32

func (u *unanswered) send(l *Locker, ctx context.Context, call store.Call) {
	if u.first == nil {
		u.first = l.send(ctx, call)
		return
	}
	if u.other == nil {
		u.other = make(chan *request, mostUnanswered)
	}
	r := &request{ctx: ctx, call: call, answered: u.other}
	u.more = append(u.more, r)
	l.start(r)
}

// wait waits for an answer, no longer than d; false if there is none.
func (u *unanswered) wait(l *Locker, d time.Duration) (answer, bool) {
	timer := l.timers.Get().(*time.Timer)
	defer l.timers.Put(timer)
	timer.Reset(d)
	defer timer.Stop()
	var first chan *request
	if u.first != nil {
		first = u.first.answered
	}
	select {
	case r := <-first:
		u.first = nil
		return r.take(l), true
	case r := <-u.other:
		u.more = slices.DeleteFunc(u.more, func(o *request) bool { return o == r })
		return r.answer(), true
	case <-timer.C:
		return answer{}, false
	}
}

// drop gives up the others, and reports whether one may have run, or may run yet.
func (u *unanswered) drop() (may bool) {
	if u.first != nil {
		may = !u.first.drop()
	}
	for _, r := range u.more {
		may = !r.drop() || may
	}
	return may
}

// drop gives up a request; false if it is on its way.
func (r *request) drop() bool {
	if r.courier == nil {
		return true
	}
	r.courier.mu.Lock()
	defer r.courier.mu.Unlock()
	was := r.off
	r.off = true
	return !was
}

// outcome gives up a request, and returns nil, or an error if it is on its way.
func (r *request) outcome() error {
	if r.drop() {
		return nil
	}
	return context.Canceled
}

// moved reports whether another server has what the request is about by now.
func (r *request) moved() bool {
	if r.courier == nil || r.courier.server == "" { // which was not known
		return false
	}
	now := r.courier.l.store.Server(r.call.Lock.Name)
	return now != "" && now != r.courier.server
}

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
		c.deliver(load)
		c.mu.Lock()
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

// bounded returns a context that ends cleanupTime from now or, at most a second, later: those
// who set out in one second share it, and its timer. go-redis looks at nothing but Done while
// it waits for a connection.
func (cs *couriers) bounded() context.Context {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if now := time.Now(); cs.ends.Sub(now) < cleanupTime {
		cs.ends = now.Add(cleanupTime + time.Second)
		cs.bound, cs.unbound = context.WithDeadline(context.Background(), cs.ends)
	}
	return cs.bound
}

// deliver sends requests in one round trip, and hands out the answers.
func (c *courier) deliver(load []*request) {
	ctx := load[0].ctx
	if len(load) > 1 || ctx.Done() == nil {
		// What some still wait for does not end with the others. But it must end.
		ctx = c.l.couriers.bounded()
	}
	calls := make([]*store.Call, len(load))
	for i, r := range load {
		calls[i] = &r.call
	}
	sent := c.l.clock.Now()
	c.l.store.Do(ctx, calls...)
	c.l.conf.observer.sent(Calls, len(load), c.l.clock.Now()-sent)
	for _, r := range load {
		r.sent = sent
		r.answered <- r
	}
}
