// Package store is the lock as Redis keeps it: the keys, the scripts, what a reply
// means and what an error leaves open. It knows no time, no session and no policy.
package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// Store runs the lock's scripts on a client that stays the caller's. It is safe for
// concurrent use.
type Store struct {
	client  redis.UniversalClient
	sharded bool // keys must share a slot
	ring    bool
}

// New returns a Store. It does no I/O.
func New(client redis.UniversalClient) *Store {
	s := &Store{client: client}
	switch client.(type) {
	case *redis.ClusterClient:
		s.sharded = true
	case *redis.Ring:
		s.ring = true
	}
	return s
}

// Keys returns the keys of a lock's name, or ErrReserved, ErrNotColocated or ErrRing.
func (s *Store) Keys(name string) (Keys, error) {
	if s.ring {
		return Keys{}, ErrRing
	}
	return keysOf(name, s.sharded)
}

// ID says whose a lease is.
type ID struct {
	Keys  Keys
	Token string // what NAME holds
	// Owner is the attempt, 36 characters, followed by the token if the caller gave it;
	// a token of our own making is its own attempt.
	Owner string
}

// NoExpiry as a TTL means none.
const NoExpiry = -time.Millisecond

// Acquire takes NAME if it is free: Held with a fence, Busy, or Withdrawn.
func (s *Store) Acquire(ctx context.Context, id ID, ttl time.Duration, label string) (Reply, error) {
	return s.own(ctx, scripts.Acquire, id, ttl.Milliseconds(), label)
}

// Resume takes up the lease of the ID's token: Held with a new fence, Gone, Taken, or
// Withdrawn.
func (s *Store) Resume(ctx context.Context, id ID, ttl time.Duration, label string) (Reply, error) {
	return s.own(ctx, scripts.Resume, id, ttl.Milliseconds(), label)
}

// Renew sees to it that at least ttl is left: Held with what is left, or Gone, Taken,
// Forced. A seq other than 0 makes every Extend with a smaller one void. keep is wanted
// once in some hours.
func (s *Store) Renew(ctx context.Context, id ID, ttl time.Duration, seq uint64, keep bool) (Reply, error) {
	var number any = ""
	if seq != 0 {
		number = seq
	}
	return s.own(ctx, scripts.Renew, id, ttl.Milliseconds(), number, flag(keep))
}

// Extend adds d to what is left, or replaces it: Held with what is left, or Gone,
// Taken, Forced, Stale, Persistent. The seq is larger than that of every earlier call
// for this ID; calling again with the same one does nothing more.
func (s *Store) Extend(ctx context.Context, id ID, d time.Duration, replace bool, seq uint64) (Reply, error) {
	mode := "add"
	if replace {
		mode = "set"
	}
	return s.own(ctx, scripts.Extend, id, d.Milliseconds(), mode, seq)
}

// Release deletes NAME if it is still this ID's: Held if it was, or Gone, Taken,
// Forced. With a tombstone longer than 0 a request of this attempt that arrives within
// that time does nothing.
func (s *Store) Release(ctx context.Context, id ID, tombstone time.Duration) (Reply, error) {
	return s.own(ctx, scripts.Release, id, lasting(tombstone), "1")
}

// Withdraw leaves the tombstone only.
func (s *Store) Withdraw(ctx context.Context, id ID, tombstone time.Duration) (Reply, error) {
	return s.own(ctx, scripts.Release, id, lasting(tombstone), "")
}

// Check asks whether NAME is still this ID's: Held with what is left, or Gone, Taken,
// Forced.
func (s *Store) Check(ctx context.Context, id ID) (Reply, error) {
	return s.own(ctx, scripts.Check, id)
}

// Inspect asks who holds NAME: Held by one of ours, Busy by a stranger, Gone if free.
func (s *Store) Inspect(ctx context.Context, keys Keys) (Reply, error) {
	return s.run(ctx, scripts.Inspect, keys)
}

// Force deletes NAME, whoever holds it: Held if somebody did, else Gone.
func (s *Store) Force(ctx context.Context, keys Keys) (Reply, error) {
	return s.run(ctx, scripts.Force, keys)
}

func (s *Store) own(ctx context.Context, script *scripts.Script, id ID, args ...any) (Reply, error) {
	return s.run(ctx, script, id.Keys, append([]any{id.Token, id.Owner}, args...)...)
}

// run sends one script by its hash, and whole if the server does not know it: a server
// that says so has not run it, so this is not a second run.
func (s *Store) run(ctx context.Context, script *scripts.Script, keys Keys, args ...any) (Reply, error) {
	v, err := s.send(ctx, "evalsha", script.Hash, keys, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		v, err = s.send(ctx, "eval", script.Source, keys, args)
	}
	if err != nil {
		return Reply{}, redact(err, args)
	}
	return decode(v)
}

func (s *Store) send(ctx context.Context, verb, script string, keys Keys, args []any) (any, error) {
	line := append(make([]any, 0, 5+len(args)), verb, script, 2, keys.Name, keys.Aux)
	cmd := redis.NewCmd(ctx, append(line, args...)...)
	cmd.SetFirstKeyPos(3)
	if err := s.client.Process(ctx, once{cmd}); err != nil {
		return nil, err
	}
	return cmd.Val(), nil
}

// once keeps go-redis from sending a command again by itself. It would do so behind the
// back of whoever counts a lease from the moment of sending, and after its time-out;
// whether and when to try again is decided above this package.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func lasting(d time.Duration) any {
	if d <= 0 {
		return ""
	}
	return d.Milliseconds()
}
