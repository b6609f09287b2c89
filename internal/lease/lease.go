// Package lease keeps the right to a lock that Redis granted: who holds it, whether it may be
// passed on, and why it was lost. Until when it is believed and when it is renewed is decided by
// package trust; here the answers of Redis come in and the ends go out.
//
// A Lease's mutex may be taken while the queue's is held, and the Scheduler's is taken under it.
// With it held no request is sent, and of a Holder's context no more is read than what it has noted,
// since the context's parent may be anybody's and look at a lease of its own.
package lease

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// Env is what all leases of a Locker share.
type Env struct {
	Clock  *clock.Clock
	Store  *store.Store
	Sched  *schedule.Scheduler[*Lease]
	Offset time.Duration // see trust.Pace
	Events Events
	// Channel returns the channel on which Redis can tell us something, empty if the
	// subscription does not work, and the subscription's epoch.
	Channel func() (string, uint64)
	// Patience returns how long an answer about that lock is usually waited for.
	Patience func(name string) time.Duration
}

// Events tells those above of a lease. It is called without the lease's mutex.
type Events interface {
	// NotPassable: the lease won't be passed on. Who hoped for it must ask Redis.
	NotPassable(*Lease)
	// Dropped: nobody looks after the lease any more.
	Dropped(*Lease)
	// RestOver: the lease may rest no longer, since others wait for it.
	RestOver(*Lease)
}

// Holder is the session that holds a lease.
type Holder interface {
	// These three may be called with mutexes held.
	Ended() bool          // as far as it is noted
	Until() time.Duration // the end of the maximum hold
	KeepRenewing() bool   // although it has ended: its functions are waited for

	Poll()           // notes the end of the parent context
	End(cause error) // once; later ends change nothing
	EndMaxHold()
	Named(cause error) error // says of which lock it is the cause

	// These are told what happened.
	Lost(cause error) // once
	Renewed(margin time.Duration)
	NotRenewed(err error, margin time.Duration)
}

// Taker is a call that takes a lease.
type Taker interface {
	Terms() *Terms
	// Take makes the Holder, which holds the lease from that time on. It is called with the
	// lease's mutex held.
	Take(l *Lease, from time.Duration, fence int64) Holder
}

// Lock is what the leases of one Mutex, or one Semaphore, share. It must not be copied.
type Lock struct {
	Env  *Env
	Name string
	Kind store.Kind
	keys atomic.Pointer[store.Lock]
}

// Key tells the lock from those of other names and kinds. Messages name a lock by it.
func (k *Lock) Key() string {
	if k.Kind == store.Mutex {
		return k.Name
	}
	return k.Keys().Queue()
}

// KeyOf is the key of the lock of that kind and name.
func KeyOf(kind store.Kind, name string) string {
	if kind == store.Mutex {
		return name
	}
	return store.NewLock(kind, name).Queue()
}

// Want is what is asked for under these terms, in the form in which scripts have it.
func (k *Lock) Want(terms *Terms) string {
	if k.Kind == store.Mutex {
		return ""
	}
	return store.Want(terms.Weight, terms.Limit)
}

// Keys returns the lock's keys, which most often its last request had, too.
func (k *Lock) Keys() *store.Lock {
	keys := k.keys.Load()
	if keys == nil {
		keys = k.Env.Store.Lock(k.Kind, k.Name)
		k.keys.Store(keys)
	}
	return keys
}

// Lease is the right to a lock that Redis granted to one attempt. It is held by one Holder at a
// time. Those of a process may pass it on.
type Lease struct {
	lock  *Lock
	terms *Terms                   // of the first Holder; the others agree in what matters here
	uid   uuid.UUID                // the attempt, and the token, unless one was given
	id    atomic.Pointer[store.ID] // made of the above; see dropCache
	until atomic.Int64             // clock time at which the Holder is due to end

	slot       schedule.Slot
	hasChannel atomic.Bool // Redis knows the channel on which it can tell us something

	mu          sync.Mutex
	stopped     bool // it is given back or out of our hands: nothing is renewed again
	notPassable bool
	resting     bool // see Rest
	announce    bool // Redis is to be told the channel, announceAfter the grant
	others      bool // others wait for it, as of epoch
	replicated  bool // as many replicas have it as the terms ask for
	inDoubt     bool // not under mu: a request of the attempt may still be under way: leave a tombstone
	passes      int32
	told        uint32 // how many messages have said that others wait
	holder      Holder
	trust       trust.Lease
	failure     error         // of the last renewal, if it failed
	lost        error         // why the lease is known not to be ours
	slept       time.Duration // what the machine had slept when the lease was last confirmed

	// For passing it on: see Pass.
	grantedAt  time.Duration
	grantFence int64
	fence      int64 // the Holder's
	epoch      uint64
}

// Grant is what Redis gave to an attempt, in answer to a request sent at Sent.
type Grant struct {
	store.Reply
	Sent, Now  time.Duration
	From       time.Duration // when it is held from
	UID        uuid.UUID
	ID         *store.ID
	Above      int64  // the largest fence of sessions that had permits in this process: its own is larger
	InDoubt    bool   // another request of the attempt may still be under way
	HasChannel bool   // the attempt named our channel
	Epoch      uint64 // of the subscription when the attempt asked
}

// New makes the lease of a grant, and its first Holder.
func New(lock *Lock, to Taker, g Grant) *Lease {
	l := &Lease{
		lock: lock, terms: to.Terms(), uid: g.UID, inDoubt: g.InDoubt,
		grantedAt: g.Now, grantFence: g.Fence, fence: max(g.Fence, g.Above+1),
		others: g.Others, epoch: g.Epoch,
	}
	l.notPassable = l.terms.HasToken || g.Ahead
	l.hasChannel.Store(g.HasChannel)
	l.holder = to.Take(l, g.From, l.fence)
	l.id.Store(g.ID)
	l.trust = trust.Granted(&l.terms.Terms, l.pace(), g.Sent, g.Now, g.TTL)
	l.confirmed()
	return l
}

// RenewMost is how many leases are renewed in one round trip. With more of them, renewals are spread
// over time.
const RenewMost = 2048

func (l *Lease) pace() trust.Pace {
	return trust.Pace{Few: l.lock.Env.Sched.Len() < RenewMost, Offset: l.lock.Env.Offset}
}

// Sched returns the lease's part of the schedule.
func (l *Lease) Sched() *schedule.Slot { return &l.slot }

// Name returns the lock's name.
func (l *Lease) Name() string { return l.lock.Name }

// Fence is the Holder's.
func (l *Lease) Fence() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence
}

// Key is the lock's.
func (l *Lease) Key() string { return l.lock.Key() }

// Shared reports whether the lease is for permits: others may have some beside it.
func (l *Lease) Shared() bool { return l.lock.Kind != store.Mutex }

// Terms returns those of the first Holder.
func (l *Lease) Terms() *Terms { return l.terms }

// InDoubt reports whether a request of the attempt may still be under way.
func (l *Lease) InDoubt() bool { return l.inDoubt }

// GrantedAt is when the grant was received.
func (l *Lease) GrantedAt() time.Duration { return l.grantedAt }

// ID is whose the lease is.
func (l *Lease) ID() store.ID {
	if id := l.id.Load(); id != nil {
		return *id
	}
	return store.NewID(l.lock.Keys(), l.uid.String(), l.terms.Token)
}

// dropCache drops the ID and the keys, half of a lease's memory. Few leases that last until they
// are renewed need them again, and they can be rebuilt.
func (l *Lease) dropCache() {
	l.id.Store(nil)
	l.lock.keys.Store(nil)
}

// confirmed puts into effect what an answer of Redis changed. Called with mu held, or before the
// lease is shared.
func (l *Lease) confirmed() {
	l.slept = l.lock.Env.Clock.Asleep()
	l.failure = nil
	l.bound()
}

// bound puts into effect when the Holder is due to end. Called with mu held.
func (l *Lease) bound() { l.until.Store(int64(min(l.trust.Until(), l.holder.Until()))) }

// ValidUntil is the time before which the lease is believed.
func (l *Lease) ValidUntil() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.Until()
}

// ValidUntilTime is that time by the machine's wall clock, or zero if the lock has no expiry.
func (l *Lease) ValidUntilTime() time.Time {
	until := l.ValidUntil()
	if until == trust.Forever {
		return time.Time{}
	}
	return time.Now().Add(until - l.lock.Env.Clock.Now())
}

// Holder is who holds the lease.
func (l *Lease) Holder() Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder
}

// Kept reports whether the lease is looked after: it is held, or a release waits for the Holder's
// functions.
func (l *Lease) Kept() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept()
}

func (l *Lease) kept() bool {
	return l.lost == nil && !l.stopped && (l.holder.KeepRenewing() || !l.holder.Ended())
}

// Stop marks the lease as not renewed any more, for good, and returns how long it can still be
// believed, which fence Redis does not know of, and why it was lost, if it was.
func (l *Lease) Stop() (left time.Duration, fence int64, lost error) {
	now := l.Look()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	return l.trust.Until() - now, l.unknownFence(), l.lost
}

// unknownFence returns the largest fence in use, or 0 if Redis knows it. Called with mu held.
func (l *Lease) unknownFence() int64 {
	if l.fence == l.grantFence {
		return 0
	}
	return l.fence
}
