// Package store is a lock as Redis keeps it: the keys, the scripts, what a reply means, and whether
// a request that failed may have run. It knows no session and no policy.
//
//   - calls.go makes a [Call], which says what a script is to do for one lock; lock.go, keys.go: for
//     which lock, on whose behalf. reply.go, errors.go, verdict.go and timeout.go read what comes back.
//   - batch.go sends calls that go together in one round trip, touch.go renewals, inline.go a lone
//     call with a short time-out; all by send.go and load.go. spare.go has connections beside the
//     client's.
//   - topology.go knows which server has a lock.
//   - grace.go asks a Guard in which replication history a lock may be given, and tells it the answers.
//   - scan.go and replicas.go are for what is not a script.
package store

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/grace"
)

// Backend is what senders of requests and of renewals need. A [Store] is one; several servers that
// decide by majority could be another. It promises no hand-off, because one server alone tells a
// waiter that it has the lock.
type Backend interface {
	// Do makes the calls and writes the reply or the error into each.
	Do(ctx context.Context, calls ...*Call)
	// Touch renews leases and writes what is left, or the error, into each.
	Touch(ctx context.Context, touches []Touch)
	// Server names the server that has a lock's keys; empty if there is only one, or it is not
	// known. Requests to the same server can go together.
	Server(name string) string
}

var _ Backend = (*Store)(nil)

// Store runs the scripts on a client, which stays the caller's. It is safe for concurrent use.
type Store struct {
	Calls
	client     redis.UniversalClient
	single     *redis.Client // the client, if it is of a single server, or of one behind Sentinel
	unfit      error         // why no lock can be on this client, if so
	pool       int           // connections to a server; 0: not known
	maxLocks   atomic.Int32  // how many locks one call of a script may be for
	unloadable atomic.Bool   // SCRIPT LOAD was refused
	inline     inline
	guard      *grace.Guard
	looking    chan struct{} // has room for one: who looks at the stamp
	spare      spare
	topology   topology
	// keyspace is the prefix of the channels of keyspace notifications. Empty in a Cluster, where
	// each node has its own.
	keyspace string
}

// scriptLocks is the most locks that one call of a script is for: it must not block Redis for long.
const scriptLocks = 256

// New returns a Store. It does no I/O.
func New(client redis.UniversalClient) *Store {
	s := &Store{client: client, unfit: unfit(client)}
	s.maxLocks.Store(1)
	if s.unfit != nil {
		return s
	}
	switch c := client.(type) {
	case *redis.Client:
		s.single, s.pool = c, c.Options().PoolSize
		s.maxLocks.Store(scriptLocks)
		s.flags = "s"
		s.keyspace = fmt.Sprintf("__keyspace@%d__:", c.Options().DB)
	case *redis.ClusterClient:
		s.topology.cluster, s.pool = c, c.Options().PoolSize
	}
	s.releasing = []any{s.flags + "d"}
	return s
}

// Guard has the guard decide in which replication history a lock may be given. It is called before the
// Store is used, and returns the guard.
func (s *Store) Guard(guard *grace.Guard) *grace.Guard {
	s.guard, s.looking = guard, make(chan struct{}, 1)
	return guard
}

// Close closes the store's own connections, ends its goroutines and waits for them: for the client's
// time-outs at most, if one is in a request. The store can still be used.
func (s *Store) Close() {
	s.topology.close()
	s.spare.close()
}

// Connections is how many connections the client has to a server at most; 0 if that is not known.
func (s *Store) Connections() int { return s.pool }

// Validate returns nil for a name that a lock can have; else what is wrong with its length, or
// ErrReserved, ErrNotColocated, ErrRing or ErrNilClient.
func (s *Store) Validate(name string) error {
	if err := validateLen(name); err != nil {
		return err
	}
	if s.unfit != nil {
		return s.unfit
	}
	return validate(name, s.Sharded())
}

// Channel returns the Pub/Sub channel of the Locker with that id.
func Channel(id string) string { return prefix + version + ":w:" + id }

// IsChannel reports whether a text can be the channel of a Locker.
func IsChannel(text string) bool { return strings.HasPrefix(text, Channel("")) }

// Tell sends a message to the Locker that listens to a channel. Nothing depends on it.
func (s *Store) Tell(ctx context.Context, channel, message string) {
	_ = s.client.Process(ctx, noRetry{redis.NewCmd(ctx, "publish", channel, message)})
}

// Subscribe subscribes to a channel. The PubSub is the caller's to close.
func (s *Store) Subscribe(ctx context.Context, channel string) *redis.PubSub {
	return s.client.Subscribe(ctx, channel)
}

// KeyChannel returns the channel on which the server, if it is configured to, tells what happens to
// NAME; empty if there is no such channel.
func (s *Store) KeyChannel(name string) string {
	if s.keyspace == "" {
		return ""
	}
	return s.keyspace + name
}
