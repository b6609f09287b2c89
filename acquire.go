package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/store"
)

// attempt is what asks Redis for the lock, on behalf of one call of Acquire, or of a line
// of them, or of Resume. Its id makes its requests one: whichever of them Redis runs, and
// however often, at most this attempt holds the lock, or one place in the queue.
type attempt struct {
	store.Attempt
	uid  uuid.UUID
	m    *Mutex
	conf *config

	// Under the lines' mu.
	open    bool          // a request's outcome is unknown: it may have run, or may run yet
	flying  int           // requests under way
	waits   bool          // the last answer was that it stands in the queue
	sent    time.Duration // when the request of that answer was sent
	seen    int64         // the largest fence by then
	next    time.Duration // when to ask again
	epoch   uint64        // of the subscription when it last asked
	grant   *grant        // what a message said
	others  bool          // a message said that others wait
	poked   bool          // there is reason to ask at once
	refused int           // tries in a row that failed
}

// grant is a message that the lock was given to the attempt.
type grant struct {
	fence         int64
	others, ahead bool
}

// halfAttempt is how much of an attempt a message names: enough to tell it from others,
// too little to be the token.
const halfAttempt = 18

func newGrant(fence, note string) (*grant, bool) {
	f, err := strconv.ParseInt(fence, 10, 64)
	n, err2 := strconv.Atoi(note)
	return &grant{fence: f, others: n&1 != 0, ahead: n&2 != 0}, err == nil && err2 == nil
}

// campaign is how an attempt goes on after a first try that failed.
type campaign struct {
	once    bool // not at all
	patient bool // also if Redis could not be asked
}

// tombstoneTTL is how long a request that was taken back is remembered, for the case
// that it arrives yet: longer than a network holds on to a packet.
const tombstoneTTL = time.Minute

// begin checks what can be checked without Redis, and makes the call, which lasts until
// done.
func (m *Mutex) begin(ctx context.Context, opts []Option) (c *call, err error) {
	mustContext(ctx)
	if m.err != nil {
		return nil, m.err
	}
	conf := m.conf
	if len(opts) > 0 {
		if conf, err = conf.with(opts); err != nil {
			return nil, err
		}
	}
	if _, within := FromContext(ctx); within {
		if holder, ok := ctx.Value(nestKey{m.l, m.name}).(*Session); ok && holder.Err() == nil {
			return nil, ErrNested
		}
	}
	if m.l.ctx.Err() != nil {
		return nil, ErrClosed
	}
	m.l.enter() // Close waits for what this call leaves to be taken back
	c = m.l.calls.Get().(*call)
	c.m, c.conf, c.parent, c.how = m, conf, ctx, Asked
	if conf.observer != nil {
		c.began = m.l.clock.Now()
	}
	return c, nil
}

// done ends a call, which nobody knows any more.
func (c *call) done() {
	l, wake := c.m.l, c.wake
	select {
	case <-wake:
	default:
	}
	*c = call{wake: wake}
	l.calls.Put(c)
	l.leave()
}

func newAttempt(m *Mutex, conf *config) *attempt {
	a := &attempt{m: m, conf: conf, uid: uuid.New()} // from crypto/rand
	a.Attempt = store.Attempt{ID: store.NewID(m.lock(), a.uid.String(), conf.token), TTL: conf.ttl, Label: conf.label}
	return a
}

func (m *Mutex) acquire(ctx context.Context, opts []Option, camp campaign) (*Session, error) {
	c, err := m.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer c.done()
	m.l.hints.start()
	var s *Session
	if camp.once || c.conf.hasWait && c.conf.wait == 0 {
		s, err = c.once(camp)
	} else {
		s, err = c.wait(camp)
	}
	return c.conclude(s, ended(ctx, err))
}

// conclude is the end of a call.
func (c *call) conclude(s *Session, err error) (*Session, error) {
	if err == nil && c.conf.replicas > 0 && c.how != Passed { // what is passed on was acknowledged
		err = ended(c.parent, c.acknowledged(s))
	}
	if err != nil {
		c.conf.observer.notAcquired(c, err)
		return nil, err
	}
	c.conf.observer.acquired(s, c)
	return s, nil
}

// once asks once, without standing in line: it gets the lock only if nobody waits.
func (c *call) once(camp campaign) (*Session, error) {
	l := c.m.l
	a := newAttempt(c.m, c.conf)
	w := newWaiter(l.clock, c.conf)
	ctx, done := w.bound(c.parent)
	defer done()
	s, _, err := c.try(ctx, a, false)
	for again := 0; ctx.Err() == nil && c.again(err, &again); {
		s, _, err = c.try(ctx, a, false)
	}
	if s != nil {
		l.lines.hold(s)
		return s, nil
	}
	l.lines.takeBack(a)
	switch {
	case err != nil:
		return nil, err
	case camp.once:
		return nil, ErrHeld
	default:
		return nil, w.timeout()
	}
}

// try asks once: a session, or an answer that says how long another holds the lock, or
// an error. While the answer is out, a grant may come.
func (c *call) try(ctx context.Context, a *attempt, queue bool) (*Session, store.Reply, error) {
	l := c.m.l
	ls := l.lines
	ls.mu.Lock()
	a.Channel, a.epoch = l.hints.channel()
	a.poked = false
	a.flying++
	request := a.Attempt
	ls.mu.Unlock()
	if c.conf.noExpiry {
		request.TTL = claimTTL
	}
	s, got := c.ask(ctx, a, l.store.Acquire(request, queue))
	sent, r, err := got.sent, got.reply, got.err
	if s != nil {
		return s, r, nil
	}
	if err == nil && r.Status == store.Held && c.conf.noExpiry {
		ls.note(a, +1, false)
		_, got := c.ask(ctx, a, l.store.Renew(a.ID, store.NoExpiry, 0, true, 0))
		if err = got.err; err == nil && got.reply.Status != store.Held {
			err = lossOf(got.reply.Status)
		}
		r.TTL = store.NoExpiry
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch {
	case err != nil:
		a.open = a.open || r.Status == store.Held // the lock is there for the short TTL
	case r.Status == store.Busy, r.Status == store.Stranger:
		a.stands(sent, r)
	case r.Status == store.Held:
		if a.waits { // the grant itself, of which no message came in time
			c.how = Granted
		}
		s, err = a.hold(c, sent, r)
	default:
		err = fmt.Errorf("the attempt was withdrawn (status %d)", r.Status)
	}
	return s, r, err
}

// ask sends one request of the attempt, which counts it as flying already, and notes whether its
// outcome is known. A grant that can be trusted ends it with a session.
func (c *call) ask(ctx context.Context, a *attempt, request store.Call) (*Session, answer) {
	l := c.m.l
	closed := l.ctx.Done()
	if c.line != nil {
		if l.ctx.Err() != nil { // Close may have woken it before
			l.lines.note(a, -1, false)
			return nil, answer{err: ErrClosed}
		}
		closed = nil // Close wakes all who stand in line: for many to look at one channel costs much
	}
	r := l.run(ctx, request)
	var doubt <-chan time.Time
	if l.store.Sharded() {
		t := time.NewTicker(store.DoubtAfter)
		defer t.Stop()
		doubt = t.C
	}
	for {
		select {
		case <-doubt:
			if r.moved() {
				return nil, l.lines.giveUp(a, r, errMoved)
			}
			l.store.Doubt()
		case <-r.answered:
			got := r.take(l)
			l.lines.note(a, -1, got.open)
			got.err = causeOf(ctx, got.err)
			return nil, got
		case <-c.wake:
			if s := l.lines.claim(c); s != nil {
				return s, answer{}
			}
			if l.ctx.Err() != nil {
				return nil, l.lines.giveUp(a, r, ErrClosed)
			}
		case <-closed:
			return nil, l.lines.giveUp(a, r, ErrClosed)
		case <-ctx.Done():
			return nil, l.lines.giveUp(a, r, context.Cause(ctx))
		}
	}
}

// errMoved: another server has the lock now than the one that has not answered.
var errMoved = errors.New("no answer from the server that had the lock")

// giveUp ends the wait for an answer. Whatever the cause is, an error of Redis perhaps: no
// answer came.
func (ls *lines) giveUp(a *attempt, r *request, cause error) answer {
	ls.note(a, -1, !r.drop())
	return answer{err: cause}
}

// note counts the attempt's requests.
func (ls *lines) note(a *attempt, n int, open bool) {
	ls.mu.Lock()
	a.flying += n
	a.open = a.open || open
	ls.mu.Unlock()
}

// stands notes an answer that said who holds the lock. Called with the lines' mu held.
func (a *attempt) stands(sent time.Duration, r store.Reply) {
	a.waits, a.sent, a.seen, a.refused = r.Place > 0, sent, r.Fence, 0
	if r.Fence == 0 {
		a.seen = math.MaxInt64 // Redis has forgotten it: no grant can be told from an old one
	}
	a.next = a.m.l.clock.Now() + a.interval(r)
	if r.Label == store.Unheard {
		a.m.l.hints.unheard(a.epoch)
	}
}

// hold makes the session of a grant that came after sent. Called with the lines' mu held.
func (a *attempt) hold(c *call, sent time.Duration, r store.Reply) (*Session, error) {
	l := a.m.l
	now := l.clock.Now()
	ls := newLease(c, a, sent, now, r)
	if r.TTL >= 0 && nearlyOver(ls.validUntil-now, r.TTL) {
		// What a late answer grants can't be trusted, or not for long enough to be renewed. The
		// lock is in Redis for a while, and asking again finds it there.
		a.open, a.waits, a.poked = true, false, true
		return nil, late{now - sent, ls.validUntil - sent}
	}
	if !l.dog.watch(ls) {
		a.open = true
		return nil, ErrClosed
	}
	return ls.session, nil
}

// late is the error of an answer of which too little is left.
type late struct{ took, trusted time.Duration }

func (l late) Error() string {
	return fmt.Sprintf("the answer took %v of the %v for which its lease can be trusted", l.took, l.trusted)
}

// nearlyOver reports whether too little of a lease is left to be told of it: it is to be
// confirmed first.
func nearlyOver(left, ttl time.Duration) bool { return left <= 0 || left < window(ttl)/5 }

// claim returns the session of the grant that a message told of, if it can be trusted;
// the call is out of the line then. Else the front asks.
//
// The claim's end needs no clock but our own. When Redis ran the last request that it
// answered, the attempt stood in the queue, and the largest fence was seen: a grant with a
// larger one came later than that request was sent, so its claim ends no earlier than the
// claim TTL after that. A grant without a larger fence is an old one, whose claim has
// ended.
func (ls *lines) claim(c *call) *Session {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.claimed(c)
}

// claimed is claim for those who hold mu.
func (ls *lines) claimed(c *call) *Session {
	a := c.line.attempt
	if c.given != nil || !c.front || a == nil || a.grant == nil || !a.waits {
		return nil
	}
	g, claim := a.grant, c.conf.claim()
	a.grant = nil
	a.poked = true // if it can't be trusted, to confirm it
	if g.fence <= a.seen {
		return nil
	}
	left := a.sent + window(claim) - ls.l.clock.Now()
	if c.conf.noExpiry || nearlyOver(left, claim) {
		return nil
	}
	s, err := a.hold(c, a.sent, store.Reply{Status: store.Held, TTL: claim, Fence: g.fence, Others: g.others, Ahead: g.ahead})
	if err != nil {
		return nil
	}
	c.how = Granted
	c.line.serve(s)
	return s
}

// takeBack sees to it in the background that no request of an attempt leaves anything
// in Redis, those that come late included.
func (ls *lines) takeBack(a *attempt) {
	ls.mu.Lock()
	open, waits := a.open || a.flying > 0, a.waits
	ls.mu.Unlock()
	if open || waits {
		ls.l.takeBack(a.ID, func(id store.ID, tombstone time.Duration) store.Call {
			if !open {
				tombstone = 0
			}
			return ls.l.store.Release(id, tombstone, 0, nil)
		})
	}
}

func (l *Locker) takeBack(id store.ID, how func(store.ID, time.Duration) store.Call) {
	l.spawn(func() {
		_, _, _ = l.insist(context.Background(), cleanupTime, func() store.Call {
			return how(id, tombstoneTTL)
		})
	})
}

func (m *Mutex) resume(ctx context.Context, opts []Option, token string) (*Session, error) {
	c, err := m.begin(ctx, append(opts[:len(opts):len(opts)], WithToken(token)))
	if err != nil {
		return nil, err
	}
	defer c.done()
	m.l.hints.start()
	c.how = Resumed
	return c.conclude(c.resume())
}

func (c *call) resume() (*Session, error) {
	l := c.m.l
	a := newAttempt(c.m, c.conf)
	if c.conf.noExpiry {
		a.TTL = store.NoExpiry
	}
	a.Channel, a.epoch = l.hints.channel()
	var got answer
	for again := 0; ; {
		a.flying++
		if _, got = c.ask(c.parent, a, l.store.Resume(a.Attempt)); !c.again(got.err, &again) {
			break
		}
	}
	r, err := got.reply, got.err
	if err != nil {
		if a.open {
			l.takeBack(a.ID, l.store.Withdraw) // the lease stays its token's
		}
		return nil, ended(c.parent, err)
	}
	if r.Status != store.Held {
		return nil, lossOf(r.Status)
	}
	l.lines.mu.Lock()
	s, err := a.hold(c, got.sent, r)
	l.lines.mu.Unlock()
	if err == nil {
		l.lines.hold(s)
	}
	return s, err
}

// lossOf is the error for a status that says the lock is not ours.
func lossOf(status store.Status) error {
	switch status {
	case store.Gone:
		return ErrGone
	case store.Taken:
		return ErrTaken
	case store.Forced:
		return ErrForceReleased
	}
	return fmt.Errorf("unexpected status %d", status)
}
