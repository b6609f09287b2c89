package queue

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// Attempt is what asks Redis for the lock, on behalf of one waiter or of a queue of them. Its ID
// makes its requests one: whichever of them Redis runs, and however often, at most this attempt
// holds the lock, or one place in Redis's queue.
type Attempt struct {
	store.Attempt
	uid   uuid.UUID
	lock  *lease.Lock
	terms *lease.Terms
	retry time.Duration // the least pause after a failure, and between tries that nobody can tell
	aside bool          // it is one waiter's, which asks beside the asker

	// Under the mutex of Queues.
	inDoubt  bool          // a request's outcome is unknown: it may have run, or may still run
	inFlight int           // requests without an answer
	queued   bool          // the last answer was that it has a place in Redis's queue
	sent     time.Duration // when the request of that answer was sent
	seen     int64         // the largest fence by then
	history  string        // the replication history of the server that answered; may be unknown
	next     time.Duration // when to ask again
	epoch    uint64        // of the subscription when it last asked
	grant    *grant        // what a message said
	others   bool          // a message said that others wait
	turn     time.Duration // when a message since the last request said that it is its turn; 0: none did
	askNow   bool          // there is reason to ask at once
	failures int           // tries in a row that failed
}

// newAttempt makes the attempt of a waiter.
func newAttempt(w *Waiter) *Attempt {
	terms := w.terms()
	a := &Attempt{lock: w.Lock, terms: terms, retry: w.Retry, uid: uuid.New()} // from crypto/rand
	if terms.Linger > 0 && !terms.HasToken {
		a.uid[6] = a.uid[6]&0x0f | 0x80 // the scripts tell by it that the lease may rest
	}
	a.Attempt = store.Attempt{
		ID: store.NewID(w.Lock.Keys(), a.uid.String(), terms.Token), TTL: terms.TTL, Want: w.Lock.Want(terms), Label: terms.Label,
	}
	return a
}

// Request is what the attempt asks for; nil if there is no attempt.
func (a *Attempt) Request() *store.Attempt {
	if a == nil {
		return nil
	}
	return &a.Attempt
}

// grant is a message that the lock was given to the attempt.
type grant struct {
	fence         int64
	history       string // the replication history of the server that granted it; may be unknown
	others, ahead bool
}

func parseGrant(fence, flags, history string) (*grant, bool) {
	f, err := strconv.ParseInt(fence, 10, 64)
	n, err2 := strconv.Atoi(flags)
	return &grant{fence: f, history: history, others: n&1 != 0, ahead: n&2 != 0}, err == nil && err2 == nil
}

// countInFlight counts the attempt's requests, and whether the outcome of one is unknown.
func (qs *Queues) countInFlight(a *Attempt, n int, inDoubt bool) {
	qs.mu.Lock()
	a.inFlight += n
	a.inDoubt = a.inDoubt || inDoubt
	qs.mu.Unlock()
}

// onQueued notes an answer that said who holds the lock, and returns what it said of the
// subscription. Called with mu held.
func (a *Attempt) onQueued(now, sent time.Duration, r store.Reply) notify.Report {
	a.queued, a.sent, a.seen, a.failures = r.Place > 0, sent, r.Fence, 0
	if r.Fence == 0 {
		a.seen = math.MaxInt64 // Redis has forgotten it: no grant can be told from an old one
	}
	a.next = now + a.interval(r)
	if a.turn != 0 { // the message has overtaken the answer
		a.next = min(a.next, a.turn)
	}
	var unheard bool
	a.history, unheard = r.Waiting()
	return notify.Report{Epoch: a.epoch, Known: unheard || r.Place > 0 && a.Channel != "", Heard: !unheard}
}

// interval is how long the attempt waits to ask again, after an answer. It is told when it gets the
// lock, but the message may be lost. The first in Redis's queue asks every third of the claim TTL,
// those behind it every two thirds: so a grant whose message was lost is found before it ends, and
// one whose message came has at least a third left. All ask when the holder's TTL runs out. Those
// who can't be told, because the holder does not know of the queue or the subscription does not
// work, ask every retry interval.
func (a *Attempt) interval(r store.Reply) time.Duration {
	d := a.terms.Claim() / 3
	if r.Place != 1 {
		d *= 2
	}
	d -= rand.N(d/10 + 1)
	if r.Status == store.Stranger || a.Channel == "" {
		d = min(d, backoff.Jitter(a.retry))
	}
	if r.TTL >= 0 {
		d = min(d, r.TTL+time.Millisecond)
	}
	return d
}

// hold makes the lease of a grant that came after sent, held by w from that time on. Called with mu held.
func (qs *Queues) hold(a *Attempt, w *Waiter, sent, from time.Duration, r store.Reply) (*lease.Lease, error) {
	now := qs.Now()
	r.Others = r.Others || a.others
	id := a.ID // a pointer into the attempt would keep all of it for as long as the lease
	var above int64
	if q := qs.of[a.lock.Key()]; q != nil {
		above = q.leases.beside().Fence // a lease may have been passed on while the answer was on its way
	}
	l := lease.New(a.lock, w.To, lease.Grant{
		Reply: r, Sent: sent, From: from, Now: now, UID: a.uid, ID: &id, Above: above,
		InDoubt: a.inDoubt || a.inFlight > 0, HasChannel: a.Channel != "", Epoch: a.epoch,
	})
	if err := a.tooLate(now, sent, r.TTL); err != nil {
		// The lock is in Redis for a while, and asking again finds it there.
		a.inDoubt, a.queued, a.askNow = true, false, true
		return nil, err
	}
	if !l.Watch() {
		a.inDoubt = true
		return nil, qs.errClosed()
	}
	q := qs.queue(l.Key())
	q.leases.add(l) // from now on messages reach it, and those beside it have other fences
	q.advance()     // the lease before may have been one to hope for
	return l, nil
}

// tooLate returns an error if the answer to a request sent at sent, which grants ttl, came so late that
// the lease can't be trusted, or not for long enough to be renewed.
func (a *Attempt) tooLate(now, sent, ttl time.Duration) error {
	if ttl < 0 {
		return nil
	}
	believed := a.terms.Believed(ttl)
	if until := sent + trust.Trusted(believed); trust.NearlyOver(until-now, believed) {
		return late{now - sent, until - sent}
	}
	return nil
}

// claim gives w the lease of the grant that a message told of, if the grant can be trusted, and
// returns whether it did. Else the asker asks. Called with mu held.
//
// This process's own clock is enough to know when the claim ends. When Redis ran the last request
// that it answered, the attempt stood in the queue, and the largest fence was seen. A grant with a
// larger fence came after that request was sent, so its claim lasts at least the claim TTL from
// then on. A grant without a larger fence is old, and its claim is over.
//
// All this holds if the answer and the grant come from one server. Those of two masters, before and
// after a failover, or of two servers between which the lock's slot moved, say nothing of each
// other: the claim may be older than the answer by any time. So a grant of another replication
// history than the answer's is confirmed first.
func (qs *Queues) claim(w *Waiter) bool {
	a := w.queue.attempt
	if w.given != nil || !w.asker || a == nil || a.grant == nil || !a.queued {
		return false
	}
	g, claim := a.grant, w.terms().Claim()
	a.grant = nil
	a.askNow = true // if the grant can't be trusted, to confirm it
	if g.fence <= a.seen || g.history != a.history || qs.Grace.Doubtful(g.history) {
		return false
	}
	left := a.sent + trust.Trusted(claim) - qs.Now()
	if w.terms().NoExpiry || trust.NearlyOver(left, claim) {
		return false
	}
	l, err := qs.hold(a, w, a.sent, qs.Now(), store.Reply{Status: store.Held, TTL: claim, Fence: g.fence, Others: g.others, Ahead: g.ahead})
	if err != nil {
		return false
	}
	w.How = Granted
	w.queue.serve(w, a, l)
	return true
}

// asksOutside notes that attempts ask outside of a queue, until done.
func (qs *Queues) asksOutside(all ...*Attempt) (done func()) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for _, a := range all {
		key := a.lock.Key()
		qs.outside[key] = append(qs.outside[key], a)
	}
	return func() {
		qs.mu.Lock()
		defer qs.mu.Unlock()
		for _, a := range all {
			key := a.lock.Key()
			left := slices.DeleteFunc(qs.outside[key], func(o *Attempt) bool { return o == a })
			if qs.outside[key] = left; len(left) == 0 {
				delete(qs.outside, key)
			}
		}
	}
}

// withdraw sees to it in the background that no request of an attempt leaves anything in Redis,
// those that arrive late included.
func (qs *Queues) withdraw(a *Attempt) {
	qs.mu.Lock()
	inDoubt, queued := a.inDoubt || a.inFlight > 0, a.queued
	qs.mu.Unlock()
	if !inDoubt && !queued {
		return
	}
	lasts := a.terms.TTL // what it may leave in Redis
	if a.terms.NoExpiry {
		lasts = trust.Forever // it may have been confirmed
	}
	var tombstone time.Duration
	if inDoubt {
		tombstone = lease.TombstoneTTL
	}
	qs.Send.TakeBack(qs.Closed, lasts, qs.Store.Release(a.ID, tombstone, 0, nil))
}
