// Package holdfasttest is for tests of code that uses Holdfast: a Locker on an embedded Redis, and
// ways to make things go wrong.
//
//	func TestReport(t *testing.T) {
//		locks := holdfasttest.Locker(t)
//		report(t.Context(), locks) // the code under test
//	}
//
// Nothing has to be closed. At the end of the test, a lock that is still held or waited for fails it,
// with the lock's name and the holder's label ([Redis.AllowHeld] makes exceptions). No port is
// opened, so tests can run in parallel.
//
// # What can go wrong
//
// [New] returns the Redis, and the Redis makes Lockers and trouble:
//
//	r := holdfasttest.New(t)
//	locks := r.Locker(holdfast.WithTTL(time.Second))
//
//	to see                                         use
//	------                                         ---
//	work that stops with ErrForceReleased, at once r.ForceRelease(name)
//	... with ErrTaken, at its next renewal         r.Take(name)
//	... with ErrGone, at its next renewal          r.Delete(name)
//	... with ErrExpired                            r.Expire(name), which heals what it has cut;
//	                                               r.Cut or r.Freeze, for longer than the TTL
//	a Redis that is not there                      r.Refuse, before or after the Locker is made
//	a gap in the network that does no harm         r.Cut, r.Heal; r.Freeze, r.Thaw
//	work that waits, TryAcquire with ErrHeld       h := r.Hold(name); h.Release()
//	... for permits of a semaphore                 h := r.HoldPermits(name, n, limit)
//	... for a read-write lock                      h := r.HoldRead(name), r.HoldWrite(name)
//	... behind redis-py                            h := r.HoldAsStranger(name, ttl); h.Release()
//	... until a dead process's lock has expired    h := r.Hold(name); h.Crash()
//	several processes, one of them cut off         a, b := r.Process(), r.Process(); a.Cut()
//	code that makes its Locker itself              holdfast.New(r.Client()), and close it
//
// [Redis.Holder] says who holds a lock. [Redis.WaitHeld], [Redis.WaitQueued] and [Redis.WaitFree]
// wait for a state; no wait lasts longer than 30 s.
//
// A name may be a mutex's, a semaphore's or a read-write lock's. ForceRelease, Delete and Expire end all who
// hold it, and Take is for a mutex alone.
//
// # Time
//
// Tests of time belong in a [testing/synctest] bubble: time.Sleep moves its clock, also that of the
// TTLs, and takes no real time. Call New inside, with the t that synctest.Test gives; what is used in
// the wrong place fails with a message that says so.
//
//	synctest.Test(t, func(t *testing.T) {
//		r := holdfasttest.New(t)
//		...
//		r.Cut()
//		time.Sleep(holdfast.DefaultTTL) // no time at all
//	})
//
// In a bubble, all code under test must run in goroutines that were started there, and must not
// wait for a real network, a process or a lock of another test. A client that you make yourself, also
// of miniredis, does not work there in general: go-redis looks up names and keeps timers for the next
// bubble, and miniredis listens on a socket. [Redis.Client] does.
//
// Without a bubble, TTLs take real time. Use [holdfast.WithTTL] with 1 s or 2 s: the next renewal then
// comes after half of that at most, and a cut is noticed after 1 s or 2 s. With a shorter TTL a busy
// machine loses locks that nobody has taken. ForceRelease, Hold and Release need no waiting.
//
// Real Redis differs in this: there is no replication here, no Cluster, no ACL, and no keyspace
// notification. Test those against a server.
//
// go-redis logs failed connections to stderr; logging.Disable() of its package logging turns that off.
package holdfasttest
