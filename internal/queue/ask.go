package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// try asks once: a lease, or an answer that says how long another holds the lock, or an error.
// While the answer is not there, a grant may come: then there is neither.
func (qs *Queues) try(ctx context.Context, w *Waiter, a *Attempt, queue bool) (*lease.Lease, store.Reply, error) {
	qs.mu.Lock()
	if w.given != nil { // passed on since it was told to ask; another has its attempt
		qs.mu.Unlock()
		return nil, store.Reply{}, nil
	}
	a.Channel, a.epoch = qs.Notify.Channel()
	a.askNow, a.turn, w.busy = false, 0, true
	a.inFlight++
	request := a.Attempt
	qs.mu.Unlock()
	noExpiry := w.terms().NoExpiry
	if noExpiry {
		request.TTL = trust.ClaimTTL
	}
	call := qs.Store.Acquire(request, queue)
	if w.tries {
		call = qs.Store.Try(request)
	}
	got, given := qs.ask(ctx, w, a, call)
	if given {
		return nil, store.Reply{}, nil
	}
	r, err := got.Reply, got.Err
	if err == nil && r.Status == store.Held && noExpiry {
		r, err = qs.confirm(ctx, w, a, r)
	}
	l, report, err := qs.answered(w, a, got.Sent, r, err)
	qs.Notify.Report(report)
	return l, r, err
}

// askAside asks once for a waiter that is not the asker: it stays in the queue, and takes no place in Redis's.
// What it is given its next step finds, and an error is the asker's to meet.
func (qs *Queues) askAside(w *Waiter, a *Attempt) {
	defer qs.asksOutside(a)()
	ctx, done := w.bound(0)
	defer done()
	l, _, err := qs.try(ctx, w, a, false)
	_, _ = qs.onReply(w, a, l, err)
	if l == nil {
		qs.withdraw(a)
	}
}

// onReply takes what came of a try: the lock, or when to ask again.
func (qs *Queues) onReply(w *Waiter, a *Attempt, l *lease.Lease, err error) (lease.Holder, error) {
	h, left, err := qs.replied(w, a, l, err)
	if left != nil {
		qs.withdraw(left)
	}
	return h, err
}

// replied is onReply. It returns the attempt that nobody needs any more, if there is one.
func (qs *Queues) replied(w *Waiter, a *Attempt, l *lease.Lease, err error) (_ lease.Holder, left *Attempt, _ error) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := w.queue
	w.busy = false
	if w.given != nil { // by a message, by the release with which the attempt was sent, or before it could ask
		return w.given, nil, nil // and the attempt may be another's by now
	}
	switch {
	case l != nil:
		q.hasAnswered = true
		left = q.serve(w, a, l)
		qs.tidy(l.Key(), q) // the lease may have been lost since the answer came
		return w.given, left, nil
	case err != nil:
		// Back off to a second: many waiters must not keep a server down.
		most := time.Second
		if store.Moving(err) {
			most = send.MovingPause
		}
		a.next = qs.Now() + backoff.Jitter(backoff.After(a.failures, a.retry, most))
		a.failures++
	default:
		q.hasAnswered = true
	}
	return nil, nil, err
}

// confirm takes the expiry from a lock that was granted for a short TTL: had the answer to a first
// request without expiry been lost, nobody would ever end the lock.
func (qs *Queues) confirm(ctx context.Context, w *Waiter, a *Attempt, r store.Reply) (store.Reply, error) {
	qs.countInFlight(a, +1, false)
	got, _ := qs.ask(ctx, w, a, qs.Store.Renew(a.ID, store.NoExpiry, 0, true, 0))
	if got.Err == nil && got.Reply.Status != store.Held {
		got.Err = lease.LossOf(got.Reply.Status)
	}
	r.TTL = store.NoExpiry
	return r, got.Err
}

// answered takes the answer to a request of the attempt, sent at sent.
func (qs *Queues) answered(w *Waiter, a *Attempt, sent time.Duration, r store.Reply, err error) (l *lease.Lease, report notify.Report, _ error) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	switch {
	case err != nil:
		a.inDoubt = a.inDoubt || r.Status == store.Held // the lock is there for the short TTL
	case r.Status == store.Busy, r.Status == store.Stranger, r.Status == store.Unsettled:
		report = a.onQueued(qs.Now(), sent, r)
	case r.Status == store.Held:
		if a.queued { // the grant itself, of which no message came in time
			w.How = Granted
		}
		l, err = qs.hold(a, w, sent, sent, r)
	default:
		err = fmt.Errorf("the attempt was withdrawn (status %d)", r.Status)
	}
	return l, report, err
}

// ask sends one request of the attempt, which counts it in flight already, and notes whether its
// outcome is known. A trusted grant that a message tells of ends the wait: then it is given to w.
func (qs *Queues) ask(ctx context.Context, w *Waiter, a *Attempt, request store.Call) (_ send.Answer, given bool) {
	closed, over := w.whenClosed()
	if over {
		qs.countInFlight(a, -1, false)
		return send.Answer{Err: qs.errClosed()}, false
	}
	events := send.Events{Wake: w.wake, Closed: closed}
	f := qs.Send.Prepare(ctx, request)
	f.Send(true)
	if qs.Store.Sharded() {
		t := time.NewTicker(store.SuspectAfter)
		defer t.Stop()
		events.Tick = t.C
	}
	for {
		got, event := f.Wait(events)
		switch event {
		case send.Answered:
			got.InDoubt = f.Drop() || got.InDoubt
			qs.countInFlight(a, -1, got.InDoubt)
			got.Err = send.CauseOf(ctx, got.Err)
			return got, false
		case send.Ticked:
			if f.Moved() {
				return qs.giveUp(a, &f, errMoved), false
			}
			qs.Store.RefreshTopology()
		case send.Woken:
			if qs.claimNow(w) {
				return send.Answer{}, true
			}
			if qs.closed() {
				return qs.giveUp(a, &f, qs.errClosed()), false
			}
		case send.Closed:
			return qs.giveUp(a, &f, qs.errClosed()), false
		case send.Ended:
			return qs.giveUp(a, &f, context.Cause(ctx)), false
		}
	}
}

// giveUp ends the wait for an answer. Whatever the cause is, an error of Redis perhaps: no answer
// came.
func (qs *Queues) giveUp(a *Attempt, f *send.InFlight, cause error) send.Answer {
	qs.countInFlight(a, -1, f.Drop())
	return send.Answer{Err: cause}
}

// Resume asks once for a lock that is held by the token in w's terms, outside of the queue.
func (qs *Queues) Resume(w *Waiter) (lease.Holder, error) {
	w.begin(qs)
	a := newAttempt(w)
	defer qs.asksOutside(a)()
	a.TTL = a.terms.RedisTTL()
	a.Channel, a.epoch = qs.Notify.Channel()
	var got send.Answer
	for again := 0; ; {
		a.inFlight++
		got, _ = qs.ask(w.Ctx, w, a, qs.Store.Resume(a.Attempt))
		if store.Moving(got.Err) {
			again = 0 // for as long as ctx allows
		}
		if got.Err == nil && got.Reply.Status == store.Unsettled {
			if err := w.pauseGrace(got.Reply.TTL); err != nil {
				return nil, err
			}
			continue
		}
		if !w.again(got.Err, &again) {
			break
		}
	}
	if got.Err != nil {
		if a.inDoubt {
			qs.Send.TakeBack(qs.Closed, 0, qs.Store.Withdraw(a.ID, lease.TombstoneTTL)) // the lock stays its token's
		}
		return nil, got.Err
	}
	if got.Reply.Status == store.Persistent {
		return nil, fmt.Errorf("%w, which a failover grace does not allow", lease.ErrNoExpiry)
	}
	if got.Reply.Status != store.Held {
		return nil, lease.LossOf(got.Reply.Status)
	}
	if got.Reply.TTL < 0 && !a.terms.NoExpiry {
		w.To.NoExpiry() // the key had no expiry, and keeps none: a renewal would give it one
	}
	qs.mu.Lock()
	l, err := qs.hold(a, w, got.Sent, got.Sent, got.Reply)
	qs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	w.How = Resumed
	return l.Holder(), nil
}
