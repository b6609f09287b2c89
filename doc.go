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
// # The promise
//
// A [Session], one hold of a lock, has a context. It is done before the lock's key can
// expire in Redis, whatever the network, Redis or a renewal is doing. So no two sessions
// of one name have a live context at the same time.
//
// Every session has a fence, an int64 strictly larger than that of every earlier
// acquisition of that name, also after FLUSHALL, after a restart without persistence, and
// after a failover that lost writes. Where a clock can't decide who comes first, a store
// that refuses a smaller fence than it has seen does.
//
// A lock is one Redis key that holds a plain token, written, extended and deleted as
// redis-py's redis.lock.Lock does it: workers in Go and in Python can share it.
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
//   - no acknowledged write is lost. Redis replicates asynchronously, so a failover can
//     lose the last writes, a lock among them: [WithReplicas] makes that rarer;
//   - the process runs. Code that has looked at its context may be stopped before it acts.
//     A virtual machine that is paused from outside may show that in none of its clocks.
//
// The fence grows over lost data as the server's clock does: it may not, if that has stepped
// back, or a node is promoted whose clock is behind by more than the failover took.
//
// Where one of these fails, the session ends at its next renewal at the latest, and until
// then there can be two owners. (An old master that thaws may confirm renewals for 10 s, until
// a Sentinel makes it a replica; a client goes by one Sentinel, and waits while that one still
// names a master that is none.) What such a session passes on within its process may have a
// fence below one that another was given since, or above it, and then a store refuses that
// other until its end. The fence is for that: a lock without a store that checks
// fences makes overlap rare, not impossible (Kleppmann, "How to do distributed locking",
// 2016). After [Mutex.Resume] and [Mutex.ForceRelease], which take the lock from a holder
// on purpose, that holder's work goes on until its next renewal, too.
//
// # Terms
//
//   - lock name, key: the name is the Redis key.
//   - holder, waiter: who has the lock, who has asked for it.
//   - token: the holder's secret, the value of the key. Who knows it can release the lock.
//   - attempt: one call of Acquire. A session is known by its token and its attempt, so that
//     two callers with the same token still exclude each other, and a request that Redis
//     runs twice or late does no harm.
//   - fence: the fencing token described above.
//   - TTL, lease: the key's time to live, and the right to the lock that lasts until then.
//   - waiter, grant, claim: who stands in the queue, what a release gives to the first, and
//     the short lease that it gives.
//   - hand-off, pass: between processes, at a release; between goroutines of one.
//   - renew: what the watchdog does, at TTL/2 by default, to keep the lease.
//   - extend, reacquire: what the caller asks for, as in redis-py.
//
// # Time
//
// A lease is counted from before the request that set it was sent, on the machine's
// monotonic clock, and 2% + 20 ms of the TTL are taken off as a margin: 220 ms of the
// default 10 s. [Session.ValidUntil] is that time. A timer that waits for no I/O ends the
// context then, and Err and Done of the session's context look at the clock when they are
// called, so that a process which was stopped finds its context done at its first look. A
// reply that comes after that time brings nothing back. On Linux, time that the machine
// was suspended counts (CLOCK_BOOTTIME); elsewhere, a wall clock that runs ahead makes the
// session ask Redis at once. Steps of the wall clock end no session.
//
// A renewal that fails is tried again until that time, without waiting for the one that is
// stuck: at the defaults the first is sent after 5 s, and up to three more follow within
// 4.8 s. That is longer than a Sentinel failover takes when it is configured for speed.
//
// # Failures
//
// What the holder sees is the cause of its context; what a waiter sees is when it can have
// the lock. RTT is the round trip to Redis, L the time that a lease can be trusted after
// the last confirmed renewal was sent: TTL less the margin.
//
//	event                       the holder                      the first waiter
//	-----                       ----------                      --------
//	holder's process dies       -                               after the TTL at most
//	holder is cut off           ErrExpired, within L            after the TTL, not before
//	                                                            the holder's context is done
//	Redis hangs or is gone      ErrExpired, within L; a gap     retries with back-off until
//	                            shorter than that is ridden     its context or wait timeout
//	                            out                             ends
//	process is stopped          ErrExpired, at the first look   after the TTL
//	machine is suspended        ErrSuspended, at the first      after the TTL
//	                            look or within 1 s
//	key deleted, FLUSHALL,      ErrGone, at the next renewal    at its next try, within 1 s: a
//	eviction, restart without                                   fence larger than the holder's
//	persistence, lost write
//	key overwritten, resumed    ErrTaken, at the next renewal   -
//	elsewhere
//	ForceRelease                ErrForceReleased, as soon as    at once
//	                            it is told, or at the next
//	                            renewal
//	Release                     ErrReleased                     one round trip after the call
//	message lost, subscription  -                               within 1 s of the release
//	cut or denied
//	first waiter's process      -                               the next one: at once if the
//	dies                                                        server says that nobody
//	                                                            listens, else after the claim
//	                                                            and 2 s at most
//	parent context ends         the parent's cause; the lock    after Release, or the TTL
//	                            is kept until Release, and not
//	                            renewed
//	maximum hold                ErrMaxHold; likewise            likewise
//	Locker.Close                ErrClosed; likewise             likewise
//	Acquire is cancelled        -                               nothing is left behind: a
//	                                                            request under way is taken
//	                                                            back within 5 s, or expires
//	SCRIPT FLUSH                nothing                         nothing
//	failover, slot migration    nothing, if it takes less than  goes on waiting
//	                            the lease has left
//
// What that comes to, deployment by deployment; docs/proof.md counts it:
//
//	deployment               one live session at a time       until the earlier one's next
//	                                                          renewal, the fence alone
//	----------               --------------------------       ----------------------------
//	one server that writes   through crash and restart        after FLUSHALL, eviction, a leap
//	all to disk at once                                       of the server's clock
//	(appendfsync always)
//	one server, otherwise    while it does not crash          and after a crash
//	Sentinel, Cluster        through pauses, failovers on     and after a master has died,
//	                         demand, the migration of slots   frozen, or been cut off, more
//	                                                          rarely with [WithReplicas]
//
// # Waiting
//
// Waiters stand in a queue in Redis, in the order in which they first asked; nobody, not
// even TryAcquire, gets the lock before them. The script that releases the lock grants it
// to the first of them for a claim of 3 s (or the TTL, if that is shorter) and tells it by
// Pub/Sub; the waiter then renews to its full TTL. So a hand-off takes one round trip, from
// the call of Release to the return of the next Acquire.
//
// Nothing depends on the message. The first in the queue asks every third of the claim, 1 s,
// the others every two thirds, and all when the holder's TTL runs out: whoever was granted
// the lock and was not told finds it before the claim ends. A waiter that has not asked for
// 10 s is passed over. As long as a waiter can't be told, because its subscription does not
// work or because the holder is a stranger to Holdfast, it asks every retry interval
// (100 ms by default, varied by a quarter). If the server sends keyspace notifications
// (notify-keyspace-events Kg$x, not on a Cluster), a stranger's release is seen at once.
//
// The goroutines of a Locker that wait for one lock are one waiter in Redis. Among them it
// is first come, first served too, and a released lock passes from one to the next without
// a request, each session with its own context and a larger fence. While another process
// waits, the process gives the lock up after 8 passes, or twice the number of its own
// waiters, or 10 ms, and takes its place at the end of the queue. A lease is not passed on,
// but given back, if its session was asked for its [Session.Token], was given one, was
// extended or detached, or if the next call's options differ in TTL, expiry, renewal or
// label. Passed sessions share the token; the fence tells them apart.
//
// Redis-py's workers don't stand in the queue: they poll, and take the lock if they find it
// free. While one of ours waits, a lock that one of ours releases is never free, so they get
// it only when no Go worker waits; a lock that redis-py releases goes to whoever asks first,
// with its sleep of 100 ms against our retry interval of 100 ms.
//
// # Many locks
//
// What a lock costs is shared by all of a Locker's. Renewals are sent on 16 beats of each
// renewal interval, or on 4 if there are no more than 2,048 leases, which go in one round trip;
// up to 256 leases in one script call, which looks at NAME alone where nobody else can know the
// token. What callers ask for at the same moment goes together, too: a request waits only while
// three others are under way, and for 2 ms at most if those take longer. Each lock has its own
// outcome; one that fails delays and fails no other. A lone caller of a single server that has
// just answered within 10 ms carries its request itself, through the client's hooks, since to
// wake another goroutine would take longer than the rest; it hears nothing else meanwhile, the
// end of its context included, for 50 ms at most if the hooks take no longer. Then the request
// goes out again like any other; hooks and limiters of the client see a time-out. Who sends 16
// such requests within 10 ms may miss a hook that is added just then until that time is over. A
// held lock takes no goroutine of its own and some 530 bytes; 800 if its context's Done channel
// was asked for. docs/bench.md has 100,000 in one process: what they cost, and that none is
// lost while other goroutines take and release others.
//
// [WithObserver] tells of acquisitions and how long they took, renewals and how much time
// was left, losses, releases and round trips.
//
// # Redis
//
// Holdfast needs Redis 6 or later, or what speaks its protocol and its Lua: a single
// server, Sentinel, or Cluster. The keys of a lock are its name, a string next to it that
// lives about a day longer, and while somebody waits a hash that lives 10 s:
//
//	NAME                      the token, with a TTL in milliseconds
//	holdfast:2:n:{NAME}       fence, attempt, label, channel; or
//	holdfast:2:t:NAME         if NAME has a {hash tag} of its own
//	holdfast:2:q:{NAME}       the queue; or
//	holdfast:2:u:NAME
//
// Each Locker listens on one channel, holdfast:2:w: and a random id, from its first Acquire
// on.
//
// An ACL user needs ~NAME and ~holdfast:2:* for its names, &holdfast:2:w:* for the channels
// (and &__keyspace@*__:* for notifications), and +evalsha +eval +get +mget +set +del +pttl
// +pexpire +persist +hget +hset +hdel +time +publish +pubsub +subscribe +unsubscribe +ping.
// Without the channels or the last five, waiters poll. [WithReplicas] needs +wait, too, and
// [Locker.List] +scan. Set maxmemory-policy to noeviction, or to one that
// spares keys in use: an evicted lock is a lost lock.
package holdfast
