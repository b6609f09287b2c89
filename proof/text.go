//go:build linux

package main

const head = `# Proof

What the promise in [doc.go](../doc.go) is worth under faults, counted. Made by
`

const foot = `## What is promised where

| deployment | promised | not promised |
|---|---|---|
| one server with ` + "`appendfsync always`" + ` | one owner at a time, through crash and restart | after FLUSHALL, eviction, or a clock that leaps: the fence only |
| one server that keeps nothing, or less than all | one owner at a time | after a restart, too: the fence only |
| Sentinel, Cluster | one owner at a time, through a failover on demand, a slot's migration, a pause | a master that dies or freezes takes with it what it has acknowledged and not replicated, and one that thaws may go on acknowledging: the fence only |

"The fence only": two sessions can be alive until the earlier one's next renewal, TTL at
most (longer if an old master that has thawed still confirms renewals); a store that refuses a smaller fence than it has seen stays right.

## What is checked, and how

- **Overlap.** A session was alive from the return of Acquire to the *start* of the last look at
  ` + "`ctx.Err()`" + ` that gave nil. No two such spans of one lock may meet. Times are CLOCK_MONOTONIC, one
  clock for all processes. An overlap is excused only if it began while one of the faults that doc.go
  names was at work, or within a TTL after. (On Sentinel and Cluster a busy machine may bring about
  a failover that nobody asked for, or leave one Sentinel behind the others: masters and Sentinels are
  watched, and that counts as one of those faults.)
- **Inversion.** A fence is larger than that of every acquisition that had returned before the call
  began; and than that of each session before it, where no overlap is excused. Nothing excuses an
  inversion but this: a lease whose key was lost is passed on within a process before it is told.
- **Lost update.** Each use reads a counter, may pause, and writes it back plus one, to a store in
  shared memory that checks fences, outside of Redis. No two updates may have read the same, whatever
  has happened to Redis. Nor does the store refuse a session that is alive after it,
  where no overlap is excused, and none of its own was: whoever overlapped it may have had a larger fence.
- **Overtaken.** On half of the locks, where no client waits twice at a time, nobody who asked more
  than 500 ms later is served first (a request has to arrive; on a busy machine, than that and five times
  what the slowest undisturbed round trip took at the time). On the others nobody of the same client is, and of other clients
  no more than the passes that doc.go allows. Waits that a fault has touched don't count.
- **Stuck.** After each round's faults everybody stops asking; whoever has asked must get the lock, and
  in the end no key of a lock may be left. While no fault is at work, no lock is free and waited for
  longer than two TTLs and 4 s. (The servers are asked ten times a second; one that is slow to answer,
  for its disk, say, counts as a fault at work, and excuses no overlap.)
- **Linearizable.** Porcupine finds, for each lock of each round, one order of all acquisitions, updates
  and ends in which nobody acquires what is held, and each update reads what the one before it wrote;
  in rounds with a fault that excuses overlaps, the updates alone. Such faults have rounds of their
  own, so in all other rounds nothing is excused.

The checker itself is tested with hand-made histories that break each rule (internal/proof/check_test.go),
and on rueidislock, whose sessions overlap (proof/proof_test.go).

## What is not in these counts

A suspended machine, and steps of a client's own wall clock, are injected on hooks that only the
library's own tests have: TestProofInjected in the root package puts clients through this checker, more
than 20 times each, and fails if it finds anything. The server's clock is stepped by a library that is
preloaded into it.
`
