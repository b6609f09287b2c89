package main

import "time"

// params is how much is done.
type params struct {
	serialSlice, parallelSlice, slice, handOffSlice time.Duration
	serialRounds, parallelRounds, rounds            int
	faultTTL, heldTTL                               time.Duration
	faultRounds, heldRounds, heldPeriods, held      int
	many                                            []int
	manyTime                                        time.Duration
}

// full spreads seconds for each library over rounds where a lock is contended, and over
// many short slices where it isn't.
func full(seconds, rounds, held int) params {
	second := time.Duration(seconds) * time.Second
	return params{
		serialSlice: 100 * time.Millisecond, serialRounds: max(20, 20*seconds),
		parallelSlice: 500 * time.Millisecond, parallelRounds: max(4, 2*seconds),
		slice: second, handOffSlice: max(2*second, 5*time.Second), rounds: rounds,
		faultTTL: 2 * time.Second, faultRounds: rounds,
		heldTTL: 3 * time.Second, heldPeriods: 3, heldRounds: rounds, held: held,
		many: []int{1000, 10_000, 100_000}, manyTime: time.Minute,
	}
}

// quick shows that everything works. Its figures are worth little.
func quick(held int) params {
	return params{
		serialSlice: 100 * time.Millisecond, serialRounds: 3,
		parallelSlice: 200 * time.Millisecond, parallelRounds: 1,
		slice: 700 * time.Millisecond, handOffSlice: 1000 * time.Millisecond, rounds: 1,
		faultTTL: time.Second, faultRounds: 1,
		heldTTL: time.Second, heldPeriods: 1, heldRounds: 1, held: held,
		many: []int{30, 300}, manyTime: time.Second,
	}
}

var (
	goLibraries = []string{ours, "rueidislock", "redislock", "redsync"}
	withPython  = append([]string{python}, goLibraries...)
	withBare    = append([]string{baseline}, goLibraries...)
	withAll     = append([]string{python}, withBare...)
	semaphored  = []string{ours, nodejs, baseline}
	withFenced  = append([]string{fenced}, withAll...)
)

var workloads = []workload{
	{
		name: "serial", run: serial(lone{}), who: withFenced,
		about: "one goroutine acquires and releases a lock that nobody else wants, on loopback, without a pause: " +
			"CPU and connections are in use all the time",
	},
	{
		name: "serial-burst", run: serial(lone{burst: 20, pause: 20 * time.Millisecond}), who: withFenced,
		about: "the same in bursts of 20 cycles, each after a pause of 20 ms in which CPU and connections go idle, as with " +
			"a caller that needs a lock now and then. The rate leaves the pauses out",
	},
	{
		name: "serial-link", run: serial(lone{delay: 500 * time.Microsecond}), who: withAll,
		about: "as serial, through a TCP proxy that adds 0.5 ms each way",
	},
	{
		name: "parallel", run: parallel, who: withBare,
		about: "64 goroutines of one process, each with a lock of its own. Without redis-py, whose threads " +
			"take turns on one interpreter",
	},
	{
		name: "serial-warm", run: serial(lone{}), who: withBare, warm: true,
		about: "as serial, but Holdfast's lock lingers for 10 s: its release goes to Redis only if another asks",
	},
	{
		name: "serial-link-warm", run: serial(lone{delay: 500 * time.Microsecond}), who: withBare, warm: true,
		about: "as serial-link, but Holdfast's lock lingers",
	},
	{
		name: "parallel-warm", run: parallel, who: withBare, warm: true,
		about: "as parallel, but Holdfast's locks linger",
	},
	{
		name: "processes-warm", run: crowd{"4 processes × 8, 1 lock", "locks/s", 4, 8, 0}.run, who: goLibraries, warm: true,
		about: "as processes, but Holdfast's lock lingers. Others always wait, so it is hardly ever kept",
	},
	{
		name: "taken-warm", run: taken, who: []string{ours}, warm: true,
		about: "two processes, through a proxy that adds 5 ms each way, take one lock in turn that lingers: each finds it " +
			"resting in the other. Measured is the time that Acquire takes, divided by that of a PING",
	},
	{
		name: "one-lock", run: crowd{"64 goroutines, 1 lock", "locks/s", 1, 64, 0}.run, who: goLibraries,
		about: "64 goroutines of one process want the same lock and release it at once; a wait that is not over " +
			"at the end counts with the time that it has taken. Without redis-py, for the same reason",
	},
	{
		name: "processes", run: crowd{"4 processes × 8, 1 lock", "locks/s", 4, 8, 0}.run, who: withPython,
		about: "4 processes of 8 goroutines (Python: threads) want the same lock, at the same time; " +
			"fewest ÷ most: the acquisitions of the process that had the fewest, divided by those of the one that had the most",
	},
	{
		name: "semaphore", run: crowd{"64 goroutines, 8 permits", "permits/s", 1, 64, 8}.run, who: semaphored,
		about: "64 goroutines (Node.js: asynchronous functions) of one process want a permit of a semaphore of 8, and release " +
			"it at once; a wait that is not over at the end counts with the time that it has taken. One that lets more " +
			"than 8 have permits at the same time has failed",
	},
	{
		name: "semaphore-processes", run: crowd{"4 processes × 16, 8 permits", "permits/s", 4, 16, 8}.run, who: semaphored,
		about: "the same with 4 processes of 16; that of more than 8 is looked for in each process",
	},
	{
		name: "hand-off", run: handOff, who: withPython,
		about: "3 processes, through a proxy that adds 5 ms each way, hold the lock for 20 ms, varied " +
			"by a quarter, and pause for 40 ms, so that one always waits. Measured is the time from the call of Release to the " +
			"return of the next process's Acquire, divided by that of a PING through the same proxy",
	},
	{
		name: "cut-off", run: cutOff, who: goLibraries,
		about: "the holder's proxy drops everything while another process waits, with 8 locks in different " +
			"phases of their renewal. Measured is the time from the other's Acquire to the end of the holder's context. A library " +
			"without such a signal never tells: the caller sees its own next renewal fail",
	},
	{
		name: "deleted", run: deleted, who: goLibraries,
		about: "another client deletes the keys of 8 such locks. Measured is the time until the holder's context ends",
	},
	{
		name: "held", run: heldLocks, who: goLibraries,
		about: "one process holds many locks and does nothing else. Measured is what that costs the " +
			"client (getrusage) and the server (INFO), and how many sessions are lost. Memory is the difference of " +
			"two readings, both after a garbage collection: with connections but no locks, and one TTL after the locks were taken",
	},
	{
		name: "many", run: manyLocks, who: []string{ours},
		about: "the same for Holdfast alone, as the number of locks grows. What the process and the server take when idle is " +
			"subtracted, and given beside it. The last row says how many of the largest number are lost while " +
			"64 goroutines of the same process take and release other locks",
	},
}
