// Package queue makes the goroutines of a process that wait for one lock one waiter in Redis.
//
// The waiters of a lock are in a local queue, in the order in which they came. Only the first of
// them, the asker, asks Redis, by an attempt that has one place in Redis's queue for all of them.
// Nobody asks as long as a session of this process holds the lock and can pass it on. Of permits the
// first asks also then, and if it finds some free the next two ask once beside it (spread).
//
// How a waiter is woken: another process's release grants the lock to the attempt and tells its
// channel (Message), a session of this process passes the lock on (Pass) or is given the lock along
// with its own release (Released), or the time at which to ask again has come (Waiter.pause).
// Whichever comes, the waiter looks at the queue for what it is to do next (nextStep).
//
// Mutexes are taken in this order: that of Queues, that of a lease, that of the schedule. With the
// mutex of Queues held no request is sent, and no context is looked at but Closed, which has no
// parent. It guards all fields of queues, and those of attempts and waiters that say so.
package queue

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Config is what Queues work with.
type Config struct {
	Store  *store.Store
	Send   *send.Sender
	Notify *notify.Subscription
	Tasks  *task.Group
	Grace  *grace.Guard       // nil without a failover grace
	Return func(*lease.Lease) // gives a lease back that rested
	Closed context.Context    // done, with a cause, when the Locker is closed
	Now    func() time.Duration
}

// Queues has the local queues of a Locker. It is safe for concurrent use.
type Queues struct {
	Config
	mu    sync.Mutex
	of    map[string]*queue // by the lock's key
	rests rests

	// outside has, by the lock's key, the attempts that ask outside of a queue. A message that others wait may
	// come before the answer that gives them the lock.
	outside map[string][]*Attempt
}

// queue is one lock's. It is there while somebody waits in it, or a lease of this process holds the
// lock.
type queue struct {
	leases
	first, last *Waiter
	attempt     *Attempt // the asker's, in Redis; nil before it asks
	waiting     int32
	hasAnswered bool // Redis has answered something
}

// New returns empty queues.
func New(conf Config) *Queues {
	return &Queues{Config: conf, of: make(map[string]*queue), outside: make(map[string][]*Attempt)}
}

// Len returns for how many locks there is a queue.
func (qs *Queues) Len() int {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return len(qs.of)
}

// closed reports whether the Locker is closed.
func (qs *Queues) closed() bool { return qs.Closed.Err() != nil }

// queue returns the queue of that key. Called with mu held.
func (qs *Queues) queue(key string) *queue {
	q := qs.of[key]
	if q == nil {
		q = new(queue)
		qs.of[key] = q
	}
	return q
}

// tidy drops a queue in which nothing is. Called with mu held.
func (qs *Queues) tidy(key string, q *queue) {
	if q.first == nil && q.leases.none() {
		delete(qs.of, key)
	}
}

// enqueue puts a waiter at the end of its queue, unless a lease rests there: then it has that.
func (qs *Queues) enqueue(w *Waiter) lease.Holder {
	over := w.Ctx.Err() != nil
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.queue(w.Lock.Key())
	if h := qs.wake(q, w, over); h != nil {
		return h
	}
	q.append(w)
	q.advance()
	return nil
}

// append puts a waiter at the end. Called with mu held.
func (q *queue) append(w *Waiter) {
	w.queue, w.prev = q, q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.waiting++
}

// advance makes the first of the queue its asker, unless the lock may come to it within the
// process. Called with mu held.
func (q *queue) advance() {
	w := q.first
	if w == nil || w.asker || q.lease != nil && q.lease.MayPass(w.terms()) {
		return
	}
	w.asker = true
	w.notify()
}

// remove takes a waiter out of the queue. Called with mu held.
func (q *queue) remove(w *Waiter) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	q.waiting--
}

// give gives a waiter a lease, by its Holder. It returns the attempt that nobody needs any more, if there is
// one. Called with mu held.
func (q *queue) give(w *Waiter, h lease.Holder) (left *Attempt) {
	q.remove(w)
	w.given = h
	if w.asker {
		left = q.bequeath(w)
	}
	w.notify()
	q.advance()
	return left
}

// serve gives w the lease of the attempt by which it asked. It returns the attempt that nobody needs any more, if
// there is one: w may have asked beside the asker, and have inherited that one's attempt since. Called with mu
// held.
func (q *queue) serve(w *Waiter, a *Attempt, l *lease.Lease) (left *Attempt) {
	if q.attempt == a {
		q.attempt = nil
	}
	left = q.give(w, l.Holder())
	if l.Shared() && w.How == Asked {
		q.spread()
	}
	return left
}

// mostAside is how many waiters ask beside the asker for each that had permits which were free.
const mostAside = 2

// spread has the next waiters ask beside the asker: where permits were free there may be more, and one
// request after another would take a round trip for each. Nobody does from behind one that wants another
// number: the asker may have no place in Redis yet, and would be overtaken. Those that want as many may change
// places, so nobody does for permits that this process holds itself. Called with mu held.
func (q *queue) spread() {
	if q.first == nil || !q.leases.room(q.first.terms()) {
		return
	}
	n := 0
	for w := q.first; w != nil && n < mostAside && w.terms().Same(q.first.terms()); w = w.next {
		if !w.asker && !w.aside && !w.busy {
			w.aside = true
			w.notify()
			n++
		}
	}
}

// bequeath gives the attempt of w, the asker, which was just removed, to the next waiter, place and all,
// or returns it if that can't use it. Called with mu held.
func (q *queue) bequeath(w *Waiter) *Attempt {
	a := q.attempt
	if a == nil {
		return nil
	}
	if next := q.first; next != nil && a.terms.Same(next.terms()) {
		next.asker = true
		// It may have no place in Redis: the last try of w gave the place up.
		a.askNow = a.askNow || !a.queued || a.inDoubt || w.told
		next.notify()
		return nil
	}
	q.attempt = nil
	return a
}

// leave takes a waiter out of its queue and returns what must be undone: the lease that came
// meanwhile, or the attempt. If the next waiter can use the attempt, it inherits it, place and all.
func (qs *Queues) leave(w *Waiter) (lease.Holder, *Attempt) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if w.given != nil {
		return w.given, nil
	}
	q := w.queue
	q.remove(w)
	var left *Attempt
	if w.asker {
		if a := q.attempt; a != nil && a.inFlight > 0 {
			a.inDoubt = true
		}
		left = q.bequeath(w)
	}
	q.advance()
	qs.tidy(w.Lock.Key(), q)
	return nil, left
}

// fail tells an error that the asker met before Redis ever answered to those who wait with it: they
// would only find the same, one after the other.
func (qs *Queues) fail(q *queue, err error) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q.hasAnswered || !q.leases.none() {
		return
	}
	for w := q.first; w != nil; w = w.next {
		if !w.asker {
			w.failed = err
			w.notify()
		}
	}
}

// hasAnswered reports whether Redis has answered to anybody of the queue.
func (qs *Queues) hasAnswered(w *Waiter) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return w.queue.hasAnswered
}

// followed reports whether the next in the queue can use the asker's attempt, which then keeps its
// place in Redis when the asker leaves.
func (qs *Queues) followed(w *Waiter) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return w.queue.attempt != nil && w.next != nil && w.queue.attempt.terms.Same(w.next.terms())
}
