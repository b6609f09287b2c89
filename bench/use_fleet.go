package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// usesFleet is many Lockers in one process, as many processes would have them. They take turns: each
// lock is the next one's. They count what they send.
type usesFleet struct {
	clients                []redis.UniversalClient
	lockers                []*holdfast.Locker
	turn                   atomic.Int64
	renewals, renewalTrips atomic.Int64
	calls, callTrips       atomic.Int64
}

// poolSize is how many connections a client has at most that several Lockers share. With fewer than its Lockers ask at
// once, one that breaks would hold all of them up.
const poolSize = 10

// openFleet makes the Lockers, and has each take a lock, so that its subscription is made.
func openFleet(s setup) (contender, error) {
	u := new(usesFleet)
	opts := []holdfast.Option{holdfast.WithTTL(s.TTL), holdfast.WithLogger(nil), holdfast.WithObserver(&holdfast.Observer{Sent: u.sent})}
	for i := range s.Lockers {
		switch {
		case s.Share > 0 && i%s.Share == 0:
			u.clients = append(u.clients, redis.NewClient(&redis.Options{Addr: s.Addr, PoolSize: poolSize}))
		case s.Share == 0 && i == 0 && s.Cluster:
			u.clients = append(u.clients, redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.Addr}}))
		case s.Share == 0 && i == 0:
			u.clients = append(u.clients, goRedis(s.Addr))
		}
		u.lockers = append(u.lockers, holdfast.New(u.clients[len(u.clients)-1], opts...))
	}
	const callers = 64
	errs := make([]error, callers)
	var running sync.WaitGroup
	for g := range callers {
		running.Go(func() {
			for i := g; i < len(u.lockers) && errs[g] == nil; i += callers {
				errs[g] = once(u.lockers[i], fmt.Sprint("bench:locker:", i))
			}
		})
	}
	running.Wait()
	return u, errors.Join(errs...)
}

// once takes a lock and gives it back.
func once(l *holdfast.Locker, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := l.Mutex(name).Acquire(ctx)
	if err != nil {
		return err
	}
	return s.Release(ctx)
}

func (u *usesFleet) sent(what holdfast.Traffic, locks int, _ time.Duration) {
	if what == holdfast.Renewals {
		u.renewals.Add(int64(locks))
		u.renewalTrips.Add(1)
		return
	}
	u.calls.Add(int64(locks))
	u.callTrips.Add(1)
}

func (u *usesFleet) counted() sent {
	return sent{
		Renewals: float64(u.renewals.Load()), RenewalTrips: float64(u.renewalTrips.Load()),
		Calls: float64(u.calls.Load()), CallTrips: float64(u.callTrips.Load()),
	}
}

func (u *usesFleet) lock(name string) acquirer {
	i := int(u.turn.Add(1)-1) % len(u.lockers)
	return (&usesHoldfast{locks: u.lockers[i]}).lock(name)
}

func (u *usesFleet) close() {
	for _, l := range u.lockers {
		_ = l.Close()
	}
	for _, c := range u.clients {
		_ = c.Close()
	}
}
