package holdfast

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/store"
)

// lease is the right to a lock that Redis granted to one attempt. It is held by one
// session at a time; the sessions of a process may pass it on. This is the one place that
// decides up to when it can be trusted, when it is renewed, and what an answer of Redis
// changes.
type lease struct {
	m     *Mutex
	conf  *config                  // of its first session; those after it agree on all that matters here
	uid   uuid.UUID                // the attempt, and the token, unless one was given
	id    atomic.Pointer[store.ID] // made of the above, until it is renewed: see light
	until atomic.Int64             // clock time at which the context is due to end

	// Under the watchdog's mu: when it is to be looked at, and its place in the heap, from 1
	// on, 0 if it is not there.
	at    time.Duration
	index int32

	askNow atomic.Bool // there is reason to ask Redis at the next tick
	open   bool        // a request of the attempt may be under way yet: leave a tombstone
	heard  bool        // Redis knows a channel to tell us that others wait
	acked  bool        // as many replicas have it as its options ask for; under mu

	mu       sync.Mutex // of the sessions' states, too
	short    bool       // not renewed to the full TTL yet
	stopped  bool       // it is given back or out of our hands: nothing is renewed again
	private  bool       // never passed on
	others   bool       // others wait for it, as of epoch
	passes   int32
	session  *Session // who holds it
	requests requests
	failure  error // of the last renewal, if it failed
	lost     error // why the lease is known not to be ours

	validUntil time.Duration
	renewAt    time.Duration // when the watchdog renews next
	keepAt     time.Duration // when a renewal keeps aux from expiring
	slept      time.Duration // what the machine had slept when the lease was last confirmed

	// Of passing it on: see pass.
	received time.Duration // when the grant was
	origin   int64         // the grant's fence
	fence    int64         // the session's
	epoch    uint64
}

// keepEvery is how often a renewal keeps the lock's aux key, which lives a day longer
// than the lock, from expiring.
const keepEvery = time.Hour

// requests numbers the lease's requests that set the TTL. Redis may run them in
// another order, and late. Those that only add time do no harm then; one that may shorten
// must not come after a later one that was counted on. So as long as such a one has not
// been answered, the requests after it carry their number to Redis, which from then on
// refuses smaller ones, and until that is confirmed nothing raises validUntil.
type requests struct {
	last     uint32 // the number of the last request
	answered uint32 // the largest number whose answer counted
	shorten  uint32 // the last request that may shorten
	open     bool   // it has not been answered, nor outrun
}

// newLease makes the lease that r grants, and its first session. It was granted after sent.
func newLease(c *call, a *attempt, sent, now time.Duration, r store.Reply) *lease {
	conf := c.conf
	l := &lease{
		m: a.m, conf: conf, uid: a.uid, open: a.open || a.flying > 0,
		heard:    a.Channel != "",
		keepAt:   sent + keepEvery,
		short:    !conf.noExpiry && r.TTL >= 0 && r.TTL < conf.ttl,
		received: now, origin: r.Fence, fence: r.Fence,
		private: conf.hasToken || r.Ahead,
		others:  r.Others || a.others, epoch: a.epoch,
	}
	if l.short && conf.ttl > keepEvery {
		l.keepAt = sent // the claim kept aux for less than that and a day
	}
	l.session = newSession(c, l, sent, r.Fence)
	l.id.Store(&a.ID)
	l.trust(sent, now, r.TTL)
	return l
}

// Renewals are sent so many times in a renewal interval, for those that go together cost less, and
// many that had no answer must not be tried again one by one. What costs most of a few is to wake
// for them.
const (
	beats    = 16
	fewBeats = 4 // of a Locker whose leases are few
)

// onBeat returns the last beat before the time d after from; of a short d a half beat, a
// quarter, and so on.
func (l *lease) onBeat(from, d time.Duration) time.Duration {
	beat := l.conf.renewEvery() / beats
	if l.m.l.dog.few() {
		beat = l.conf.renewEvery() / fewBeats
	}
	for beat > d/2 {
		beat /= 2
	}
	at := from + d
	if beat > 0 {
		at -= (at + l.m.l.phase) % beat
	}
	return at
}

// light drops what most leases that last until they are renewed don't need again: it takes as much
// memory as all else of a lease, and can be made anew.
func (l *lease) light() {
	l.id.Store(nil)
	l.m.keys.Store(nil)
}

// ident is whose the lease is.
func (l *lease) ident() store.ID {
	if id := l.id.Load(); id != nil {
		return *id
	}
	return store.NewID(l.m.lock(), l.uid.String(), l.conf.token)
}

// trust counts a lease whose TTL the server gave in answer to a request that was sent at
// sent. The server's clock started on it later than that, so it ends no earlier.
// Called with mu held, or before the lease is shared.
func (l *lease) trust(sent, now, ttl time.Duration) {
	if ttl < 0 {
		l.validUntil = forever
	} else {
		l.validUntil = sent + window(ttl)
	}
	l.slept = l.m.l.clock.Asleep()
	l.failure = nil
	l.renewAt = forever
	switch {
	case l.short:
		// A claim, which is much shorter than the TTL: see to the rest soon, unless it is
		// given back before.
		l.renewAt = now + settle
	case !l.conf.noRenewal:
		// The first time up to a quarter of it early, so that many that began together don't
		// all renew together.
		every := l.conf.renewEvery()
		if l.requests.last == 0 && !l.m.l.dog.few() {
			every -= rand.N(max(every/4, 1))
		}
		l.renewAt = l.onBeat(sent, every)
	}
	l.limit(now)
}

// limit puts into effect what changed of validUntil, or of the session's holdUntil.
// Called with mu held.
func (l *lease) limit(now time.Duration) {
	if l.renewAt != forever && l.validUntil != forever {
		// A TTL that was set short is renewed earlier: with as much time left for further
		// tries as otherwise, or with half of it.
		tries := window(l.conf.ttl) - l.conf.renewEvery()
		l.renewAt = min(l.renewAt, max(l.validUntil-tries, now+(l.validUntil-now)/2))
	}
	l.bound()
}

// bound puts into effect when the session is due to end. Called with mu held.
func (l *lease) bound() { l.until.Store(int64(min(l.validUntil, l.session.holdUntil))) }

// expect numbers a request of s that is about to be sent at sent, to give the lock the
// TTL ttl or, unless replace, to add that to it. If it may shorten the lease, the lease
// is shorter from here on: the request may run, and its answer may not come. It is an
// error if s holds the lease no more.
func (l *lease) expect(s *Session, sent, ttl time.Duration, replace bool) (uint32, error) {
	l.mu.Lock()
	if l.session != s || l.stopped {
		l.mu.Unlock()
		return 0, ErrReleased
	}
	l.requests.last++
	seq := l.requests.last
	if replace {
		l.requests.shorten, l.requests.open = seq, true
		l.validUntil = min(l.validUntil, sent+window(ttl))
		l.limit(sent)
	}
	l.m.l.dog.plan(l, l.next())
	l.mu.Unlock()
	return seq, nil
}

// unsettled is how much of the full TTL a claim lacks.
func (l *lease) unsettled() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.short {
		return 0
	}
	return l.conf.ttl - l.conf.claim()
}

// number numbers a request that only adds time, and returns 0 if Redis need not know.
func (l *lease) number() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests.last++
	if l.requests.open {
		return l.requests.last
	}
	return 0
}

// answered takes the server's answer, which has come by now, to the request seq, sent at sent.
func (l *lease) answered(seq uint32, sent, now time.Duration, r store.Reply) error {
	if r.Status != store.Held {
		return l.lose(lossOf(r.Status))
	}
	l.lookAt(now) // an answer that comes too late does not bring the lease back
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil && !l.stopped && seq > l.requests.answered && seq >= l.requests.shorten {
		l.requests.answered, l.requests.open = seq, false
		l.short = false
		l.trust(sent, now, r.TTL)
	}
	if l.kept() { // else it is to be looked at soon, or never
		l.m.l.dog.plan(l, l.next())
	}
	return l.lost
}

// next returns when the watchdog has to look at the lease. Called with mu held.
func (l *lease) next() time.Duration {
	next := min(l.renewAt, l.validUntil, l.session.holdUntil)
	if next == forever { // nothing is due, but the session's context may end
		next = l.m.l.clock.Now() + idleCheck
	}
	return next
}

// tick does what is due, and returns when to look again, or 0 for never.
func (l *lease) tick(now time.Duration) time.Duration {
	l.lookAt(now)
	l.holder().ctx.poll()
	next, kept := l.due(now)
	if !kept {
		l.m.l.lines.abandon(l)
	}
	return next
}

// due renews the lease if it is time, and returns when to look again, and whether it is
// kept at all.
func (l *lease) due(now time.Duration) (next time.Duration, kept bool) {
	ask := l.askNow.Swap(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.kept() {
		return 0, false
	}
	if l.session.ended() {
		l.session.holdUntil = forever // it is no longer held, only kept while its groups end
	}
	if now >= l.renewAt || ask {
		l.renew(now)
	}
	return l.next(), true
}

// kept reports whether the lease is looked after: it is held, or a release waits for the
// session's groups. Called with mu held.
func (l *lease) kept() bool {
	return l.lost == nil && !l.stopped && (l.session.releasing > 0 || !l.session.ended())
}

// renew hands a renewal to the watchdog, and plans the next try in case that it fails: a
// try that is stuck does not hold up those after it. Called with mu held.
func (l *lease) renew(now time.Duration) {
	q := &l.requests
	q.last++
	r := renewal{lease: l, sent: now, seq: q.last, epoch: l.m.l.hints.epoch(), bound: l.validUntil - now}
	// What is left of a claim, or of a TTL that was set short, leaves less time for tries.
	l.renewAt = l.onBeat(now, jitter(min(l.conf.retryRenewal(), max((l.validUntil-now)/4, minGap))))
	ttl, keep, fence := l.conf.ttl, now >= l.keepAt, l.used()
	if keep {
		l.keepAt = now + keepEvery
	}
	if l.conf.noExpiry {
		ttl, r.bound = store.NoExpiry, l.conf.renewEvery()
	}
	switch {
	case l.conf.noRenewal && !l.short: // asked for another reason: only a loss counts
		l.renewAt, r.seq = forever, 0
		r.call = new(l.m.l.store.Check(l.ident()))
	case q.open:
		r.call = new(l.m.l.store.Renew(l.ident(), ttl, r.seq, keep, fence))
	case l.private, keep, fence != 0, l.conf.noExpiry:
		r.call = new(l.m.l.store.Renew(l.ident(), ttl, 0, keep, fence))
	default: // nobody else knows the token, and Redis has nothing more to be told
		l.light()
		r.ttl = ttl
	}
	l.m.l.dog.renewals = append(l.m.l.dog.renewals, r)
}

// renewed takes what came of a renewal.
func (l *lease) renewed(r *renewal, now time.Duration, reply store.Reply, err error) {
	if err != nil {
		l.failed(err)
		return
	}
	if r.call != nil {
		l.queue(reply.Others, r.epoch)
	} else if l.exposed() {
		return
	}
	var margin time.Duration
	if l.conf.observer != nil {
		margin = l.left()
	}
	if l.answered(r.seq, r.sent, now, reply) == nil && r.seq != 0 && !l.conf.noExpiry {
		l.conf.observer.renewed(l, margin)
	}
}

// left returns how long the lease can be trusted yet.
func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.validUntil - l.m.l.clock.Now()
}

// exposed reports whether others may know the token by now, so that NAME alone tells no
// more whose the lease is; then it is to be asked at once.
func (l *lease) exposed() bool {
	l.mu.Lock()
	private := l.private
	l.mu.Unlock()
	if private {
		l.ask()
	}
	return private
}

// ask makes the watchdog ask Redis at once whose the lease is.
func (l *lease) ask() {
	l.askNow.Store(true)
	l.m.l.dog.wakeBy(l, 0)
}

// used returns the largest fence in use, or 0 if Redis knows it. Called with mu held.
func (l *lease) used() int64 {
	if l.fence == l.origin {
		return 0
	}
	return l.fence
}

// queue notes whether others wait, as an answer to a request told that was sent in the
// epoch of the subscription.
func (l *lease) queue(others bool, epoch uint64) {
	l.mu.Lock()
	l.others = others
	if l.heard {
		l.epoch = epoch
	}
	l.mu.Unlock()
}

// failed notes a renewal that failed; the next try is planned already.
func (l *lease) failed(err error) {
	l.mu.Lock()
	s, over := l.session, l.lost != nil || l.stopped
	if !over {
		l.failure = err
	}
	l.mu.Unlock()
	if !over {
		s.conf.log.Info("holdfast: renewal failed", s.attrs(err)...)
		s.conf.observer.notRenewed(l, err)
	}
}

// shortSleep is what may be the noise of two clocks: too little to be named as the cause.
const shortSleep = 50 * time.Millisecond

// look ends the session if its time is up. It is called whenever somebody looks at the
// context, and costs a reading of the clock, which it returns.
func (l *lease) look() (now time.Duration) {
	now = l.m.l.clock.Now()
	l.lookAt(now)
	return now
}

// lookAt is look for those who have read the clock for several leases.
func (l *lease) lookAt(now time.Duration) {
	if int64(now) < l.until.Load() {
		return
	}
	l.mu.Lock()
	now = l.m.l.clock.Now()
	s := l.session
	switch {
	case l.lost != nil:
		lost := l.lost
		l.mu.Unlock()
		s.ctx.end(lost) // whoever found the loss may not have got to it yet
	case l.stopped:
		l.mu.Unlock()
	case now >= l.validUntil:
		cause := l.expired(now)
		l.mu.Unlock()
		_ = l.lose(cause)
	case now >= s.holdUntil:
		l.mu.Unlock()
		s.ctx.end(fmt.Errorf("%w: %v", ErrMaxHold, s.conf.maxHold))
	default:
		l.mu.Unlock()
	}
}

// expired says why the lease could not be kept. Called with mu held.
func (l *lease) expired(now time.Duration) error {
	if slept := l.m.l.clock.Asleep() - l.slept; slept > shortSleep && now-slept < l.validUntil {
		return fmt.Errorf("%w for %v", ErrSuspended, slept.Round(time.Millisecond))
	}
	if l.failure != nil {
		return fmt.Errorf("%w (last renewal: %w)", ErrExpired, l.failure)
	}
	return ErrExpired
}

// lose ends the session of a lease that is known not to be ours, or can't be trusted to
// be, and returns the first reason given.
func (l *lease) lose(cause error) error {
	l.mu.Lock()
	if l.stopped { // on its way back already: what is found there is no loss
		l.mu.Unlock()
		return cause
	}
	first, s := l.lost == nil, l.session
	if first {
		l.lost = s.wrap("hold", cause)
	}
	cause = l.lost
	l.mu.Unlock()
	s.ctx.end(cause) // not only the first: the caller relies on it, and the first may not have got there
	if first {
		l.m.l.dog.forget(l)
		l.m.l.lines.abandon(l)
		// Not here: a handler that blocks must not hold up the watchdog.
		l.m.l.spawn(func() {
			s.conf.log.Warn("holdfast: lock lost", s.attrs(cause)...)
			s.conf.observer.lost(s, cause)
		})
	}
	return cause
}

// end ends the session with a cause that is not a loss.
func (l *lease) end(cause error) { l.holder().end(cause) }

// holder is the session that holds the lease.
func (l *lease) holder() *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

// stop marks the lease as no longer renewed, for good, and returns how long it can be
// trusted yet, what fence Redis does not know of, and why it was lost, if it was.
func (l *lease) stop() (left time.Duration, fence int64, lost error) {
	now := l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	return l.validUntil - now, l.used(), l.lost
}

// keepPrivate sees to it that the lease is never passed on: what s does to it, or who may
// know its token, would concern the sessions after it. False if s holds it no more.
func (l *lease) keepPrivate(s *Session) bool {
	l.mu.Lock()
	mine, was := l.session == s, l.private
	if mine {
		l.private = true
	}
	l.mu.Unlock()
	if mine && !was {
		l.m.l.lines.advance(l.m.name) // those who hoped for it must ask Redis
	}
	return mine
}

// acknowledge notes that enough replicas have the lease: then it may be passed on.
func (l *lease) acknowledge() {
	l.mu.Lock()
	l.acked = true
	l.mu.Unlock()
}

// heritable reports whether the lease may ever be passed to a call with these options.
func (l *lease) heritable(conf *config) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.private && l.lost == nil && !l.stopped && l.conf.alike(conf)
}

// Others of a process get their turn after so many passes, or so long. The number grows
// with the number of those who wait here, so that theirs differ little.
const (
	fewestPasses = 8
	passesEach   = 2
	passTime     = 10 * time.Millisecond
)

// settle is how soon a claim is renewed to the full TTL.
const settle = 50 * time.Millisecond

// pass gives the lease of s, whose work has ended, to a call of this process, if it may:
// nil if it may not. waiting is how many wait here.
//
// The new session's fence is the grant's plus the microseconds since it was received, less
// 2% for clocks that run at different rates, as in margin. So it is below what the server's
// clock says by then, hence below every later grant's.
func (l *lease) pass(s *Session, c *call, waiting int) *Session {
	now, epoch := l.m.l.clock.Now(), l.m.l.hints.epoch()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.session != s, l.private, l.lost != nil, l.stopped, l.requests.open, !l.conf.alike(c.conf):
		return nil
	case c.conf.replicas > 0 && !l.acked:
		return nil
	case l.validUntil-now < window(l.conf.claim())/2:
		return nil
	case (l.others || !listening(epoch) || epoch != l.epoch) &&
		(int(l.passes) >= max(fewestPasses, passesEach*waiting) || now-l.received >= passTime):
		return nil
	}
	l.passes++
	held := now - l.received
	l.fence = max(l.fence+1, l.origin+(held-held/50).Microseconds())
	l.session = newSession(c, l, now, l.fence)
	l.bound()
	return l.session
}
