package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// spare is a client with connections of its own, made when they are needed, for requests that had no
// answer by the client's. While those were idle, a NAT or a balancer may have cut them all off
// without a word, or all may be in use.
type spare struct {
	mu    sync.Mutex
	to    *redis.Client
	using int // requests under way
	idle  *time.Timer
}

const (
	// AsideConns is how many connections [Store.Aside] has. A request more waits for one.
	AsideConns = 8
	// spareFresh is how long a connection may have been idle to be used again.
	spareFresh = 100 * time.Millisecond
	// spareIdle is how long the client is kept after its last use.
	spareIdle = 10 * time.Second
)

// HasAside reports whether [Store.Aside] has connections of its own: if the client is one of
// go-redis itself, for one server. A copy of a Cluster's client would lose its hooks, which may
// change what is sent.
func (s *Store) HasAside() bool { return s.single != nil }

// Aside returns a Backend with connections other than the client's, but with the client's hooks.
// Where [Store.HasAside] is false, it is the Store itself.
func (s *Store) Aside() Backend {
	if s.single == nil {
		return s
	}
	return aside{s}
}

type aside struct{ s *Store }

func (a aside) Do(ctx context.Context, calls ...*Call) {
	via := a.s.spare.use(a.s.single)
	defer a.s.spare.done()
	a.s.do(ctx, via, calls, int(a.s.maxLocks.Load()))
}

func (a aside) Touch(ctx context.Context, touches []Touch) {
	via := a.s.spare.use(a.s.single)
	defer a.s.spare.done()
	a.s.touch(ctx, via, touches, int(a.s.maxLocks.Load()))
}

func (a aside) Server(name string) string { return a.s.Server(name) }

// use returns what a request is sent by, like client but for the connections, until done.
func (p *spare) use(client *redis.Client) sender {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil {
		p.to = redis.NewClient(spareOptions(client.Options()))
	}
	p.using++
	return hooked(client, p.to)
}

func (p *spare) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.using--; p.using > 0 {
		return
	}
	if p.idle == nil {
		p.idle = time.AfterFunc(spareIdle, p.close)
	} else {
		p.idle.Reset(spareIdle)
	}
}

// close closes the connections if no request uses them.
func (p *spare) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.using == 0 && p.to != nil {
		_ = p.to.Close()
		p.to = nil
	}
}

// spareOptions are a client's options, for a client that has few connections.
func spareOptions(o *redis.Options) *redis.Options {
	c := *o
	c.PoolSize, c.MaxConcurrentDials, c.PipelinePoolSize = AsideConns, AsideConns, AsideConns
	c.MinIdleConns, c.MaxIdleConns, c.MaxActiveConns = 0, 0, 0
	c.ConnMaxIdleTime = spareFresh
	c.PoolFIFO = false
	c.DialerRetries = 1 // the caller tries again
	c.MaxRetries = -1
	// What would start goroutines or connections of its own.
	c.AutoPipelineOptions = nil
	c.ClientSideCacheConfig, c.ClientSideCache = nil, nil
	c.ClientSideCacheInvalidationBatchWindow = 0
	c.PushNotificationProcessor = nil
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &c
}
