package holdfast

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/replicas"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/watchdog"
)

// Locker makes locks on one Redis client. Its sessions share goroutines, connections and one
// subscription: a program needs one Locker for each Redis deployment. It is safe for concurrent
// use and must not be copied.
type Locker struct {
	store *store.Store
	clock *clock.Clock
	opts  []Option
	// What they amount to, for locks that have none of their own.
	conf    *config
	confErr error
	recent  atomic.Pointer[config] // of a lock with options of its own: see shared
	env     lease.Env              // what the leases share
	dog     *watchdog.Watchdog
	queues  *queue.Queues
	notify  *notify.Subscription

	send     *send.Sender
	calls    sync.Pool // of calls that are over
	replicas *replicas.Counter
	releaser release.Releaser

	// ctx ends, with ErrClosed, when Close is called.
	ctx   context.Context
	close context.CancelCauseFunc

	tasks task.Group // the library's goroutines, and the calls, that Close waits for
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
	l := &Locker{store: store.New(client), clock: clock.New(clock.Current()), opts: opts}
	l.ctx, l.close = context.WithCancelCause(context.Background())
	l.conf, l.confErr = defaults().with(opts)
	guard := l.guard()
	l.send = newSender(l)
	l.replicas = replicas.New(l.store, &l.tasks, l.clock.Now)
	l.calls.New = func() any {
		c := new(call)
		c.Init(c)
		return c
	}
	l.notify = newSubscription(l)
	l.queues = queue.New(queue.Config{
		Store: l.store, Send: l.send, Notify: l.notify, Tasks: &l.tasks, Closed: l.ctx, Now: l.clock.Now,
		Grace: guard, Return: func(x *lease.Lease) { l.releaser.Return(x) },
	})
	l.dog, l.env = newWatchdog(l)
	l.releaser = release.Releaser{
		Queues: l.queues, Send: l.send, Store: l.store, Sched: l.dog.Sched(), Tasks: &l.tasks,
		Now: l.clock.Now, Closed: l.ctx,
	}
	return l
}

func newSender(l *Locker) *send.Sender {
	conf := send.Config{
		Backend: l.store, Aside: l.store.Aside(), Connections: l.store.Connections(),
		NoAnswer: l.store.NoAnswer, Clock: l.clock, Tasks: &l.tasks,
		Sent: func(requests int, took time.Duration) { l.conf.observer.sent(Calls, requests, took) },
	}
	if l.store.HasAside() {
		conf.MaxAside = store.AsideConns - watchdog.MostAside
	}
	return send.New(conf)
}

func newSubscription(l *Locker) *notify.Subscription {
	return notify.New(l.ctx, notify.Config{
		Connect: func(ctx context.Context, channel string) notify.Connection {
			return l.store.Subscribe(ctx, channel)
		},
		KeyChannel: l.store.KeyChannel, Broken: l.store.RefreshTopology,
		Sink: sink{l}, Tasks: &l.tasks, Clock: l.clock,
	})
}

// sink takes what comes by the subscription.
type sink struct{ l *Locker }

func (s sink) Message(text string) { s.l.queues.Message(text) }

func (s sink) Poke(name string) {
	s.l.queues.Poke(name)
	if channel, _ := s.l.notify.Channel(); name == "" && channel != "" {
		s.l.dog.Announce()
	}
}

// Close ends every session of the Locker and every Acquire under way with ErrClosed, and waits
// for the Locker's goroutines; one that waits for an answer ends with the client's time-out at
// the latest. Close does not wait for the caller's functions and does not give locks back, since
// it can't know whether the work under them has stopped. They expire, or [Session.Release],
// which works after Close, too, gives them back. Close always returns nil.
func (l *Locker) Close() error {
	l.close(ErrClosed)
	l.queues.Wake()
	l.env.Sched.Stop()
	l.tasks.Wait()
	l.store.Close()
	return nil
}

// String is there because fmt would otherwise show a token that the options give.
func (l *Locker) String() string { return "holdfast locker" }

// GoString is String, for the same reason.
func (l *Locker) GoString() string { return l.String() }
