package holdfast

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/store"
)

// hints is the Locker's one subscription, on which Redis's scripts tell it that a waiter
// was granted its lock, or that others wait for one of ours. Messages get lost; so nothing
// depends on them but how soon things happen.
type hints struct {
	l     *Locker
	own   string // our channel
	start func() // of the goroutine that listens, once

	// count is odd while the subscription is known to work, and grows with every change:
	// what was known in an earlier epoch may have missed a message.
	count atomic.Uint64

	mu   sync.Mutex
	sub  *redis.PubSub
	anew time.Duration       // when it may be made anew because nobody hears us: see unheard
	keys map[string]*watched // by the channel of their keyspace notifications
}

// How long the subscription may be silent before it is asked, and until it has answered;
// and how long to wait before it is made anew.
const (
	silence   = 3 * time.Second
	resubWait = 100 * time.Millisecond
	resubMost = 5 * time.Second
	// anewEach is how often it is made anew for want of being heard, at most.
	anewEach = 30 * time.Second
)

func newHints(l *Locker) *hints {
	h := &hints{l: l, own: store.Channel(uuid.NewString()), keys: make(map[string]*watched)}
	h.start = sync.OnceFunc(func() { l.spawn(h.run) })
	return h
}

// epoch returns the subscription's epoch.
func (h *hints) epoch() uint64 { return h.count.Load() }

// listening reports whether the subscription worked in that epoch.
func listening(epoch uint64) bool { return epoch%2 == 1 }

// channel returns where we listen, empty if we don't, and the epoch.
func (h *hints) channel() (string, uint64) {
	epoch := h.epoch()
	if listening(epoch) {
		return h.own, epoch
	}
	return "", epoch
}

// run listens until the Locker is closed.
func (h *hints) run() {
	ctx := h.l.ctx
	for wait := resubWait; ; wait = min(2*wait, resubMost) {
		began := h.l.clock.Now()
		h.listen(ctx)
		if ctx.Err() == nil {
			h.l.store.Doubt()
		}
		if h.l.clock.Now()-began > resubMost {
			wait = resubWait
		}
		select {
		case <-time.After(jitter(wait)):
		case <-ctx.Done():
			return
		}
	}
}

// listen subscribes and takes messages until the connection fails or says nothing.
func (h *hints) listen(ctx context.Context) {
	sub := h.subscribe(ctx)
	// It ignores ctx while it reads. Not before it has connected, for which it holds a lock.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer func() {
		h.mu.Lock()
		h.sub = nil
		h.mu.Unlock()
		if stop() {
			_ = sub.Close()
		}
		if listening(h.epoch()) {
			h.count.Add(1)
			h.l.lines.poke("") // to ask as those do who don't listen
		}
	}()
	asked := false
	for ctx.Err() == nil {
		message, err := sub.ReceiveTimeout(noReconnect, silence)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
			h.take(message)
		case store.Answered(err): // no right to watch a key, say
		case errors.As(err, &timeout) && timeout.Timeout() && !asked:
			if sub.Ping(noReconnect) != nil {
				return
			}
			asked = true
		default:
			return
		}
	}
}

// noReconnect is a done context: go-redis does not look at it while there is a
// connection, and does not make another behind our back when that has failed.
var noReconnect = store.Done

// subscribe connects and asks for our own channel, and for those of the keys.
func (h *hints) subscribe(ctx context.Context) *redis.PubSub {
	sub := h.l.store.Subscribe(ctx, h.own)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sub = sub
	for channel := range h.keys {
		_ = sub.Subscribe(noReconnect, channel)
	}
	return sub
}

// unheard is told that the server that has a lock knows of nobody on our channel, where we
// seem to listen: at one that is its replica since a failover, say.
func (h *hints) unheard(epoch uint64) {
	if !h.mu.TryLock() {
		return // the lines' mu is held: there is no time to wait for a write
	}
	defer h.mu.Unlock()
	if now := h.l.clock.Now(); h.sub != nil && epoch == h.epoch() && now >= h.anew {
		h.anew = now + anewEach
		sub := h.sub
		h.l.spawn(func() { _ = sub.Close() })
	}
}

// watched is a key that a stranger holds, and how many calls wait for it.
type watched struct {
	name  string
	calls int
}

// watch listens to what happens to a key: a stranger tells nobody of its release, but a
// server that sends keyspace notifications does.
func (h *hints) watch(name string) {
	channel := h.l.store.KeyChannel(name)
	if channel == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.keys[channel]
	if w == nil {
		w = &watched{name: name}
		h.keys[channel] = w
		if h.sub != nil {
			_ = h.sub.Subscribe(noReconnect, channel)
		}
	}
	w.calls++
}

// unwatch ends a watch.
func (h *hints) unwatch(name string) {
	channel := h.l.store.KeyChannel(name)
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.keys[channel]
	if w == nil {
		return
	}
	if w.calls--; w.calls == 0 {
		delete(h.keys, channel)
		if h.sub != nil {
			_ = h.sub.Unsubscribe(noReconnect, channel)
		}
	}
}

func (h *hints) take(message any) {
	switch m := message.(type) {
	case *redis.Subscription:
		if m.Kind == "subscribe" && m.Channel == h.own {
			h.count.Add(1 + h.count.Load()%2)
			h.l.lines.poke("")
		}
	case *redis.Message:
		if m.Channel == h.own {
			h.l.lines.message(m.Payload)
			return
		}
		h.mu.Lock()
		w := h.keys[m.Channel]
		h.mu.Unlock()
		if w != nil && (m.Payload == "del" || m.Payload == "expired" || m.Payload == "evicted") {
			h.l.lines.poke(w.name)
		}
	}
}
