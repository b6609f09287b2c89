//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/redis/rueidis"
	lock "github.com/redis/rueidis/rueidislock"

	"github.com/holdfast-go/holdfast/internal/proof"
)

// rueidislock is set up as its README advises for one Redis. It has no fences.
var rueidislock = proof.Library{Name: "rueidislock", Open: func(t proof.Target) (proof.Contender, error) {
	l, err := lock.NewLocker(lock.LockerOption{
		ClientOption: rueidis.ClientOption{
			InitAddress: t.Addrs,
			DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return t.Dial(ctx, "tcp", addr)
			},
		},
		KeyValidity: t.TTL, KeyMajority: 1, NoLoopTracking: true, TryNextAfter: time.Second,
	})
	return rueidisLocks{l}, err
}}

type rueidisLocks struct{ lock.Locker }

func (u rueidisLocks) Acquire(ctx context.Context, name string, _ int) (proof.Hold, error) {
	held, release, err := u.WithContext(ctx, name)
	if err != nil {
		return nil, err
	}
	return rueidisHold{held, release}, nil
}

// Exhaust does nothing: the library's one connection is shared by all calls.
func (u rueidisLocks) Exhaust(time.Duration) {}

type rueidisHold struct {
	ctx     context.Context
	release context.CancelFunc
}

func (h rueidisHold) Context() context.Context { return h.ctx }
func (h rueidisHold) Fence() int64             { return 0 }

func (h rueidisHold) Release() error {
	h.release()
	return nil
}
