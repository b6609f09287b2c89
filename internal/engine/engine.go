// Package engine puts together what a Locker consists of, and stops it.
package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/replicas"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/watchdog"
)

// Engine is what the locks of a Locker share. It must not be copied.
type Engine struct {
	Store    *store.Store
	Clock    *clock.Clock
	Env      lease.Env // what the leases share
	Dog      *watchdog.Watchdog
	Queues   *queue.Queues
	Notify   *notify.Subscription
	Send     *send.Sender
	Replicas *replicas.Counter
	Releaser release.Releaser

	// Ctx ends when Close is called.
	Ctx   context.Context
	close context.CancelCauseFunc

	Tasks task.Group // the goroutines, and the calls, that Close waits for
}

// Config is what an Engine is told.
type Config struct {
	// Guard makes the guard of a failover grace, nil without one.
	Guard func(*Engine) *grace.Guard
	// Calls and Renewals are told of each round trip that has ended: for how many locks it was, and how
	// long it took.
	Calls, Renewals func(locks int, took time.Duration)
}

// Init makes the parts. It does no I/O and starts no goroutine.
func (e *Engine) Init(client redis.UniversalClient, conf Config) {
	e.Store, e.Clock = store.New(client), clock.New(clock.Current())
	e.Ctx, e.close = context.WithCancelCause(context.Background())
	guard := conf.Guard(e)
	e.Send = e.newSender(conf)
	e.Replicas = replicas.New(e.Store, &e.Tasks, e.Clock.Now)
	e.Notify = e.newSubscription()
	e.Queues = queue.New(queue.Config{
		Store: e.Store, Send: e.Send, Notify: e.Notify, Tasks: &e.Tasks, Closed: e.Ctx, Now: e.Clock.Now,
		Grace: guard, Return: func(l *lease.Lease) { e.Releaser.Return(l) },
	})
	e.Dog = watchdog.New(watchdog.Config{
		Store: e.Store, Clock: e.Clock, Tasks: &e.Tasks, Closed: e.Ctx, Sent: conf.Renewals,
	})
	e.Env = lease.Env{
		Clock: e.Clock, Store: e.Store, Sched: e.Dog.Sched(), Offset: rand.N(time.Minute), Events: e.Queues,
		Channel: e.Notify.Channel, Patience: e.Send.Patience,
	}
	e.Releaser = release.Releaser{
		Queues: e.Queues, Send: e.Send, Store: e.Store, Sched: e.Dog.Sched(), Tasks: &e.Tasks,
		Now: e.Clock.Now, Closed: e.Ctx,
	}
}

func (e *Engine) newSender(of Config) *send.Sender {
	conf := send.Config{
		Backend: e.Store, Aside: e.Store.Aside(), Connections: e.Store.Connections(),
		NoAnswer: e.Store.NoAnswer, Clock: e.Clock, Tasks: &e.Tasks, Sent: of.Calls,
	}
	if e.Store.HasAside() {
		conf.MaxAside = store.AsideConns - watchdog.MostAside
	}
	return send.New(conf)
}

func (e *Engine) newSubscription() *notify.Subscription {
	return notify.New(e.Ctx, notify.Config{
		Connect: func(ctx context.Context, channel string) notify.Connection {
			return e.Store.Subscribe(ctx, channel)
		},
		KeyChannel: e.Store.KeyChannel, Broken: e.Store.RefreshTopology,
		Sink: sink{e}, Tasks: &e.Tasks, Clock: e.Clock,
	})
}

// sink takes what comes by the subscription.
type sink struct{ e *Engine }

func (s sink) Message(text string) { s.e.Queues.Message(text) }

func (s sink) Poke(name string) {
	s.e.Queues.Poke(name)
	if channel, _ := s.e.Notify.Channel(); name == "" && channel != "" {
		s.e.Dog.Announce()
	}
}

// Ask sends a request that is no session's, which ctx bounds, and Close ends. once: it is sent once.
func (e *Engine) Ask(ctx context.Context, request store.Call, once bool) (store.Reply, error) {
	ctx, done := endctx.Either(ctx, e.Ctx)
	defer done()
	ask := e.Send.Ask
	if once {
		ask = e.Send.AskOnce
	}
	r, err := ask(ctx, request)
	return r, operr.Ended(ctx, err)
}

// Settle tells Redis that its present history has been known for long enough. ctx bounds it, and Close ends
// it.
func (e *Engine) Settle(ctx context.Context) error {
	ctx, done := endctx.Either(ctx, e.Ctx)
	defer done()
	return operr.Ended(ctx, e.Store.Settle(ctx))
}

// Close ends all sessions and calls with that cause, and waits for the goroutines.
func (e *Engine) Close(cause error) {
	e.close(cause)
	e.Queues.Wake()
	e.Env.Sched.Stop()
	e.Tasks.Wait()
	e.Store.Close()
}
