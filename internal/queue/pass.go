package queue

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/store"
)

// NotPassable notes that a lease won't be passed on: who waits for that must ask Redis.
func (qs *Queues) NotPassable(l *lease.Lease) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.of[l.Key()]; q != nil {
		q.advance()
	}
}

// Dropped notes that nobody looks after the lease any more: who waits for it must ask Redis.
func (qs *Queues) Dropped(l *lease.Lease) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.of[l.Key()]
	r, rested := l.Holder().(*rest)
	switch {
	case l.Kept(): // it may have been passed on just now
	case rested && l.GivenBack(): // Released comes
	case q == nil || !q.leases.has(l):
		if rested {
			qs.rests.remove(r)
		}
	default:
		qs.drop(q, l)
	}
}

// drop takes a lease out of its queue. Called with mu held.
func (qs *Queues) drop(q *queue, l *lease.Lease) {
	if q.leases.has(l) {
		if r := q.rest(); r != nil && r.lease == l {
			qs.rests.remove(r)
		}
		q.leases.remove(l)
		q.advance()
		qs.tidy(l.Key(), q)
	}
}

// Pass gives the lease of h, whose work has ended, to the first of the queue, and reports whether
// it could, and whether anybody waits who needs the lease.
func (qs *Queues) Pass(l *lease.Lease, h lease.Holder) (passed, wanted bool) {
	passed, wanted, left := qs.passOn(l, h)
	if left != nil {
		qs.withdraw(left)
	}
	if passed && !l.Watch() {
		l.End(qs.errClosed()) // Close came in between, and did not see the lease
	}
	return passed, wanted
}

func (qs *Queues) passOn(l *lease.Lease, h lease.Holder) (passed, wanted bool, left *Attempt) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, w := qs.wanting(l)
	if w == nil {
		return false, false, nil
	}
	if qs.closed() {
		return false, true, nil
	}
	next := l.Pass(h, w.To, int(q.waiting), q.leases.beside())
	if next == nil {
		return false, true, nil
	}
	q.leases.add(l) // its fence is another
	w.How = Passed
	return true, true, q.give(w, next)
}

// wanting returns the lease's queue, and who of it is to have the lease if it is passed on; nil if
// nobody. Of a mutex that is the first, unless it has asked Redis itself. Of permits the first always
// asks Redis, which may have some that are free; but one whose answer is under way may have them
// already, and then the next is served before it, if it wants as many. Called with mu held.
func (qs *Queues) wanting(l *lease.Lease) (*queue, *Waiter) {
	q := qs.of[l.Key()]
	if q == nil || !q.leases.has(l) || q.first == nil {
		return nil, nil
	}
	w := q.first
	if w.asker && !l.Shared() {
		return nil, nil
	}
	for w.busy {
		if w.next == nil || !w.terms().Same(w.next.terms()) {
			return q, nil
		}
		w = w.next
	}
	return q, w
}

// Successor returns the attempt that takes a place in Redis's queue when the lease is released there,
// on behalf of those who wait here. It is sent with the release. nil if there is none, or if the
// asker has asked already.
func (qs *Queues) Successor(l *lease.Lease) *Attempt {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, w := qs.wanting(l)
	if w == nil || l.Shared() || w.terms().NoExpiry { // without expiry it has to confirm first: see try
		return nil
	}
	w.asker = true // it is notified when the answer is there
	a := newAttempt(w)
	a.Channel, a.epoch = qs.Notify.Channel()
	a.inFlight++
	q.attempt = a
	return a
}

// Released takes the answer to a release that was first sent at sent, with the successor.
func (qs *Queues) Released(l *lease.Lease, successor *Attempt, sent time.Duration, r store.Reply, inDoubt bool, err error) {
	qs.Notify.Report(qs.released(l, successor, sent, r, inDoubt, err))
}

func (qs *Queues) released(l *lease.Lease, successor *Attempt, sent time.Duration, r store.Reply, inDoubt bool, err error) (report notify.Report) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.of[l.Key()]
	if q == nil {
		return report
	}
	defer qs.drop(q, l)
	if successor == nil {
		return report
	}
	successor.inFlight--
	successor.inDoubt = successor.inDoubt || inDoubt
	if q.attempt != successor || q.first == nil {
		return report // its waiter has left, and the attempt is withdrawn
	}
	switch {
	case err != nil:
	case r.Status == store.Granted:
		q.hasAnswered = true
		if next, _ := qs.hold(successor, q.first, sent, sent, r); next != nil {
			q.first.How = Granted
			q.serve(q.first, successor, next)
			return report
		}
	case r.Status == store.Held:
		q.hasAnswered = true
		report = successor.onQueued(qs.Now(), sent, r)
	}
	q.first.notify()
	return report
}
