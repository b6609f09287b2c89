package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// trial finds out one thing about a library. It returns what it found, in words that expect has, or an error if
// something is wrong that no library may do, or that can't be explained.
type trial struct {
	name  string
	about string
	run   func(ctx context.Context, b *beside) (string, error)
}

// trials are done in this order, each on an empty server.
var trials = []trial{
	{"key", "the keys in Redis while the library holds the lock `job` with a TTL of 12 s", whatKey},
	{"default", "the TTL of a lock that is taken without giving one", defaultTTL},
	{"refused", "what the library says of a lock that Holdfast holds; Holdfast refuses one that the library holds", refused},
	{"extend", "what extending to 3 s makes of a TTL of 20 s", extended},
	{"stale extend", "what the library says when it extends a lock that Holdfast has by now; nothing changes for Holdfast", staleExtend},
	{"stale release", "what the library says when it releases a lock that Holdfast has by now; nothing changes for Holdfast", staleRelease},
	{"forced", "an operator takes the lock from the library, by `ForceReleaseStranger`; what its release says then", forced},
	{"token to it", "a lock that a session has detached is extended and released by the library", tokenTo},
	{"token from it", "a lock that the library holds is resumed, and released by Holdfast", tokenFrom},
}

// beside is what the trials of one library run with: a server and a Locker, and workers.
type beside struct {
	lib     *library
	client  *redis.Client
	locks   *holdfast.Locker
	workers [2]*worker
}

// w is the worker of the trials that need only one.
func (b *beside) w() *worker { return b.workers[0] }

func (b *beside) mutex(opts ...holdfast.Option) *holdfast.Mutex {
	return b.locks.Mutex(b.lib.holdfastKey(), opts...)
}

// hold waits for what Holdfast has to take beside the library.
func (b *beside) hold(ctx context.Context, opts ...holdfast.Option) (s *holdfast.Session, release func() error, err error) {
	opts = append(opts, holdfast.WithTTL(long))
	if b.lib.second == "" {
		s, err = b.mutex().Acquire(ctx, opts...)
		return s, func() error { return s.Release(ctx) }, err
	}
	all, err := b.locks.AcquireAll(ctx, []string{b.lib.holdfastKey(), b.lib.second}, opts...)
	if err != nil {
		return nil, nil, err
	}
	return all.Session(b.lib.holdfastKey()), func() error { return errors.Join(all.Err(), all.Release(ctx)) }, nil
}

const long = 20 * time.Second // a TTL that no trial outlives

func ms(d time.Duration) int64 { return d.Milliseconds() }

func acquire(ttl, wait time.Duration) order {
	return order{Op: "acquire", Key: name, TTL: ms(ttl), Wait: ms(wait)}
}

// keys returns the keys that are locks: not those of Holdfast's bookkeeping, nor the one by which Symfony finds out what
// the server can do.
func (b *beside) keys(ctx context.Context) (keys []string, err error) {
	all, err := b.client.Keys(ctx, "*").Result()
	for _, k := range all {
		if !strings.HasPrefix(k, "holdfast:") && !strings.HasPrefix(k, "symfony_check_") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys, err
}

// state is what is at the key, and for how long.
func (b *beside) state(ctx context.Context, key string) (text string, ttl time.Duration, err error) {
	text, err = b.client.Type(ctx, key).Result()
	if err != nil {
		return "", 0, err
	}
	if ttl, err = b.client.PTTL(ctx, key).Result(); err != nil || text != "string" {
		return text, ttl, err
	}
	n, err := b.client.StrLen(ctx, key).Result()
	return fmt.Sprintf("string of %d", n), ttl, err
}

// seconds is a TTL to the second, as it was when it was set.
func seconds(ttl time.Duration) string {
	if ttl < 0 {
		return "none"
	}
	return (ttl + 999*time.Millisecond).Truncate(time.Second).String()
}

func whatKey(ctx context.Context, b *beside) (string, error) {
	if err := b.w().must(acquire(12*time.Second, 0)); err != nil {
		return "", err
	}
	found, err := b.described(ctx)
	// A library of several keys may take the last behind its acquisition.
	for end := time.Now().Add(time.Second); err == nil && found != b.lib.expect["key"] && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
		found, err = b.described(ctx)
	}
	return found, errors.Join(err, b.w().must(order{Op: "release"}), b.gone(ctx))
}

// described is all keys that are locks.
func (b *beside) described(ctx context.Context) (string, error) {
	keys, err := b.keys(ctx)
	var found []string
	for _, k := range keys {
		text, ttl, stateErr := b.state(ctx, k)
		err = errors.Join(err, stateErr)
		found = append(found, fmt.Sprintf("%s: %s, %s", k, text, seconds(ttl)))
	}
	return strings.Join(found, "; "), err
}

// gone waits until the library has deleted its keys: some do that behind their release.
func (b *beside) gone(ctx context.Context) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		keys, err := b.keys(ctx)
		if err != nil || len(keys) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("5 s after the release there are still %q", keys)
		}
	}
}

func defaultTTL(ctx context.Context, b *beside) (string, error) {
	a, err := b.w().do(acquire(0, 0))
	if err != nil {
		return "", err
	}
	if !a.OK {
		return a.outcome(), nil
	}
	_, ttl, err := b.state(ctx, b.lib.holdfastKey())
	return seconds(ttl), errors.Join(err, b.w().must(order{Op: "release"}))
}

// intact demands that Holdfast's session is as it was: its key, its TTL, and what it knows of itself.
func (b *beside) intact(ctx context.Context, s *holdfast.Session) error {
	value, err := b.client.Get(ctx, b.lib.holdfastKey()).Result()
	if err != nil {
		return fmt.Errorf("the key of Holdfast's session: %w", err)
	}
	if value != s.Token() {
		return errors.New("another value is at the key of Holdfast's session")
	}
	if _, ttl, err := b.state(ctx, b.lib.holdfastKey()); err != nil || ttl > long || ttl < long/2 {
		return errors.Join(err, fmt.Errorf("the TTL of Holdfast's session is %v instead of %v to %v", ttl, long/2, long))
	}
	return s.Check(ctx)
}

func refused(ctx context.Context, b *beside) (string, error) {
	s, release, err := b.hold(ctx, holdfast.WithWaitTimeout(0))
	if err != nil {
		return "", err
	}
	a, err := b.w().do(acquire(long, 0))
	if err != nil {
		return "", err
	}
	if a.OK {
		return "", errors.New("the library got a lock that Holdfast holds")
	}
	if err := errors.Join(b.intact(ctx, s), release()); err != nil {
		return "", err
	}
	if err := b.w().must(acquire(long, 5*time.Second)); err != nil {
		return "", err
	}
	if _, err := b.mutex().TryAcquire(ctx); !errors.Is(err, holdfast.ErrHeld) {
		return "", fmt.Errorf("a try of Holdfast, while the library holds the lock: %w, not ErrHeld", err)
	}
	if info, err := b.mutex().Inspect(ctx); err != nil || !info.Held || !info.Stranger {
		return "", errors.Join(err, fmt.Errorf("inspecting a lock that the library holds: held %v, by a stranger %v", info.Held, info.Stranger))
	}
	if err := b.w().must(order{Op: "release"}); err != nil {
		return "", err
	}
	if _, release, err = b.hold(ctx, holdfast.WithWaitTimeout(5*time.Second)); err != nil {
		return "", fmt.Errorf("after the library's release: %w", err)
	}
	return a.outcome(), release()
}

func extended(ctx context.Context, b *beside) (string, error) {
	if err := b.w().must(acquire(long, 0)); err != nil {
		return "", err
	}
	const by = 3 * time.Second
	a, err := b.w().do(order{Op: "extend", TTL: ms(by)})
	if err != nil {
		return "", err
	}
	found := a.outcome()
	if a.OK {
		_, ttl, err := b.state(ctx, b.lib.holdfastKey())
		switch {
		case err != nil:
			return "", err
		case ttl > long:
			found = "adds"
		case ttl > by:
			found = "its own TTL"
		default:
			found = "sets, and shortens"
		}
	}
	return found, b.w().must(order{Op: "release"})
}

// stale has the library hold a lock that expires, and Holdfast take it.
func (b *beside) stale(ctx context.Context) (s *holdfast.Session, release func() error, err error) {
	if err := b.w().must(acquire(long, 0)); err != nil {
		return nil, nil, err
	}
	keys, err := b.keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := b.client.Del(ctx, keys...).Err(); err != nil { // as if they had expired
		return nil, nil, err
	}
	return b.hold(ctx)
}

func staleExtend(ctx context.Context, b *beside) (string, error) {
	s, release, err := b.stale(ctx)
	if err != nil {
		return "", err
	}
	a, err := b.w().do(order{Op: "extend", TTL: ms(2 * long)})
	return a.outcome(), errors.Join(err, b.intact(ctx, s), release())
}

func staleRelease(ctx context.Context, b *beside) (string, error) {
	s, release, err := b.stale(ctx)
	if err != nil {
		return "", err
	}
	a, err := b.w().do(order{Op: "release"})
	return a.outcome(), errors.Join(err, b.intact(ctx, s), release())
}

func forced(ctx context.Context, b *beside) (string, error) {
	if err := b.w().must(acquire(long, 0)); err != nil {
		return "", err
	}
	if err := b.mutex().ForceReleaseStranger(ctx); err != nil {
		return "", err
	}
	if n, err := b.client.Exists(ctx, b.lib.holdfastKey()).Result(); err != nil || n != 0 {
		return "", errors.Join(err, errors.New("the key is still there"))
	}
	a, err := b.w().do(order{Op: "release"})
	return a.outcome(), errors.Join(err, b.gone(ctx))
}
