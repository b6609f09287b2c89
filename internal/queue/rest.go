package queue

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/scripts"
)

// mostResting is how many leases of a Locker rest. Beyond that the one that has rested longest is given back.
const mostResting = 4096

// restTries is how often several locks are tried again that are held by leases which may rest.
const restTries = 3

// rest is the Holder of a lease that rests. It is in the list of them, which the mutex of Queues guards.
type rest struct {
	qs         *Queues
	lease      *lease.Lease
	until      time.Duration
	prev, next *rest
	listed     bool
}

func (r *rest) Ended() bool          { return false }
func (r *rest) Until() time.Duration { return r.until }
func (r *rest) KeepRenewing() bool   { return true }
func (r *rest) Poll()                {}
func (r *rest) EndMaxHold()          { r.qs.RestOver(r.lease) }

// No work is under way that an end, or a loss, would concern.

func (r *rest) End(error)                       {}
func (r *rest) Named(err error) error           { return err }
func (r *rest) Lost(error)                      {}
func (r *rest) Renewed(time.Duration)           {}
func (r *rest) NotRenewed(error, time.Duration) {}

// rests are the leases that rest, the one that has rested longest first.
type rests struct {
	first, last *rest
	n           int
}

func (rs *rests) add(r *rest) {
	r.prev = rs.last
	if rs.last == nil {
		rs.first = r
	} else {
		rs.last.next = r
	}
	rs.last, r.listed = r, true
	rs.n++
}

func (rs *rests) remove(r *rest) {
	if !r.listed {
		return
	}
	r.listed = false
	if r.prev == nil {
		rs.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		rs.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	rs.n--
}

// Rest lets the lease of h, whose work has ended, rest if nobody waits for it, and reports whether it does.
func (qs *Queues) Rest(l *lease.Lease, h lease.Holder) bool {
	if l.Terms().Linger == 0 {
		return false
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.of[l.Key()]
	if q == nil || q.lease != l || q.first != nil || qs.closed() {
		return false
	}
	rests := l.Rest(h, func(until time.Duration) lease.Holder {
		r := &rest{qs: qs, lease: l, until: until}
		qs.rests.add(r)
		return r
	})
	if rests && qs.rests.n > mostResting {
		qs.endRest(qs.rests.first)
	}
	return rests
}

// rest returns the rest of a queue's lease, nil if that does not rest. Called with mu held.
func (q *queue) rest() *rest {
	if q == nil || q.lease == nil {
		return nil
	}
	r, _ := q.lease.Holder().(*rest)
	return r
}

// wake gives the lease of q, if one rests there, to a call whose wait is not over. One that the call can't
// have is given back. Called with mu held.
func (qs *Queues) wake(q *queue, w *Waiter, over bool) lease.Holder {
	r := q.rest()
	if r == nil || over || qs.closed() {
		return nil
	}
	h := r.lease.Pass(r, w.To, 0, lease.Beside{})
	if h == nil {
		qs.endRest(r)
		return nil
	}
	qs.rests.remove(r)
	r.lease.Watch() // the new Holder may end earlier
	w.How = Passed
	return h
}

// wakeFor is wake for those who do not hold mu. If there is none, it reports whether a session of this process
// has the lock.
func (qs *Queues) wakeFor(w *Waiter) (h lease.Holder, inUse bool) {
	over := w.Ctx.Err() != nil
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.of[w.Lock.Key()]
	h = qs.wake(q, w, over)
	return h, h == nil && q != nil && q.lease != nil && q.lease.InUse()
}

// sleep pauses; false if ctx is done or the Locker closed.
func (qs *Queues) sleep(ctx context.Context, d time.Duration) bool {
	ctx, done := endctx.Either(ctx, qs.Closed)
	defer done()
	return backoff.Sleep(ctx, max(d, trust.MinGap))
}

// tryOn goes on with a try that has found the lock held by a lease that may rest. Its holder was asked to give
// the lock back if it does, and to say so if it does not.
func (qs *Queues) tryOn(w *Waiter, a *Attempt) (lease.Holder, error) {
	qs.mu.Lock()
	q := qs.queue(w.Lock.Key())
	alone := q.first == nil
	if alone {
		q.append(w)
		w.asker, w.told, q.attempt, q.hasAnswered = true, true, a, true
		// A message may have come before it was expected: after another round trip it asks again.
		now := qs.Now()
		a.next = min(a.next, now+(now-a.sent))
	}
	qs.mu.Unlock()
	if !alone { // others wait
		qs.withdraw(a)
		return nil, errOneTry
	}
	w.deadline = qs.Now() + firstTry
	return qs.waitIn(w)
}

// onTry takes "attempt channel name": that attempt does not wait if the lock is in use. Called with mu held.
func (qs *Queues) onTry(text string) {
	attempt, rest, _ := strings.Cut(text, " ")
	channel, name, _ := strings.Cut(rest, " ")
	q := qs.of[name]
	if r := q.rest(); r != nil {
		r.lease.OthersWait()
		qs.endRest(r)
		return
	}
	// A lock that is being given back is not in use. Without a channel nobody wants to hear that it is.
	if store.IsChannel(channel) && (q == nil || q.lease == nil || !q.lease.GivenBack()) {
		qs.Tasks.Go(func() { qs.Store.Tell(qs.Closed, channel, "u "+attempt+" "+name) })
	}
}

// onInUse takes "attempt name". Called with mu held.
func (qs *Queues) onInUse(text string) {
	attempt, name, _ := strings.Cut(text, " ")
	q := qs.of[name]
	if q == nil || q.attempt == nil || len(attempt) != scripts.AttemptInMessage || !q.attempt.Begins(attempt) || !q.first.told {
		return
	}
	q.first.failed = errOneTry
	q.first.notify()
}

// endRest has a lease given back. Called with mu held.
func (qs *Queues) endRest(r *rest) {
	qs.rests.remove(r)
	if r.lease.EndRest() {
		qs.Tasks.Go(func() { qs.Return(r.lease) })
	}
}

// RestOver has a lease given back that may rest no longer.
func (qs *Queues) RestOver(l *lease.Lease) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if r, ok := l.Holder().(*rest); ok {
		qs.endRest(r)
	}
}

// endRests has all leases given back that rest. Called with mu held.
func (qs *Queues) endRests() {
	for qs.rests.first != nil {
		qs.endRest(qs.rests.first)
	}
}
