package holdfast

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Locker makes locks on one Redis client. It is safe for concurrent use and must not be
// copied. Sessions made from one Locker share its goroutines; a program needs one per
// Redis deployment.
type Locker struct {
	store *store.Store
	clock *clock.Clock
	opts  []Option
	// What they amount to, for locks that have none of their own.
	conf    *config
	confErr error
	dog     *watchdog
	lines   *lines
	hints   *hints

	couriers *couriers
	calls    sync.Pool     // of calls that are over
	requests sync.Pool     // that were answered
	timers   sync.Pool     // that are not set
	acks     chan struct{} // room for requests that wait for replicas
	phase    time.Duration // of the beats of renewals, so that Lockers don't keep time

	// ctx ends, with ErrClosed, when Close is called.
	ctx   context.Context
	close context.CancelCauseFunc

	// The library's goroutines. They start others, also while Close waits for them, which
	// a sync.WaitGroup does not allow.
	running atomic.Int64
	mu      sync.Mutex
	idle    chan struct{} // closed when none is running; nil unless Close waits; under mu
}

// New returns a Locker whose locks live on the client's Redis: a single server, one
// behind Sentinel, or a Cluster (not a [redis.Ring], whose clients may disagree where a key
// is). The options are the defaults of its locks. New does no I/O and starts no goroutine;
// it panics if client is nil. The client stays the caller's, who closes it after the Locker.
//
// The client's own time-outs bound how long a request that nobody waits for any more
// stays under way. Holdfast's requests are never repeated by the client's MaxRetries.
func New(client redis.UniversalClient, opts ...Option) *Locker {
	if client == nil {
		panic("holdfast: nil client")
	}
	l := &Locker{store: store.New(client), clock: clock.New(systemClock()), opts: opts}
	l.conf, l.confErr = defaults().with(opts)
	l.dog = newWatchdog(l)
	l.lines = &lines{l: l, of: make(map[string]*line)}
	l.hints = newHints(l)
	l.couriers = newCouriers(l)
	// Few of the client's connections: the others are for what must not wait, such as renewals.
	l.acks = make(chan struct{}, max(l.store.Connections()/8, 1))
	l.calls.New = func() any { return &call{wake: make(chan struct{}, 1)} }
	l.requests.New = func() any { return &request{answered: make(chan *request, 1)} }
	l.timers.New = func() any { return time.NewTimer(forever) }
	l.phase = rand.N(time.Minute)
	l.ctx, l.close = context.WithCancelCause(context.Background())
	return l
}

// systemClock is replaced by tests of suspended machines.
var systemClock = clock.System

// Close ends every session made from the Locker, with ErrClosed as the cause, fails
// every Acquire under way likewise, and waits for the Locker's goroutines; one that is in
// a request waits for the client's time-out at most. It does not wait for the caller's
// functions, and it does not give locks back: whether the work under them has stopped is
// not for Close to know. They expire, or [Session.Release] gives them back, which works
// after Close too. Close always returns nil.
func (l *Locker) Close() error {
	l.close(ErrClosed)
	l.lines.wake()
	l.dog.stop()
	l.mu.Lock()
	if l.running.Load() > 0 && l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	if idle != nil {
		<-idle
	}
	return nil
}

// String is there because fmt would otherwise show a token that the options give.
func (l *Locker) String() string { return "holdfast locker" }

// GoString is String, for the same reason.
func (l *Locker) GoString() string { return l.String() }

// spawn runs f in a goroutine that Close waits for.
func (l *Locker) spawn(f func()) {
	l.enter()
	go func() {
		defer l.leave()
		f()
	}()
}

// enter and leave enclose what Close waits for.
func (l *Locker) enter() { l.running.Add(1) }

func (l *Locker) leave() {
	if l.running.Add(-1) > 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle != nil && l.running.Load() == 0 { // another may have entered since
		close(l.idle)
		l.idle = nil
	}
}
