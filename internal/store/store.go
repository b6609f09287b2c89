// Package store is the lock as Redis keeps it: the keys, the scripts, what a reply
// means and what an error leaves open. It knows no time, no session and no policy.
package store

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// Store runs the lock's scripts on a client that stays the caller's. It is safe for
// concurrent use.
type Store struct {
	client    redis.UniversalClient
	single    *redis.Client // the client of a single server, or of one behind Sentinel
	sharded   bool          // keys must share a slot
	ring      bool
	chunk     atomic.Int32              // how many locks a script may be called for
	doubted   atomic.Pointer[time.Time] // when the last doubt was followed: see Doubt
	doubts    atomic.Int32              // that have no answer yet
	pool      int
	acquiring atomic.Pointer[acquiring]
	haste     haste
	releasing []any // the arguments of most releases
	// flags go with every script that may grant the lock: "s" if the server that runs it
	// knows everybody who listens to a channel. A node of a Cluster does not.
	flags string
	// keyspace is the prefix of the channels of keyspace notifications, which in a Cluster
	// are each node's own: empty there.
	keyspace string
}

// chunkMost is for how many locks a script is called at most: it must not block Redis for
// long.
const chunkMost = 256

// New returns a Store. It does no I/O.
func New(client redis.UniversalClient) *Store {
	s := &Store{client: client}
	s.chunk.Store(1)
	switch c := client.(type) {
	case *redis.Client:
		s.single = c
		s.flags, s.pool = "s", c.Options().PoolSize
		s.chunk.Store(chunkMost)
		s.keyspace = fmt.Sprintf("__keyspace@%d__:", c.Options().DB)
	case *redis.ClusterClient:
		s.sharded, s.pool = true, c.Options().PoolSize
	case *redis.Ring:
		s.ring = true
	}
	s.releasing = []any{s.flags + "d"}
	return s
}

// Connections is how many the client keeps to a server; 0 if that is not known.
func (s *Store) Connections() int { return s.pool }

// Validate returns nil for a name that a lock can have, or ErrReserved, ErrNotColocated or
// ErrRing.
func (s *Store) Validate(name string) error {
	if s.ring {
		return ErrRing
	}
	return validate(name, s.sharded)
}

// Channel returns the Pub/Sub channel of a Locker that goes by that id.
func Channel(id string) string { return prefix + version + ":w:" + id }

// Subscribe listens to a channel. The PubSub is the caller's to close.
func (s *Store) Subscribe(ctx context.Context, channel string) *redis.PubSub {
	return s.client.Subscribe(ctx, channel)
}

// KeyChannel returns where the server tells, if it is configured to, what happens to a
// name's key; empty if it can't be listened to.
func (s *Store) KeyChannel(name string) string {
	if s.keyspace == "" {
		return ""
	}
	return s.keyspace + name
}

// Lock is a lock's name, and its keys in the form in which they are sent.
type Lock struct {
	Name string
	keys [3]any // NAME, aux and the queue
}

// NewLock returns the lock of that name.
func NewLock(name string) *Lock {
	return &Lock{name, [3]any{name, auxOf(name), queueOf(name)}}
}

// ID says whose a lease is.
type ID struct {
	Lock *Lock
	// owner is the attempt, 36 characters, followed by the token if the caller gave it; a token of
	// our own making is its own attempt. A string, in the form in which it is sent.
	owner any
}

// NewID returns the ID of an attempt that has that token, or none but itself if it is empty.
func NewID(lock *Lock, attempt, token string) ID { return ID{lock, attempt + token} }

// Token is what NAME holds.
func (id ID) Token() string { return tokenOf(id.owner) }

// Begins reports whether the attempt begins with that.
func (id ID) Begins(part string) bool { return strings.HasPrefix(id.owner.(string), part) }

// NoExpiry as a TTL means none.
const NoExpiry = -time.Millisecond

// Attempt is an ID that asks for the lock.
type Attempt struct {
	ID
	TTL   time.Duration
	Label string
	// Channel is where the asker listens, or empty: see [Store.Subscribe].
	Channel string
}

// info is how scripts are told of the asker, and aux of a holder.
func (a *Attempt) info() string { return a.Channel + " " + a.Label }

// Server names the server that has a lock's keys, as far as is known without asking.
// Empty if there is only one.
func (s *Store) Server(name string) string {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return ""
	}
	master, err := cluster.MasterForKey(Done, name)
	if err != nil {
		return ""
	}
	return master.Options().Addr
}

// Brief reports whether there can be no more than one server, by a client of go-redis itself,
// which sets each connection its time-outs anew: see [Store.Briefly].
func (s *Store) Brief() bool {
	return s.single != nil && s.single.Options().ReadTimeout >= 0 && s.single.Options().WriteTimeout >= 0
}

// Sharded reports whether several servers share the locks, and may pass them on.
func (s *Store) Sharded() bool { return s.sharded }

// Doubt says that a server may no longer have what it had: it could not be asked, or has not
// answered. A Cluster's client, which otherwise looks once a minute, asks who has it now.
//
// It asks any node, the one in doubt perhaps, which may hang; and ReloadState does nothing while
// an earlier one hangs. So this is by ForEachMaster, which loads the state for itself, and each
// doubt asks a node of its own choice. What hangs ends with the client's time-outs.
func (s *Store) Doubt() {
	c, ok := s.client.(*redis.ClusterClient)
	now, last := time.Now(), s.doubted.Load()
	pause := doubtEach << min(s.doubts.Load(), 10)
	if !ok || last != nil && now.Sub(*last) < pause || !s.doubted.CompareAndSwap(last, &now) {
		return
	}
	s.doubts.Add(1)
	go func() {
		defer s.doubts.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), doubtTime)
		defer cancel()
		_ = c.ForEachMaster(ctx, func(context.Context, *redis.Client) error { return nil })
	}()
}

// doubtEach is how often a client asks who has what, at most. Each question that has no answer yet
// doubles it: another node may answer where one hangs, but servers or a process that are slow for
// all that is asked of them must not be asked ever more. None takes longer than doubtTime.
const (
	doubtEach = DoubtAfter / 3
	doubtTime = 10 * time.Second
)

// DoubtAfter is how long an answer takes until it is doubted that one comes.
const DoubtAfter = 300 * time.Millisecond

// Done is a context that has ended: what it comes with must not wait for anybody.
var Done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Call is what a script shall do for one lock and, after [Store.Do], what came of it.
type Call struct {
	Lock   *Lock
	script *scripts.Script
	owner  any   // see ID
	args   []any // which can be the same for other locks
	Reply  Reply
	Err    error
}

// Acquire takes NAME if it is free and nobody waits for it: Held with a fence, Busy or
// Stranger, or Withdrawn. With queue, an attempt that does not get it stands in the queue
// from then on, or is noted to wait there still; within some seconds it must ask again.
// The lock may be granted to it at any time. The reply's Label is Unheard if nobody listens to
// the channel of one that waits.
func (s *Store) Acquire(a Attempt, queue bool) Call {
	last := s.acquiring.Load()
	if last == nil || last.ttl != a.TTL || last.label != a.Label || last.channel != a.Channel || last.queue != queue {
		flags := s.flags
		if queue {
			flags += "q"
		}
		last = &acquiring{a.TTL, a.Label, a.Channel, queue, []any{a.TTL.Milliseconds(), flags, a.info()}}
		s.acquiring.Store(last)
	}
	return own(scripts.Acquire, a.ID, last.args)
}

// acquiring is the arguments of an acquisition, which most often are those of the one before.
type acquiring struct {
	ttl            time.Duration
	label, channel string
	queue          bool
	args           []any
}

// Resume takes up the lease of the ID's token: Held with a new fence, Gone, Taken, or
// Withdrawn.
func (s *Store) Resume(a Attempt) Call {
	return own(scripts.Resume, a.ID, []any{a.TTL.Milliseconds(), a.info()})
}

// Renew sees to it that at least ttl is left: Held with what is left, or Gone, Taken,
// Forced. A seq other than 0 makes every Extend with a smaller one void. keep is wanted
// once in some hours. A fence other than 0 is the largest that was used.
func (s *Store) Renew(id ID, ttl time.Duration, seq uint32, keep bool, fence int64) Call {
	var number any = ""
	if seq != 0 {
		number = seq
	}
	return own(scripts.Renew, id, []any{ttl.Milliseconds(), number, flag(keep), used(fence)})
}

// Extend adds d to what is left, or replaces it: Held with what is left, or Gone,
// Taken, Forced, Stale, Persistent. The seq is larger than that of every earlier call
// for this ID; calling again with the same one does nothing more.
func (s *Store) Extend(id ID, d time.Duration, replace bool, seq uint32) Call {
	mode := "add"
	if replace {
		mode = "set"
	}
	return own(scripts.Extend, id, []any{d.Milliseconds(), mode, seq})
}

// Release gives NAME back if it is still this ID's, to the first in the queue if there is
// one: Held if it was, or Gone, Taken, Forced. An ID that waits leaves the queue. With a
// tombstone longer than 0 a request of this attempt that arrives within that time does
// nothing. A fence other than 0 is the largest that was used.
//
// With a heir, that attempt stands in the queue before NAME is given on; Granted, with
// its lease, if it is its turn.
func (s *Store) Release(id ID, tombstone time.Duration, fence int64, heir *Attempt) Call {
	if tombstone <= 0 && fence == 0 && heir == nil {
		return own(scripts.Release, id, s.releasing)
	}
	args := []any{s.flags + "d", lasting(tombstone), used(fence)}
	if heir != nil {
		args = append(args, heir.owner, heir.TTL.Milliseconds(), heir.info())
	}
	return own(scripts.Release, id, args)
}

// Withdraw leaves the tombstone only.
func (s *Store) Withdraw(id ID, tombstone time.Duration) Call {
	return own(scripts.Release, id, []any{"", lasting(tombstone), ""})
}

// Check asks whether NAME is still this ID's: Held with what is left, or Gone, Taken,
// Forced.
func (s *Store) Check(id ID) Call { return own(scripts.Check, id, nil) }

// Inspect asks who holds NAME: Held by one of ours, Stranger, Gone if free.
func (s *Store) Inspect(lock *Lock) Call {
	return own(scripts.Inspect, nobody(lock), []any{""})
}

// InspectQueue is Inspect that is told of each waiter, too.
func (s *Store) InspectQueue(lock *Lock) Call {
	return own(scripts.Inspect, nobody(lock), []any{"w"})
}

// Force takes NAME from whoever holds it: Held if somebody did, else Gone. With a fence
// other than 0 it does so only if the holder has that one: else Taken, with the fence
// that it has, or Stranger.
func (s *Store) Force(lock *Lock, fence int64) Call {
	return own(scripts.Force, nobody(lock), []any{s.flags, used(fence)})
}

// nobody is the ID of a call that is nobody's in particular.
func nobody(lock *Lock) ID { return NewID(lock, "", "") }

func own(script *scripts.Script, id ID, args []any) Call {
	return Call{script: script, Lock: id.Lock, owner: id.owner, args: args}
}

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

func used(fence int64) any {
	if fence == 0 {
		return ""
	}
	return fence
}
