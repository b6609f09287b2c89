package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bsm/redislock"
	gocronlock "github.com/go-co-op/gocron-redis-lock/v2"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

// goPeer is a lock library of Go in a worker's process: see order. It has one lock at a time.
type goPeer interface {
	acquire(ctx context.Context, o order) (bool, error)
	extend(ctx context.Context, o order) (bool, error)
	release(ctx context.Context) (bool, error)
	token() (string, error)
	adopt(o order) error
}

// errUnsupported: the library has no such call.
var errUnsupported = errors.New("the library has no such call")

// goPeers makes them, by the name of the library. Each works on a client with its defaults.
var goPeers = map[string]func(addr string) (goPeer, error){
	"redsync": func(addr string) (goPeer, error) {
		return &peerRedsync{locks: redsync.New(goredis.NewPool(goRedis(addr)))}, nil
	},
	"redislock":     func(addr string) (goPeer, error) { return &peerRedislock{locks: redislock.New(goRedis(addr))}, nil },
	"rueidislock":   func(addr string) (goPeer, error) { return &peerRueidislock{addr: addr}, nil },
	"rueidislock-1": func(addr string) (goPeer, error) { return &peerRueidislock{addr: addr, majority: 1}, nil },
	"gocron":        func(addr string) (goPeer, error) { return &peerGocron{client: goRedis(addr)}, nil },
}

func goRedis(addr string) *redis.Client { return redis.NewClient(&redis.Options{Addr: addr}) }

// tries is redsync's way to say for how long to wait: until ctx ends, or once.
func tries(o order) (opts []redsync.Option) {
	if o.Wait > 0 {
		opts = append(opts, redsync.WithTries(math.MaxInt))
	} else {
		opts = append(opts, redsync.WithTries(1))
	}
	if o.TTL > 0 {
		opts = append(opts, redsync.WithExpiry(o.ttl()))
	}
	return opts
}

// peerRedsync uses redsync with one pool.
type peerRedsync struct {
	locks *redsync.Redsync
	mu    *redsync.Mutex
}

func (p *peerRedsync) acquire(ctx context.Context, o order) (bool, error) {
	p.mu = p.locks.NewMutex(o.Key, tries(o)...)
	err := p.mu.LockContext(ctx)
	return err == nil, err
}

// extend can't set another time than WithExpiry's.
func (p *peerRedsync) extend(ctx context.Context, _ order) (bool, error) {
	return p.mu.ExtendContext(ctx)
}
func (p *peerRedsync) release(ctx context.Context) (bool, error) { return p.mu.UnlockContext(ctx) }
func (p *peerRedsync) token() (string, error)                    { return p.mu.Value(), nil }

func (p *peerRedsync) adopt(o order) error {
	p.mu = p.locks.NewMutex(o.Key, redsync.WithExpiry(o.ttl()), redsync.WithValue(string(o.Token)))
	return nil
}

// peerRedislock waits as its README does.
type peerRedislock struct {
	locks *redislock.Client
	lock  *redislock.Lock
}

func (p *peerRedislock) acquire(ctx context.Context, o order) (ok bool, err error) {
	if o.TTL == 0 {
		return false, errUnsupported // the TTL is an argument
	}
	var opts *redislock.Options
	if o.Wait > 0 {
		opts = &redislock.Options{RetryStrategy: redislock.LinearBackoff(100 * time.Millisecond)}
	}
	p.lock, err = p.locks.Obtain(ctx, o.Key, o.ttl(), opts)
	return err == nil, err
}

func (p *peerRedislock) extend(ctx context.Context, o order) (bool, error) {
	err := p.lock.Refresh(ctx, o.ttl(), nil)
	return err == nil, err
}

func (p *peerRedislock) release(ctx context.Context) (bool, error) {
	err := p.lock.Release(ctx)
	return err == nil, err
}

func (p *peerRedislock) token() (string, error) { return p.lock.Token(), nil }

// adopt: a token that holds the lock obtains it again.
func (p *peerRedislock) adopt(o order) (err error) {
	p.lock, err = p.locks.Obtain(context.Background(), o.Key, o.ttl(), &redislock.Options{Token: string(o.Token)})
	return err
}

// peerRueidislock has a Locker for each TTL, since that is where it is set.
type peerRueidislock struct {
	addr     string
	majority int32
	ttl      time.Duration
	locker   rueidislock.Locker
	held     context.Context
	cancel   context.CancelFunc
}

func (p *peerRueidislock) open(ttl time.Duration) (err error) {
	if p.locker != nil && p.ttl == ttl {
		return nil
	}
	if p.locker != nil {
		p.locker.Close()
	}
	p.ttl = ttl
	p.locker, err = rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{p.addr}}, KeyValidity: ttl, KeyMajority: p.majority,
		NoLoopTracking: p.majority == 1, // as its README advises for one Redis from 7.0.5 on
	})
	return err
}

func (p *peerRueidislock) acquire(ctx context.Context, o order) (bool, error) {
	if err := p.open(o.ttl()); err != nil {
		return false, err
	}
	// A context that is given bounds the hold, too, so that of the wait is cancelled only while it waits.
	held, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	take := p.locker.TryWithContext
	if o.Wait > 0 {
		take = p.locker.WithContext
	}
	var err error
	p.held, p.cancel, err = take(held, o.Key)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
	}
	return err == nil, err
}

// extend: it renews by itself.
func (p *peerRueidislock) extend(context.Context, order) (bool, error) { return false, errUnsupported }

// release: its cancel reports nothing, and returns before the keys are deleted.
func (p *peerRueidislock) release(context.Context) (bool, error) {
	p.cancel()
	return true, nil
}

func (p *peerRueidislock) token() (string, error) { return "", errUnsupported }
func (p *peerRueidislock) adopt(order) error      { return errUnsupported }

// peerGocron is the locker that gocron's schedulers use, called as they do.
type peerGocron struct {
	client *redis.Client
	lock   interface{ Unlock(context.Context) error }
}

func (p *peerGocron) acquire(ctx context.Context, o order) (bool, error) {
	locker, err := gocronlock.NewRedisLocker(p.client, tries(o)...)
	if err != nil {
		return false, err
	}
	p.lock, err = locker.Lock(ctx, o.Key)
	return err == nil, err
}

func (p *peerGocron) extend(context.Context, order) (bool, error) { return false, errUnsupported }

func (p *peerGocron) release(ctx context.Context) (bool, error) {
	err := p.lock.Unlock(ctx)
	return err == nil, err
}

func (p *peerGocron) token() (string, error) { return "", errUnsupported }
func (p *peerGocron) adopt(order) error      { return errUnsupported }

// errorName is how an answer names an error: by the library's own error if it is one.
func errorName(err error) string {
	for name, known := range map[string]error{
		"ErrNotObtained": redislock.ErrNotObtained, "ErrLockNotHeld": redislock.ErrLockNotHeld, "ErrNotLocked": rueidislock.ErrNotLocked,
		"ErrFailed": redsync.ErrFailed, "ErrExtendFailed": redsync.ErrExtendFailed, "ErrLockAlreadyExpired": redsync.ErrLockAlreadyExpired,
		"ErrFailedToObtainLock": gocronlock.ErrFailedToObtainLock, "ErrFailedToReleaseLock": gocronlock.ErrFailedToReleaseLock,
		unsupported: errUnsupported, "DeadlineExceeded": context.DeadlineExceeded, "Canceled": context.Canceled,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	if taken := new(redsync.ErrTaken); errors.As(err, &taken) {
		return "ErrTaken"
	}
	return fmt.Sprintf("%T", err)
}
