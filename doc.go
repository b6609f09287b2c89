// Package holdfast is a distributed lock on Redis for work that must run on one machine
// at a time and must stop when it no longer may.
//
//	locks := holdfast.New(client) // a redis.UniversalClient
//	defer locks.Close()
//
//	ctx, release := locks.Mutex("jobs:billing").Lock(ctx)
//	defer release()
//	if ctx.Err() != nil {
//		return context.Cause(ctx)
//	}
//	return bill(ctx) // ctx is done before the lock can expire
//
// docs/howto.md has recipes by job. Package election says who leads, package holdfasttest is for
// tests of code that takes locks, and the command holdfast runs any program under a lock.
//
// # The promise
//
// A [Session] is one hold of a lock. Its context is done before the lock's key can expire in
// Redis, whatever the network, Redis or a renewal does. So no two sessions of one name have
// a live context at the same time.
//
// Every session has a fence, an int64 larger than that of every earlier acquisition of the
// name, also after FLUSHALL, after a restart without persistence, and after a failover that
// lost writes. A clock can't always decide who comes first; a store that refuses a fence
// smaller than one it has seen can.
//
// A lock is one Redis key that holds a plain token. It is written, extended and deleted as
// redis-py's redis.lock.Lock does it, so workers in Go and in Python can share it.
//
// # What is not promised
//
// The promise about the context assumes that
//
//   - the clock of the Redis server, and of a node that is promoted, does not step forward
//     within a TTL by more than the safety margin (2% of the TTL + 20 ms), and the clock
//     rates of the machines differ by less than 2%;
//   - nobody else deletes, overwrites or shortens the key: no FLUSHALL, no eviction, no
//     redis-py worker with the same token;
//   - no acknowledged write is lost. Redis replicates and saves asynchronously, so a failover or a
//     restart can lose the last writes, a lock among them: [WithReplicas] makes that rarer, and
//     [WithFailoverGrace] gives no lock until every lease that may be lost is over;
//   - the process runs. Code that has looked at its context may be stopped before it acts.
//     A virtual machine that is paused from outside may show that in none of its clocks.
//
// If one of these fails there can be two owners until the first one's next renewal, which ends
// its session. (If the old master was frozen and goes on, it may confirm renewals for 10 s, until
// a Sentinel demotes it.) A store that checks the fence is protected from two owners. Without
// such a store, a lock makes overlap rare, not impossible (Kleppmann, "How to do distributed
// locking", 2016).
//
// While there are two owners, the first one's process may pass the lock on to its own goroutines; and a
// lock that rests there ([WithLinger]) may be had though another has it, until the next renewal.
// Their fences may be smaller or larger than the second owner's. If they are larger, a store
// refuses the second owner until it acquires the lock again. After lost data the fence still
// grows, unless the server's clock stepped back or a promoted node's clock is behind by more than
// the failover took.
//
// [Mutex.Resume] and [Mutex.ForceRelease] take the lock from a holder on purpose; that
// holder's work, too, goes on until its next renewal.
//
// # What it does not have
//
//   - A quorum of several independent Redis servers (Redlock). A lock is in one deployment: a
//     server, a master with replicas, or a Cluster. Against lost writes there are
//     [WithFailoverGrace], [WithReplicas] and the fence.
//   - Reentrancy. A call with the context of a live session of the same lock returns [ErrNested]:
//     pass the context on to code that needs the lock, and [FromContext] returns the session.
//   - Priorities. Who asked first comes first.
//   - A way to stop a function that ignores its context. "holdfast run" kills the program instead.
//   - Locks in a redis.Ring.
//
// # Terms
//
//   - token: the holder's secret, the value of the key. Who knows it can release the lock.
//   - attempt: one call of Acquire. A session is known by its token and its attempt: two
//     callers with one token still exclude each other, and a request that Redis runs twice
//     or late does no harm.
//   - TTL, lease: the key's time to live, and the right to the lock that lasts until then.
//   - renew: what the watchdog does, at TTL/2 by default, to keep the lease.
//   - waiter, grant, claim: who is in the queue, what a release gives to the first of them,
//     and the short lease that it gives.
//   - hand-off, pass: how a released lock reaches the next, in another process or in this one.
//   - stranger: a worker that takes the lock with another library, such as redis-py.
//
// # Time
//
// A lease is trusted for its TTL, counted on the machine's monotonic clock from before the
// request was sent, less a margin of 2% of the TTL + 20 ms: 220 ms of the default 10 s. A timer
// on this machine ends the context at that time, [Session.ValidUntil], even if Redis does not
// answer. Err and Done also read the clock, so a process that was stopped finds its context done
// at its first call; a late reply changes nothing. On Linux, time in which the machine was suspended counts
// (CLOCK_BOOTTIME); elsewhere, a wall clock that runs ahead makes the session ask Redis at
// once. Steps of the wall clock end no session.
//
// A renewal that fails is tried again until that time; one without an answer does not delay the
// next. By default the first is sent after 5 s, and up to four more follow within 4.8 s, which
// is longer than a Sentinel failover takes if it is configured for speed.
//
// # Failures
//
// The holder sees the cause of its context, a waiter sees when it can have the lock. RTT is
// the round trip to Redis, L the time for which a lease can be trusted after the last
// confirmed renewal was sent: the TTL less the margin. docs/rules.md names the tests of each row.
//
//	event                       the holder                      the first waiter
//	-----                       ----------                      --------
//	holder's process dies       -                               after the TTL at most
//	holder is cut off           ErrExpired, within L            after the TTL, not before
//	                                                            the holder's context is done
//	Redis hangs or is gone      ErrExpired, within L; a gap     retries with back-off until
//	                            shorter than that is harmless   its context or wait timeout
//	                                                            ends
//	process is stopped          ErrExpired, at the first look   after the TTL
//	machine is suspended        ErrSuspended, at the first      after the TTL
//	                            look or within 1 s
//	key deleted, FLUSHALL,      ErrGone, at the next renewal    at its next try, within 1 s: a
//	eviction, restart without                                   fence larger than the holder's
//	persistence, lost write
//	restart or lost write,      the same                        after the grace, not before
//	WithFailoverGrace                                           the holder's context is done
//	key overwritten, resumed    ErrTaken, at the next renewal   -
//	elsewhere
//	ForceRelease                ErrForceReleased, when the      at once
//	                            message comes, or at the next
//	                            renewal
//	Release                     ErrReleased                     one round trip after the call
//	Release before the end of   ErrReleased                     when that has ended
//	the minimum hold
//	its process dies, or is     -                               after the TTL at most
//	cut off, while the lock
//	rests (WithLinger)
//	message lost, subscription  -                               within 1 s of the release
//	cut or denied
//	first waiter's process      -                               the next one: at once if the
//	dies                                                        server says that nobody
//	                                                            listens, else after the claim
//	                                                            and 2 s at most
//	parent context ends         the parent's cause; the lock    after Release, or the TTL
//	                            is kept until Release, and not
//	                            renewed
//	the same, WithDrain         ErrDrainOver, renewed until     the same
//	                            then
//	maximum hold                ErrMaxHold; the same            the same
//	Locker.Close                ErrClosed; the same             the same
//	Acquire is cancelled        -                               nothing is left behind: a
//	                                                            request under way is undone as
//	                                                            soon as Redis answers, or what
//	                                                            it took expires
//	Release gets no answer      an error of Release             as soon as Redis answers: it is
//	                                                            tried again while the lease
//	                                                            lasts and the Locker is open
//	SCRIPT FLUSH                nothing                         nothing
//	failover, slot migration    nothing, if it takes less than  goes on waiting
//	                            the lease has left
//
// docs/proof.md says what this means for each deployment (one server, Sentinel, Cluster), and
// counts it.
//
// # Waiting
//
// Waiters are in a queue in Redis, in the order in which they first asked; nobody, not even
// TryAcquire, gets the lock before them. The script that releases the lock grants it to the
// first of them for a claim of 3 s (or the TTL, if that is shorter) and notifies it by Pub/Sub;
// the waiter then renews to its full TTL. So a hand-off takes one round trip, from the call of
// Release to the return of the next Acquire. If the message is lost, the waiter finds the
// grant when it next asks, within 1 s.
//
// The goroutines of a Locker that wait for one lock are one waiter in Redis. Among them, too,
// it is first come, first served, and a released lock passes to the next without a request,
// each session with its own context and a larger fence but the same token. While another
// process waits, the lock leaves the process after 10 ms or 8 passes (or twice the number of its
// own waiters, if that is more). The lock goes back to Redis, not to the next goroutine, after
// [WithToken], [Session.Token], Extend, SetTTL, Reacquire or Detach, or if the next call's options
// differ in TTL, expiry, renewal, replicas, turns for strangers, linger, or label.
//
// With [WithLinger] a lock for which nobody waits stays with the Locker for a while, and the next call
// there has it in about a microsecond. If another process asks, Redis tells the Locker, which gives
// the lock back: that process has it after two round trips, by TryAcquire, too, whose [ErrHeld] then takes
// up to three; or after 1 s if the Locker does not answer.
//
// Strangers such as redis-py's workers do not queue: they poll, and take the lock if they find
// it free. While a Holdfast worker waits, a lock that another one releases is never free, so
// beside busy Holdfast workers strangers get nothing: [WithTurnsForStrangers] leaves it free for
// them from time to time. A lock that a stranger releases goes to whoever asks first. Holdfast's
// waiters then ask every retry interval (100 ms): beside a stranger that takes the lock again at
// once they can wait for seconds, or for 50 ms if the server sends keyspace notifications
// (notify-keyspace-events Kg$x, not on a Cluster).
//
// # Several holders, several locks
//
// Of a [Semaphore] several sessions hold permits at a time, of an [RWMutex] readers together or one
// writer. What is said above holds for each session: its lease, its context, its end. Of two that can't
// hold together the later has the larger fence. Waiters come in the order of the queue: one that needs more than is free is not overtaken, and everybody behind it
// waits, too, until those who hold permits give back enough, or their leases end. A waiter that died
// counts for at most 10 s; on one server it is passed over. Each lease may be passed on within the
// process as a mutex's. A session within another of the same name is refused, with [ErrNested]: a
// reader can't become the writer.
//
// [Locker.AcquireAll] takes several mutexes in the order of their names, whatever the caller's is. So two
// calls never wait for each other. What is free is taken in one request; for the first that is not it
// waits in line, and holds those before it. The context of [Sessions] is done at the first loss; the
// other locks are held, and renewed, until Release. Work that holds a lock and acquires another
// in a call of its own has to see to the order itself.
//
// # The client
//
// A request without an answer is sent again, since a NAT or a balancer may have dropped an idle
// connection without a word: by one of at most 8 connections of Holdfast's own, beyond the client's
// PoolSize, or by a Cluster client's own pool. These options of go-redis suit locks: ConnMaxIdleTime
// below the time after which the network drops idle connections; a ReadTimeout of at most a quarter
// of the TTL; a PoolSize that leaves room beside blocking commands such as BLPOP. Requests of many
// locks share round trips (docs/internals.md). Time-outs that are not the caller's are [ErrNoAnswer].
//
// # Redis
//
// Holdfast needs Redis 6 or later, or what speaks its protocol and its Lua: a single server,
// Sentinel, or Cluster. The keys of a lock are its name, a string next to it that lives about a
// day longer (it makes the fence grow even if the server's clock is set back), and while
// somebody waits a hash that lives 10 s. A name that is used once takes some 260 bytes for 25
// hours. Each Locker listens on one channel from its first Acquire on.
//
//	NAME                      the token, with a TTL in milliseconds; of a lock that is kept
//	                          by [WithMinHold] a value that is nobody's token
//	holdfast:2:n:{NAME}       fence, attempt, label, channel; or
//	holdfast:2:t:NAME         if NAME has a {hash tag} of its own
//	holdfast:2:q:{NAME}       the queue; or
//	holdfast:2:u:NAME
//	holdfast:2:w:ID           the channel of a Locker, with a random ID
//
// Of a semaphore or read-write lock NAME is a hash of those who hold permits; the other keys have s, v, p
// and x in the places of n, t, q and u.
//
// An ACL user needs the rights in docs/acl.md; "holdfast check" names those that are missing.
//
// Set maxmemory-policy to noeviction, or to one that spares keys in use: an evicted lock is a
// lost lock.
package holdfast
