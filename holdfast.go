package holdfast

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/engine"
)

// Locker makes locks on one Redis client. Its sessions share goroutines, connections and one
// subscription: a program needs one Locker for each Redis deployment. It is safe for concurrent
// use and must not be copied.
type Locker struct {
	engine engine.Engine
	opts   []Option
	// What they amount to, for locks that have none of their own.
	conf    *config
	confErr error
	recent  atomic.Pointer[config] // of a lock with options of its own: see shared
	calls   sync.Pool              // of calls that are over
}

// New returns a Locker for the client's Redis: a single server, one behind Sentinel, or a
// Cluster. The options are the defaults of its locks. New does no I/O and starts no goroutine;
// it panics if client is nil. A [redis.Ring], whose clients may disagree where a key is, and a
// nil pointer as the client, also within a struct that embeds it, are refused by [Mutex.Err]
// and every use. The caller closes the client, after the Locker.
//
// A request that nobody waits for any more ends with the client's own time-outs. The client's
// MaxRetries does not apply to Holdfast's requests.
func New(client redis.UniversalClient, opts ...Option) *Locker {
	if client == nil {
		panic("holdfast: nil client")
	}
	l := &Locker{opts: opts}
	l.conf, l.confErr = defaults().with(opts)
	l.calls.New = func() any {
		c := new(call)
		c.Init(c)
		return c
	}
	l.engine.Init(client, engine.Config{
		Guard:    l.guard,
		Calls:    func(locks int, took time.Duration) { l.conf.observer.sent(Calls, locks, took) },
		Renewals: func(locks int, took time.Duration) { l.conf.observer.sent(Renewals, locks, took) },
	})
	return l
}

// Close ends every session of the Locker and every Acquire under way with ErrClosed, and waits
// for the Locker's goroutines; one that waits for an answer ends with the client's time-out at
// the latest. Close does not wait for the caller's functions and does not give locks back, since
// it can't know whether the work under them has stopped. They expire, or [Session.Release],
// which works after Close, too, gives them back. Close always returns nil.
func (l *Locker) Close() error {
	l.engine.Close(ErrClosed)
	return nil
}

// String is there because fmt would otherwise show a token that the options give.
func (l *Locker) String() string { return "holdfast locker" }

// GoString is String, for the same reason.
func (l *Locker) GoString() string { return l.String() }
