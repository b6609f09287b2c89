package lease

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// Watch has the lease looked after, also one that was dropped since its Holder had ended; false if
// the Locker is closed.
func (l *Lease) Watch() bool {
	l.mu.Lock()
	at := l.next()
	l.mu.Unlock()
	env := l.lock.Env
	if !env.Sched.By(l, at) {
		return false
	}
	// Only now: when the subscription begins to work, it looks for the leases in the schedule.
	if l.HasChannel() {
		return true
	}
	if channel, _ := env.Channel(); channel != "" {
		l.Announce()
	}
	return true
}

// Ask has Redis asked at once whose the lease is.
func (l *Lease) Ask() { l.lock.Env.Sched.Now(l) }

// next returns when the lease has to be looked at. Called with mu held.
func (l *Lease) next() time.Duration {
	next := min(l.trust.Next(), l.holder.Until())
	if l.announce {
		next = min(next, l.announceAt())
	}
	if next == trust.Forever { // nothing is due, but the Holder's context may end
		next = l.lock.Env.Clock.Now() + idleLook
	}
	return next
}

// idleLook is how often a lease is looked at for which nothing is due.
const idleLook = 5 * time.Second

// plan is called with mu held.
func (l *Lease) plan() { l.lock.Env.Sched.Plan(l, l.next()) }

// Request is what a lease asks of Redis when it is time. Redis is told one of two: Touch, or Call.
type Request struct {
	trust.Renewal
	Lease *Lease
	Touch time.Duration // renew for that TTL, by NAME alone
	Call  *store.Call

	epoch    uint64 // of the subscription
	told     uint32 // how many messages had said that others wait
	announce bool   // it tells Redis the channel, and renews nothing
}

// Due does what is due: it ends the Holder or adds requests to out. It returns when to look again,
// or 0 for never.
func (l *Lease) Due(now time.Duration, out []Request) (_ []Request, next time.Duration) {
	l.LookAt(now)
	l.Holder().Poll()
	ask := l.slot.TakeNow()
	l.mu.Lock()
	kept := l.kept()
	if kept {
		renew := l.trust.Due(now) || ask
		if renew || l.announce && now >= l.announceAt() {
			out = l.announcement(now, out)
		}
		if renew {
			out = append(out, l.renewal(now))
		}
		next = l.next()
	}
	l.mu.Unlock()
	if !kept {
		l.lock.Env.Events.Dropped(l)
	}
	return out, next
}

// renewal makes the renewal that is due. Called with mu held.
func (l *Lease) renewal(now time.Duration) Request {
	env, terms := l.lock.Env, &l.terms.Terms
	_, epoch := env.Channel()
	r := Request{Lease: l, epoch: epoch, told: l.told}
	r.Renewal = l.trust.Renew(terms, l.pace(), now, env.Patience(l.lock.Name))
	fence, numbered := l.unknownFence(), uint32(0)
	if r.Numbered {
		numbered = r.Number
	}
	switch {
	case r.Number == 0:
		r.Call = new(env.Store.Check(l.ID()))
	case l.Shared(), r.Numbered, l.notPassable, l.resting, r.Keep, fence != 0, terms.NoExpiry:
		r.Call = new(env.Store.Renew(l.ID(), l.terms.RedisTTL(), numbered, r.Keep, fence))
	default: // nobody else knows the token, and Redis has nothing more to be told
		l.dropCache()
		r.Touch = terms.TTL
	}
	return r
}

// RedisTTL is the TTL as a request names it.
func (t *Terms) RedisTTL() time.Duration {
	if t.NoExpiry {
		return store.NoExpiry
	}
	return t.TTL
}

// touch is the request as a touch, whose token is the attempt.
func (r *Request) touch() store.Touch {
	return store.Touch{Name: r.Lease.lock.Name, Token: r.Lease.uid.String(), TTL: r.Touch}
}

// askWhy turns a touch that was refused into the question why. It renews nothing.
func (r *Request) askWhy() {
	r.Number, r.Touch, r.Call = 0, 0, new(r.Lease.lock.Env.Store.Check(r.Lease.ID()))
}

// Answer takes what came of a request.
func (r *Request) Answer(now time.Duration, reply store.Reply, err error) {
	l := r.Lease
	switch {
	case r.announce:
		l.announced(r, now, reply, err)
	case err != nil:
		l.failed(r.Number, err)
	case r.Call != nil:
		l.Others(reply.Others, r.epoch, r.told)
		l.renewed(r, now, reply)
	case !l.exposed():
		l.renewed(r, now, reply)
	}
}

func (l *Lease) renewed(r *Request, now time.Duration, reply store.Reply) {
	margin := l.ValidUntil() - now
	if l.Answered(r.Number, r.Sent, now, reply) == nil && r.Number != 0 && !l.terms.NoExpiry {
		l.Holder().Renewed(margin)
	}
}

// left returns how long the lease can still be believed.
func (l *Lease) left() time.Duration { return l.ValidUntil() - l.lock.Env.Clock.Now() }

// exposed reports whether others may know the token by now, so that NAME alone tells no more whose
// the lease is. Then Redis is to be asked at once.
func (l *Lease) exposed() bool {
	l.mu.Lock()
	exposed := l.notPassable
	if exposed {
		l.trust.Replied()
	}
	l.mu.Unlock()
	if exposed {
		l.Ask()
	}
	return exposed
}

// Expect numbers a request of h that is about to be sent at sent: see trust.Lease. False if h does
// not hold the lease any more.
func (l *Lease) Expect(h Holder, sent, ttl time.Duration, replace bool) (number uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != h || l.stopped {
		return 0, false
	}
	number = l.trust.Expect(&l.terms.Terms, sent, ttl, replace)
	l.bound()
	l.plan()
	return number, true
}

// Number numbers a request that only adds time: see trust.Lease.
func (l *Lease) Number() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.Number()
}

// lacking is how much of the full TTL a claim lacks.
func (l *Lease) lacking() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.Lacking(&l.terms.Terms)
}

// Answered takes the server's answer, received at now, to the request of that number, sent at sent.
func (l *Lease) Answered(number uint32, sent, now time.Duration, r store.Reply) error {
	if r.Status != store.Held {
		return l.Lose(LossOf(r.Status))
	}
	l.LookAt(now) // an answer that comes too late does not bring the lease back
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil && !l.stopped && l.trust.Answered(&l.terms.Terms, l.pace(), number, sent, now, r.TTL) {
		l.confirmed()
	}
	l.trust.Replied()
	if l.kept() { // else it is to be looked at soon, or never
		l.plan()
	}
	return l.lost
}

// failed notes a renewal that failed. The next try is planned already. A renewal that was tried
// again was reported then.
func (l *Lease) failed(number uint32, err error) {
	l.mu.Lock()
	over := l.lost != nil || l.stopped || number != 0 && l.trust.Overtaken(number)
	latest := number == 0 || l.trust.Latest(number)
	if !over {
		l.failure = err
	}
	if latest {
		l.trust.Replied()
	}
	l.mu.Unlock()
	if !over && latest {
		l.Holder().NotRenewed(err, l.left())
	}
}

// NoAnswer notes that the renewal before this one has had no answer, and is tried again.
func (r *Request) NoAnswer() {
	l := r.Lease
	err := l.lock.Env.Store.NoAnswer(r.Silent)
	l.mu.Lock()
	over := l.lost != nil || l.stopped
	if !over {
		l.failure = err
	}
	l.mu.Unlock()
	if !over {
		l.Holder().NotRenewed(err, l.left())
	}
}
