package holdfast

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// lines keeps the calls of this process that wait for a lock, by the lock's name, in the
// order in which they came. Only the first of a line, its front, asks Redis, where the
// whole line is one waiter; and not even that as long as a session of this process holds
// the lock and can pass it on.
type lines struct {
	l  *Locker
	mu sync.Mutex // before any lease's, and the watchdog's
	of map[string]*line
}

// line is one lock's. It is there while somebody waits in it, or holds the lock.
type line struct {
	first, last *call
	waiting     int
	lease       *lease   // of ours that holds the lock, if any
	attempt     *attempt // the front's, in Redis; nil before it asks
	answered    bool     // Redis has answered something
}

// call is one Acquire that stands in a line. It is used again when it is over.
type call struct {
	m          *Mutex
	conf       *config
	parent     context.Context // the caller's
	line       *line
	prev, next *call
	front      bool
	watching   bool          // the key: see hints.watch
	how        Acquisition   // it came, or will come, by its session
	began      time.Duration // if somebody observes
	given      *Session      // which it now holds
	failed     error         // what Redis said to the front, and would say to this one
	wake       chan struct{} // capacity 1: something of the above, or of the attempt, changed
}

// over reports whether there is a reason not to wait any longer.
func (c *call) over() bool { return c.parent.Err() != nil || c.m.l.ctx.Err() != nil }

func (c *call) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// join puts a call at the end of its line.
func (ls *lines) join(c *call) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := ls.line(c.m.name)
	c.line, c.prev = ln, ln.last
	if ln.last == nil {
		ln.first = c
	} else {
		ln.last.next = c
	}
	ln.last = c
	ln.waiting++
	ln.advance()
}

// line returns the line of that name. Called with mu held.
func (ls *lines) line(name string) *line {
	ln := ls.of[name]
	if ln == nil {
		ln = new(line)
		ls.of[name] = ln
	}
	return ln
}

// tidy drops a line in which nothing is. Called with mu held.
func (ls *lines) tidy(name string, ln *line) {
	if ln.first == nil && ln.lease == nil {
		delete(ls.of, name)
	}
}

// advance makes the first of the line its front, who asks Redis, unless the lock may come
// to it within the process. Called with mu held.
func (ln *line) advance() {
	c := ln.first
	if c == nil || c.front || ln.lease != nil && ln.lease.heritable(c.conf) {
		return
	}
	c.front = true
	c.notify()
}

// remove takes a call out of the line. Called with mu held.
func (ln *line) remove(c *call) {
	if c.prev == nil {
		ln.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		ln.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	ln.waiting--
}

// give gives the first of the line a session. Called with mu held.
func (ln *line) give(s *Session) {
	c := ln.first
	ln.remove(c)
	c.given = s
	ln.lease = s.lease
	c.notify()
	ln.advance()
}

// serve gives the front a session of the attempt. Called with mu held.
func (ln *line) serve(s *Session) {
	ln.attempt = nil
	ln.give(s)
}

// advance is called when a lease of ours has become one that is not passed on.
func (ls *lines) advance(name string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ln := ls.of[name]; ln != nil {
		ln.advance()
	}
}

// hold notes a session that was not acquired through the line.
func (ls *lines) hold(s *Session) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := s.lease
	l.mu.Lock()
	kept := l.kept() // abandon may have come before
	l.mu.Unlock()
	if kept {
		ln := ls.line(l.m.name)
		ln.lease = l
		ln.advance() // the lease before it may have been one to hope for
	}
}

// abandon notes that nobody looks after the lease any more: who waits for it to be passed
// on must ask Redis.
func (ls *lines) abandon(l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := ls.of[l.m.name]
	if ln == nil || ln.lease != l {
		return
	}
	l.mu.Lock()
	kept := l.kept() // it may have been passed on just now
	l.mu.Unlock()
	if !kept {
		ls.drop(ln, l)
	}
}

// drop takes a lease out of its line. Called with mu held.
func (ls *lines) drop(ln *line, l *lease) {
	if ln.lease == l {
		ln.lease = nil
		ln.advance()
		ls.tidy(l.m.name, ln)
	}
}

// leave ends a call's wait, and returns what it has to give back: the session that it was
// given meanwhile, or the attempt that it leaves in Redis. If the next in line can use
// the attempt, that one goes on with it, in its place.
func (ls *lines) leave(c *call) (*Session, *attempt) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if c.given != nil {
		return c.given, nil
	}
	ln := c.line
	ln.remove(c)
	a := ln.attempt
	if !c.front {
		a = nil
	} else if a != nil {
		if a.flying > 0 {
			a.open = true
		}
		if next := ln.first; next != nil && a.conf.alike(next.conf) {
			next.front = true
			// It may stand in no queue: this call's last try gave up the place.
			a.poked = a.poked || !a.waits || a.open
			next.notify()
			return nil, nil
		}
		ln.attempt = nil
	}
	ln.advance()
	ls.tidy(c.m.name, ln)
	return nil, a
}

// fail tells an error that the front met before Redis ever answered to those who wait
// with it: they would only find the same, one after the other.
func (ls *lines) fail(ln *line, err error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ln.answered || ln.lease != nil {
		return
	}
	for c := ln.first; c != nil; c = c.next {
		if !c.front {
			c.failed = err
			c.notify()
		}
	}
}

// pass gives the lease of a session that is over to the first of the line, and reports
// whether it could, and whether any stand there who need it.
func (ls *lines) pass(s *Session) (passed, wanted bool) {
	next, wanted := ls.passOn(s)
	if next != nil && !ls.l.dog.watch(next.lease) {
		next.end(ErrClosed) // Close came in between, and did not see it
	}
	return next != nil, wanted
}

func (ls *lines) passOn(s *Session) (next *Session, wanted bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := s.lease
	ln := ls.wanting(l)
	if ln == nil {
		return nil, false
	}
	if ls.l.ctx.Err() != nil {
		return nil, true
	}
	c := ln.first
	next = l.pass(s, c, ln.waiting)
	if next != nil {
		c.how = Passed
		ln.give(next)
	}
	return next, true
}

// wanting returns the lease's line if somebody stands there who has not asked Redis for the lock
// himself; else nil. Called with mu held.
func (ls *lines) wanting(l *lease) *line {
	ln := ls.of[l.m.name]
	if ln == nil || ln.lease != l || ln.first == nil || ln.first.front {
		return nil
	}
	return ln
}

// heir returns the attempt that shall stand in Redis's queue for the line when its lease
// is given back there; nil if there is none, or the front has asked already.
func (ls *lines) heir(l *lease) *attempt {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := ls.wanting(l)
	if ln == nil {
		return nil
	}
	c := ln.first
	if c.conf.noExpiry {
		return nil // it has to confirm first: see try
	}
	c.front = true // and is told when the answer is there
	a := newAttempt(c.m, c.conf)
	a.Channel, a.epoch = ls.l.hints.channel()
	a.flying++
	ln.attempt = a
	return a
}

// released takes the answer to a release that was first sent at sent, with the heir.
func (ls *lines) released(l *lease, heir *attempt, sent time.Duration, r store.Reply, open bool, err error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := ls.of[l.m.name]
	if ln == nil {
		return
	}
	defer ls.drop(ln, l)
	if heir == nil {
		return
	}
	heir.flying--
	heir.open = heir.open || open
	if ln.attempt != heir || ln.first == nil {
		return // the call has left, and the attempt is taken back
	}
	switch {
	case err != nil:
	case r.Status == store.Granted:
		ln.answered = true
		if s, _ := heir.hold(ln.first, sent, r); s != nil {
			ln.first.how = Granted
			ln.serve(s)
			return
		}
	case r.Status == store.Held:
		ln.answered = true
		heir.stands(sent, r)
	}
	ln.first.notify()
}

// message takes what a script says on the Locker's channel. Nothing depends on it.
func (ls *lines) message(text string) {
	kind, rest, _ := strings.Cut(text, " ")
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch kind {
	case "g": // granted
		half, rest, _ := strings.Cut(rest, " ")
		fence, rest, _ := strings.Cut(rest, " ")
		note, name, _ := strings.Cut(rest, " ")
		ln := ls.of[name]
		if ln == nil || ln.attempt == nil || !ln.attempt.Begins(half) || len(half) != halfAttempt {
			return // the attempt was taken back, and the lock with it
		}
		if g, ok := newGrant(fence, note); ok {
			ln.attempt.grant = g
			ln.first.notify()
		}
	case "w": // others wait
		ln := ls.of[rest]
		if ln == nil {
			return
		}
		if ln.lease != nil {
			ln.lease.mu.Lock()
			ln.lease.others = true
			ln.lease.mu.Unlock()
		}
		if ln.attempt != nil { // the answer that gives it the lock may still be on its way
			ln.attempt.others = true
		}
	case "c": // the lock was taken away: ask
		if ln := ls.of[rest]; ln != nil && ln.lease != nil {
			ln.lease.ask()
		}
	}
}

// wake has every call that stands in line look around: the Locker is closed.
func (ls *lines) wake() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, ln := range ls.of {
		for c := ln.first; c != nil; c = c.next {
			c.notify()
		}
	}
}

// poke makes the front of a line ask at once; of every line if name is empty.
func (ls *lines) poke(name string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for n, ln := range ls.of {
		if name == "" || n == name {
			if ln.attempt != nil && ln.first != nil {
				ln.attempt.poked = true
				ln.first.notify()
			}
		}
	}
}
