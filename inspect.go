package holdfast

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/list"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Info is the state of a lock in Redis.
type Info struct {
	Held     bool
	Stranger bool          // held, but not through Holdfast: by redis-py, say
	Label    string        // the holder's; empty if free or a stranger's
	Fence    int64         // the holder's; 0 if free or a stranger's
	TTL      time.Duration // what is left; 0 without expiry
	NoExpiry bool          // held without expiry
	Waiters  int           // how many processes wait, as far as Redis knows
	// Grace is for how long no lock is given yet, as far as the Locker has seen: see
	// [WithFailoverGrace].
	Grace time.Duration

	// Kept: the holder has released the lock, and its [WithMinHold] keeps it until the TTL ends.
	// Held is true, and Label, Fence, Since and HeldFor are still that holder's.
	Kept bool

	// MayRest: the holder's process may have ended its work, and keeps the lock until others ask for it or
	// the time of [WithLinger] is over.
	MayRest bool

	// Since is when the holder was given its fence, and HeldFor how long ago that was. Both are
	// zero if the lock is free or a stranger's, and both go by the clock of the Redis server
	// alone. If that clock was set back, or a failover lost the last fence, a fence may be ahead
	// of it: HeldFor is 0 until the clock has passed it.
	//
	// A lease that is passed on within a process gets a new fence each time, and Redis learns of it
	// with the next renewal: until then Since is that of the first of them. [Mutex.Resume]
	// begins a new hold.
	Since   time.Time
	HeldFor time.Duration

	// Of permits: how many are in use, and the smallest limit of those who hold some, who may disagree; 0 of
	// a mutex. The TTL is the longest; Label, Fence, Since and HeldFor are of the largest fence, and Kept means
	// that all are. [Semaphore.Holders] has those of each.
	Permits, Limit int
}

func (m *handle) info(r store.Reply) Info {
	return Info(list.StateOf(m.lock.Kind, r, m.l.grace(m.lock.Name)))
}

// Inspect asks Redis who holds the lock. ctx bounds the request.
func (m *handle) Inspect(ctx context.Context) (Info, error) {
	r, err := m.ask(ctx, m.l.engine.Store.Inspect, false)
	if err != nil {
		return Info{}, operr.Wrap("inspect", m.lock.Name, err)
	}
	return m.info(r), nil
}

// Waiter is one process that waits for a lock.
type Waiter struct {
	Label string
	// Alive is for how long the waiter counts as alive unless it asks again, which it does every
	// few seconds. A waiter with 0 will be passed over.
	Alive   time.Duration
	Permits int // how many it waits for; 0 of a mutex
}

// InspectQueue is [Mutex.Inspect] and also returns who waits, the next holder first.
func (m *handle) InspectQueue(ctx context.Context) (_ Info, queue []Waiter, _ error) {
	r, err := m.ask(ctx, m.l.engine.Store.InspectQueue, false)
	if err != nil {
		return Info{}, nil, operr.Wrap("inspect", m.lock.Name, err)
	}
	waiters := r.Queue
	if m.limit > 0 {
		waiters = store.PermitWaiters(r)
	}
	for _, w := range waiters {
		queue = append(queue, Waiter(w))
	}
	return m.info(r), queue, nil
}

// Entry is a lock that List finds.
type Entry struct {
	Name string
	Info
}

// List returns the locks that are held or waited for and whose names match a pattern of
// Redis's KEYS, such as "jobs:*"; "" matches all. It looks for the keys that Holdfast keeps
// beside a lock, so it shows a stranger's lock only if Holdfast has held it or asked for it
// within a day. It uses SCAN, on a Cluster on each master: all keys are looked at, in small
// steps, and what changes while the list runs may or may not be seen. ctx bounds the whole list.
//
// A name is listed as what holds it, a mutex or permits; and a second time, as a stranger's, only if somebody waits
// for it as the other. If an error comes with a name, it concerns that lock, and the list goes on; an
// error without a name ends the list.
func (l *Locker) List(ctx context.Context, pattern string) iter.Seq2[Entry, error] {
	mustContext(ctx)
	if pattern == "" {
		pattern = "*"
	}
	return func(yield func(Entry, error) bool) {
		ctx, done := endctx.Either(ctx, l.engine.Ctx)
		defer done()
		walker := list.Walker{Store: l.engine.Store, Send: l.engine.Send, Tasks: &l.engine.Tasks}
		err := walker.Each(ctx, pattern, func(lock store.Found, r store.Reply, err error) bool {
			if err != nil {
				return yield(Entry{Name: lock.Name}, operr.Wrap("inspect", lock.Name, operr.Ended(ctx, err)))
			}
			info := Info(list.StateOf(lock.Kind, r, 0))
			return !info.Held && info.Waiters == 0 || yield(Entry{lock.Name, info}, nil)
		})
		if err != nil {
			yield(Entry{}, fmt.Errorf("holdfast: list the locks %s: %w", operr.Quote(pattern), operr.Ended(ctx, err)))
		}
	}
}

// ForceRelease takes the lock from whoever holds it, for operators, and gives it to whoever has
// waited longest. The holder is notified, and its session ends with ErrForceReleased, at its next
// renewal at the latest; its work may go on until then. A lock that is free is left as it is; one
// that only a minimum hold keeps is taken, too. ctx bounds the request. After an error it is not
// known whether the lock was released: inspect it first, since a second call would take it from
// the next holder.
func (m *handle) ForceRelease(ctx context.Context) error {
	_, err := m.ask(ctx, func(lock *store.Lock) store.Call { return m.l.engine.Store.Force(lock, 0) }, true)
	return m.forced(err)
}

// ForceReleaseFence is [Mutex.ForceRelease] for the holder of one fence, as [Mutex.Inspect]
// returns it. If another holds the lock by then, nothing is done and the error is
// ErrOtherFence, so it can be called again after an error. A stranger has no fence: see
// [Mutex.ForceReleaseStranger]. Sessions of one process that pass the lock on among themselves
// count as holders of one fence until the next renewal.
func (m *handle) ForceReleaseFence(ctx context.Context, fence int64) error {
	if fence <= 0 {
		return m.forced(invalid("the fence %d is not positive", fence))
	}
	r, err := m.ask(ctx, func(lock *store.Lock) store.Call { return m.l.engine.Store.Force(lock, fence) }, true)
	if err == nil {
		err = list.NotOf(fence, m.lock.Kind, r, ErrOtherFence)
	}
	return m.forced(err)
}

// ForceReleaseStranger is [Mutex.ForceRelease] for a lock that a stranger holds, such as a
// redis-py worker. If it is held through Holdfast by then, nothing is done and the error is
// ErrOtherFence, which says the holder's fence. The stranger is not notified. After an error inspect
// the lock first: a second call would take it from another stranger.
func (m *handle) ForceReleaseStranger(ctx context.Context) error {
	r, err := m.ask(ctx, m.l.engine.Store.ForceStranger, true)
	if err == nil && r.Status == store.Taken {
		err = fmt.Errorf("%w: its fence is %d, and a stranger has none", ErrOtherFence, r.Fence)
	}
	return m.forced(err)
}

func (m *handle) forced(err error) error { return operr.Wrap("force the release of", m.lock.Name, err) }
