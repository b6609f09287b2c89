package proof

import (
	"context"
	"hash/crc32"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Holdfast is the library of this module with its defaults but for the TTL;
// HoldfastReplicas, where an acquisition counts only when one replica has it.
var (
	Holdfast         = Library{Name: "holdfast", Fences: true, Permits: true, Graced: true, Open: func(t Target) (Contender, error) { return openHoldfast(t) }}
	HoldfastReplicas = Library{Name: "holdfast-replicas", Fences: true, Permits: true, Graced: true, Open: func(t Target) (Contender, error) {
		return openHoldfast(t, holdfast.WithReplicas(1, t.TTL/4))
	}}
)

type usesHoldfast struct {
	client redis.UniversalClient
	pool   int
	locks  *holdfast.Locker
	ttl    time.Duration
}

func openHoldfast(t Target, opts ...holdfast.Option) (Contender, error) {
	// Hundreds of clients, whose connections all go by way of the director's proxies, must not use
	// up its files.
	const pool, idle = 10, 3
	var client redis.UniversalClient
	switch dial := t.Dial; t.Kind {
	case "sentinel":
		client = redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: redistest.MasterName, SentinelAddrs: t.Addrs, Dialer: dial, PoolSize: pool, MaxIdleConns: idle,
		})
	case "cluster":
		client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: t.Addrs, Dialer: dial, PoolSize: pool, MaxIdleConns: idle})
	default:
		client = redis.NewClient(&redis.Options{Addr: t.Addrs[0], Dialer: dial, PoolSize: pool, MaxIdleConns: idle})
	}
	opts = append(opts, holdfast.WithTTL(t.TTL), holdfast.WithLogger(nil))
	if t.Grace > 0 {
		opts = append(opts, holdfast.WithFailoverGrace(t.Grace))
	}
	return &usesHoldfast{client, pool, holdfast.New(client, opts...), t.TTL}, nil
}

// settle says that the deployment's history is old enough, so that the first round begins at once.
func settle(t Target) error {
	c, err := openHoldfast(t)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.(*usesHoldfast).locks.SettleHistory(context.Background())
}

// Dial connects to an address by way of its proxy.
func (t Target) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if by, ok := t.Route[addr]; ok {
		addr = by
	}
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
}

func (u *usesHoldfast) Acquire(ctx context.Context, name string, permits int) (Hold, error) {
	s, err := u.acquire(ctx, name, permits)
	if err != nil {
		return nil, err
	}
	return session{s}, nil
}

func (u *usesHoldfast) acquire(ctx context.Context, name string, permits int) (*holdfast.Session, error) {
	switch limit := LimitOf(name); {
	case limit == 1:
		return u.locks.Mutex(name, u.options(name)...).Acquire(ctx)
	case limit < holdfast.MaxPermits:
		return u.locks.Semaphore(name, limit).Acquire(ctx, holdfast.WithWeight(permits))
	case permits == limit:
		return u.locks.RWMutex(name).Acquire(ctx)
	default:
		return u.locks.RWMutex(name).RAcquire(ctx)
	}
}

// options are those of a mutex: the leases of each fifth rest.
func (u *usesHoldfast) options(name string) []holdfast.Option {
	if crc32.ChecksumIEEE([]byte(name))%5 != 0 {
		return nil
	}
	return []holdfast.Option{holdfast.WithLinger(u.ttl)}
}

// Exhaust blocks each connection of the pool in a command that waits.
func (u *usesHoldfast) Exhaust(d time.Duration) {
	var all sync.WaitGroup
	for range u.pool {
		all.Go(func() { u.client.BLPop(context.Background(), d, "proof:empty") })
	}
	all.Wait()
}

func (u *usesHoldfast) Close() {
	_ = u.locks.Close()
	_ = u.client.Close()
}

type session struct{ *holdfast.Session }

func (s session) Release() error { return s.Session.Release(context.Background()) }
