// Package notify keeps one subscription, on which Redis's scripts say that a waiter was granted its
// lock, or that others wait for one of ours, and on which a server that is configured to do so says
// that a stranger's key is gone. Messages get lost; so nothing depends on them but how soon things
// happen.
//
// # Epochs
//
// The epoch counts the changes of the subscription: it is odd while the subscription works. What was
// learned in an earlier epoch may have missed a message.
//
// # Mutex and goroutines
//
// Subscription.mu guards the connection and the keys that are watched. It is never held during I/O
// or while the Sink is called, so the mutexes of those above may be held when one of the methods is
// called.
//
// Start starts one goroutine, which connects, reads, and connects again until the context ends; the
// Sink is called by it alone. While there are keys to be watched or not to be watched any more, a
// goroutine for each connection writes that. One more closes a connection on which nobody is heard.
// The task group that the Subscription is given joins them all.
package notify

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Sink is told what comes.
type Sink interface {
	// Message is what a script said on our channel.
	Message(text string)
	// Poke: there is a reason to ask Redis at once about the lock of that name; about every lock if
	// the name is empty, since the subscription has begun to work, or has ended.
	Poke(name string)
}

// Config is what a Subscription works with.
type Config struct {
	// Connect listens to a channel.
	Connect func(ctx context.Context, channel string) Connection
	// KeyChannel is where the server says what happens to a lock's key; empty if it does not.
	KeyChannel func(name string) string
	// Broken is called when the subscription has ended.
	Broken func()
	Sink   Sink
	Tasks  *task.Group
	Clock  *clock.Clock
}

// Connection is a [redis.PubSub], or what stands in for one in tests.
type Connection interface {
	Subscribe(ctx context.Context, channels ...string) error
	Unsubscribe(ctx context.Context, channels ...string) error
	Ping(ctx context.Context, payload ...string) error
	ReceiveTimeout(ctx context.Context, d time.Duration) (any, error)
	Close() error
}

// Subscription is safe for concurrent use.
type Subscription struct {
	conf  Config
	ctx   context.Context
	own   string // our channel
	start func()
	count atomic.Uint64 // the epoch

	quiet time.Duration // of the goroutine that reads: see maxSilence

	mu     sync.Mutex
	conn   *connection
	keys   map[string]*watchedKey // by their channels
	again  time.Duration          // when a connection may be replaced because nobody hears us
	missed atomic.Int32           // how often one was, without help; written with mu held
}

// How long the subscription may be silent before it is asked, and until it has answered. A proxy
// in between may cut it off earlier: then it is asked after three quarters of the time that it was
// silent before that, but no more often than every minSilence.
const (
	maxSilence = 3 * time.Second
	minSilence = 500 * time.Millisecond
)

// How long to wait before the next connection: longer each time, until one has lived for longLived.
const (
	leastWait = 100 * time.Millisecond
	mostWait  = 5 * time.Second
	longLived = time.Second
)

// How long to wait before a connection on which nobody hears us is replaced once more: longer each
// time, until that has helped.
const (
	leastReplace = time.Second
	mostReplace  = 30 * time.Second
)

// noReconnect is a context that has ended. go-redis does not look at it while it has a connection,
// and does not connect again by itself when that has failed.
var noReconnect = store.Ended

// New makes a Subscription that lasts until ctx ends, from Start on.
func New(ctx context.Context, conf Config) *Subscription {
	s := &Subscription{
		conf: conf, ctx: ctx, own: store.Channel(uuid.NewString()),
		quiet: maxSilence, keys: make(map[string]*watchedKey),
	}
	s.start = sync.OnceFunc(func() { conf.Tasks.Go(s.run) })
	return s
}

// Start connects, in the background, unless that was done before.
func (s *Subscription) Start() { s.start() }

// Epoch returns the epoch.
func (s *Subscription) Epoch() uint64 { return s.count.Load() }

// working reports whether the subscription worked in that epoch.
func working(epoch uint64) bool { return epoch%2 == 1 }

// Channel returns our channel, empty if the subscription does not work, and the epoch.
func (s *Subscription) Channel() (string, uint64) {
	epoch := s.Epoch()
	if working(epoch) {
		return s.own, epoch
	}
	return "", epoch
}

// run reads from one connection after the other.
func (s *Subscription) run() {
	pauses := backoff.Pauses{Least: leastWait, Most: mostWait}
	for {
		began := s.conf.Clock.Now()
		s.listen()
		if s.ctx.Err() == nil {
			s.conf.Broken()
		}
		if s.conf.Clock.Now()-began > longLived {
			pauses.Reset()
		}
		if !pauses.Sleep(s.ctx) {
			return
		}
	}
}

// listen connects and takes messages until the connection fails or says nothing.
func (s *Subscription) listen() {
	c := s.connect()
	// Reading does not look at the context. Closing waits for a connection that is being made, so it
	// is not done before.
	stop := context.AfterFunc(s.ctx, func() { _ = c.Close() })
	defer func() {
		s.mu.Lock()
		s.conn = nil
		s.mu.Unlock()
		if stop() {
			_ = c.Close()
		}
		if working(s.Epoch()) {
			s.count.Add(1)
			s.conf.Sink.Poke("") // to ask as those do who are not told
		}
	}()
	s.receive(c)
}

// receive takes messages.
func (s *Subscription) receive(c *connection) {
	heard, patience := s.conf.Clock.Now(), s.quiet
	var silent time.Duration // before it was asked
	for s.ctx.Err() == nil {
		message, err := c.ReceiveTimeout(noReconnect, patience)
		now := s.conf.Clock.Now()
		var timeout net.Error
		switch {
		case err == nil:
			heard, patience, silent = now, s.quiet, 0
			s.take(message)
		case store.Answered(err): // we may not watch a key, for example
		case errors.As(err, &timeout) && timeout.Timeout() && silent == 0:
			if silent = now - heard; c.Ping(noReconnect) != nil {
				s.cutAfter(silent)
				return
			}
			patience = maxSilence
		default:
			if silent == 0 {
				silent = now - heard
			}
			if s.ctx.Err() == nil && working(s.Epoch()) {
				s.cutAfter(silent)
			}
			return
		}
	}
}

// cutAfter notes that the connection was cut off, with or without a word, after it had been silent
// for that long.
func (s *Subscription) cutAfter(silent time.Duration) {
	if silent >= minSilence {
		s.quiet = max(min(s.quiet, silent*3/4), minSilence)
	}
}

func (s *Subscription) take(message any) {
	switch m := message.(type) {
	case *redis.Subscription:
		if m.Kind == "subscribe" && m.Channel == s.own {
			s.count.Add(1 + s.count.Load()%2)
			s.conf.Sink.Poke("")
		}
	case *redis.Message:
		if m.Channel == s.own {
			s.conf.Sink.Message(m.Payload)
			return
		}
		if name := s.watched(m.Channel); name != "" && (m.Payload == "del" || m.Payload == "expired" || m.Payload == "evicted") {
			s.conf.Sink.Poke(name)
		}
	}
}

// Report is what an answer of Redis said of the subscription. The zero Report says nothing.
type Report struct {
	Epoch uint64 // when the request was sent
	Known bool   // the answer says whether the lock's server knows somebody who listens to our channel
	Heard bool   // it does
}

// Report takes what an answer said. Where we seem to listen, but the lock's server knows nobody on
// our channel, the connection is replaced: it may lead to a server that has become a replica, or to
// none.
func (s *Subscription) Report(r Report) {
	if !r.Known || r.Heard && s.missed.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Epoch != s.Epoch() || s.conn == nil {
		return
	}
	if r.Heard {
		s.missed.Store(0)
		return
	}
	if now := s.conf.Clock.Now(); now >= s.again {
		s.again = now + backoff.After(int(s.missed.Load()), leastReplace, mostReplace)
		s.missed.Add(1)
		c := s.conn
		s.conf.Tasks.Go(func() { _ = c.Close() }) // which waits for a write
	}
}
