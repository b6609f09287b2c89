package lease

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// The first locks of a Locker are asked for before its subscription works. So Redis does not know
// on which channel to tell their holder that somebody waits, or that the lock was taken away. As
// soon as the subscription works, Redis is told: for all such leases in one request.

// announceAfter is how long after the grant Redis is told the channel at the earliest. What is
// given back sooner costs no request.
const announceAfter = 20 * time.Millisecond

func (l *Lease) announceAt() time.Duration { return l.grantedAt + announceAfter }

// HasChannel reports whether Redis knows the channel.
func (l *Lease) HasChannel() bool { return l.hasChannel.Load() }

// Announce plans that Redis is told the channel. Callers look at HasChannel before.
func (l *Lease) Announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept() {
		l.announce = true
		l.plan()
	}
}

// announcement adds the announcement to out, if one is needed. One that fails is made again at the
// next renewal. Called with mu held.
func (l *Lease) announcement(now time.Duration, out []Request) []Request {
	l.announce = false
	channel, epoch := l.lock.Env.Channel()
	if l.hasChannel.Load() || channel == "" {
		return out
	}
	r := Request{Lease: l, epoch: epoch, told: l.told, announce: true}
	r.Sent, r.Bound = now, l.trust.Until()-now
	if l.trust.Until() == trust.Forever {
		r.Bound = l.terms.Every()
	}
	r.Call = new(l.lock.Env.Store.Announce(store.Attempt{ID: l.ID(), Want: l.lock.Want(l.terms), Label: l.terms.Label, Channel: channel}))
	return append(out, r)
}

// announced takes the answer to an announcement. It is no renewal: its failure says nothing about
// the lease.
func (l *Lease) announced(r *Request, now time.Duration, reply store.Reply, err error) {
	if err != nil {
		return
	}
	if reply.Status == store.Held {
		l.hasChannel.Store(true)
		l.Others(reply.Others, r.epoch, r.told)
	}
	_ = l.Answered(0, r.Sent, now, reply)
}
