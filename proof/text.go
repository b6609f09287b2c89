//go:build linux

package main

const head = `# Proof

How the promise in [doc.go](../doc.go) holds under faults, counted. Made by
`

const foot = `## What is promised where

| deployment | promised | not promised | with WithFailoverGrace |
|---|---|---|---|
| one server with ` + "`appendfsync always`" + ` | one owner at a time, through crash and restart | after FLUSHALL, eviction, or a step of the clock: the fence only | the same |
| one server that saves nothing, or less than all | one owner at a time | after a restart, too: the fence only | one owner at a time through crash and restart, too |
| Cluster | one owner at a time, through CLUSTER FAILOVER (without FORCE or TAKEOVER), a slot's migration, a pause | a master that dies, freezes or is cut off loses what it acknowledged and did not replicate (more rarely with WithReplicas), and one that thaws may go on acknowledging: the fence only | one owner at a time through all of these, and FORCE and TAKEOVER, unless a master is cut off together with its clients, or a slot moves within the grace after a failover |
| Sentinel | one owner at a time, through a pause | the same, and after SENTINEL FAILOVER: the old master goes on acknowledging until it is made a replica: the fence only | one owner at a time through all of these, unless a master is cut off together with its clients for longer than the grace bears (then min-replicas-to-write, the number of all replicas, stops it) |

"The fence only": two sessions can be alive until the earlier one's next renewal, a TTL at most (longer if an
old master that has thawed still confirms renewals). A store that refuses a smaller fence than it has seen
stays right. The grace changes nothing about FLUSHALL, eviction, a key that is deleted by hand, or a step of the
server's clock.

## What is checked, and how

Of each seven names three are mutexes, two semaphores, of 2 or 5 permits, and two read-write locks. Sessions of a
semaphore have any number of its permits, all of them too; every fourth of a read-write lock is a writer, which
counts as one who has all. What is said of locks holds for each kind, and every fault strikes all of them.

- **Overlap.** A session was alive from the return of Acquire to the *start* of the last look at ` + "`ctx.Err()`" + `
  that gave nil. No two such spans of one mutex may meet. Sessions of a semaphore whose spans meet never have more
  permits than there are, and no writer's span meets another. Times are CLOCK_MONOTONIC, which all processes share. An
  overlap is excused only if it began while one of the faults that doc.go names was at work, or within a TTL
  after. With the failover grace lost writes excuse nothing. (On Sentinel and Cluster a busy machine may cause a
  failover that nobody asked for, or leave one Sentinel behind the others. Masters and Sentinels are watched, and
  that counts as such a fault.)
- **Inversion.** A fence is larger than that of every acquisition that had returned before the call began.
  Where no overlap is excused it is also larger than that of each session before it. One inversion is excused: a
  lease whose key was lost is passed on, or had again where it rests, before that process learns of the loss.
  Of permits this is asked of two sessions that together would have more than there are, as a writer and anybody
  else; and on the half of the names where no lease is passed on within a process, of all acquisitions before the
  call, and of all sessions that were alive when too few permits were left. There no two have
  the same; elsewhere no two of a client.
- **Lost update.** Each use reads a counter, may pause, and writes the counter plus one to a store in shared
  memory that checks fences, outside of Redis. No two updates may have read the same value, whatever has happened
  to Redis. Sessions that may have others beside them only look, twice, and must see no change. A session that is alive
  after its use must not be refused either, unless an overlap is excused.
- **Overtaken.** On half of the locks no client waits twice at a time: there nobody who asked more than 500 ms
  later is served first, whatever number of permits either wants. (A request has to arrive; on a busy machine the
  limit is five times the slowest undisturbed round trip of the time more.) On the other locks no waiter of the same
  client may be served first, and of other clients no more than the passes that doc.go allows. Waits that a fault has
  touched don't count.
- **Stuck.** After each round's faults no client asks any more. Each that has asked must get the lock, and in
  the end no key of a lock may be left. While no fault is at work, no lock is free and waited for longer than two
  TTLs, 4 s and the failover grace, nor are as many permits free as who is next wants. (The servers
  are asked ten times a second. One that is slow to answer, because of its disk, say, counts as a fault at work; it
  excuses no overlap.)
- **Linearizable.** For each lock of each round, Porcupine finds one order of all acquisitions, updates and ends
  in which no client acquires what is held, and each update reads what the one before it wrote. (Of permits, no
  more are had than there are. Where leases are passed on it looks at those who have all.) In rounds with a
  fault that excuses overlaps it does so for the updates alone. Such faults have rounds of their own; in all other
  rounds nothing is excused.

The checker itself is tested with hand-made histories that break each rule (internal/proof/check_test.go), and
on rueidislock, whose sessions overlap (proof/proof_test.go).

## What is not in these counts

A suspended machine, and steps of a client's own wall clock, need hooks that only the library's own tests have:
TestProofInjected puts clients through this checker, more than 20 times each, and fails if it finds anything.
The server's clock is stepped by a library that is preloaded into it.
`
