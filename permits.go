package holdfast

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/store"
)

// MaxPermits is the largest number of permits of a [Semaphore].
const MaxPermits = store.MaxPermits // 1,000,000,000

// Semaphore lets several sessions hold a name at a time. Each takes one permit, or as many as
// [WithWeight] says, and at no moment do live contexts hold more than there are. Its methods are those
// of a [Mutex]: what is said there of the lock, its holder and the session holds for each session here.
//
// Waiters are served in the order in which they came, but those of one Locker stand in line as one: the first for
// all, and when it is served the next takes the last place. If permits are free, a few of those may change places.
// One that needs more permits than are free is not overtaken by others that need less, so nobody waits for ever, and
// permits may be free meanwhile.
//
// Members may disagree about the number of permits, while it is changed. Permits are given only if then no more are
// in use than the asker's number, and than that of each who holds some. [Info] says the smallest.
//
// Of two sessions that can't hold together the later has the larger fence. Others may have theirs in any order, and
// those of two processes the same. ForceRelease takes the permits of all holders. Resume needs the number and weight
// of the session that was detached. The name is no mutex's at the same time: to each, the other is a stranger.
// WithToken, WithLinger and WithTurnsForStrangers are refused.
type Semaphore struct{ permits }

// permits is what a Semaphore and an RWMutex have in common.
type permits struct{ handle }

// Semaphore returns the semaphore of that name with n permits, from 1 to [MaxPermits]. Names and options
// are as those of [Locker.Mutex].
func (l *Locker) Semaphore(name string, n int, opts ...Option) *Semaphore {
	s := new(Semaphore)
	s.limit = int32(n)
	if n < 1 || n > MaxPermits {
		s.limit, s.err = 1, invalid("%d permits are not between 1 and %d", n, MaxPermits)
	}
	s.init(l, name, opts)
	return s
}

// WithWeight makes a session take n permits of a [Semaphore] at once, from 1 to all there are (default 1).
func WithWeight(n int) Option { return func(c *config) { c.Weight, c.HasWeight = n, true } }

// Holder is a session that holds permits.
type Holder struct {
	Label          string
	Fence          int64
	Permits, Limit int           // how many it has, and of how many as it was told
	TTL            time.Duration // what is left; 0 without expiry
	NoExpiry, Kept bool          // see Info
}

// Holders asks Redis who holds permits, the smallest fence first; of an RWMutex a writer holds
// [MaxPermits]. ctx bounds the request.
func (s *permits) Holders(ctx context.Context) (all []Holder, _ error) {
	r, err := s.ask(ctx, s.l.engine.Store.InspectQueue, false)
	if err != nil {
		return nil, operr.Wrap("inspect", s.lock.Name, err)
	}
	_, _, holders := store.Holders(r)
	for _, h := range holders {
		all = append(all, Holder{h.Label, h.Fence, h.Permits, h.Limit, max(h.TTL, 0), h.TTL < 0, h.Kept})
	}
	return all, nil
}

// RWMutex is a lock that many readers hold together, or one writer alone. It is a [Semaphore] of [MaxPermits], of
// which a reader takes one and a writer all. So a reader waits for a writer that came before it, and neither
// starves; of the readers of one Locker only the first goes before a writer that comes later. A writer's fence is
// larger than that of every session before it. A session can't become the other kind: it is released first. The
// methods without an R are the writer's.
type RWMutex struct {
	permits
	read handle
}

// RWMutex returns the read-write lock of that name. Names and options are as those of [Locker.Semaphore];
// there is no weight.
func (l *Locker) RWMutex(name string, opts ...Option) *RWMutex {
	m := new(RWMutex)
	m.limit, m.weight = MaxPermits, MaxPermits
	m.init(l, name, opts)
	m.read.limit, m.read.weight = MaxPermits, 1
	m.read.init(l, name, opts)
	return m
}

// RAcquire is [Mutex.Acquire] for a reader.
func (m *RWMutex) RAcquire(ctx context.Context, opts ...Option) (*Session, error) {
	return m.read.Acquire(ctx, opts...)
}

// TryRAcquire is [Mutex.TryAcquire] for a reader.
func (m *RWMutex) TryRAcquire(ctx context.Context, opts ...Option) (*Session, error) {
	return m.read.TryAcquire(ctx, opts...)
}

// RResume is [Mutex.Resume] for a reader.
func (m *RWMutex) RResume(ctx context.Context, token string, opts ...Option) (*Session, error) {
	return m.read.Resume(ctx, token, opts...)
}

// RLock is [Mutex.Lock] for a reader.
func (m *RWMutex) RLock(ctx context.Context, opts ...Option) (_ context.Context, release func() error) {
	return m.read.Lock(ctx, opts...)
}

// RDo is [Mutex.Do] for a reader.
func (m *RWMutex) RDo(ctx context.Context, fn func(context.Context) error, opts ...Option) error {
	return m.read.Do(ctx, fn, opts...)
}
