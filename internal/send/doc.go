// Package send brings requests to Redis and their answers back: requests that come at the same
// moment go together, a lone one is sent by its caller, and one without an answer is sent again by
// another connection. It knows of no lease, no queue and no session.
//
// # Batches
//
// A Sender has a batcher for each server. Up to three batches are under way to a server; requests
// that come meanwhile wait for the first of them to end, but no longer than 2 ms. So a server that
// is busy gets few large batches, and a slow network many.
//
// # Inline
//
// When the server has just answered fast, and nothing else is under way, a caller sends its own
// request in its own goroutine: waking another goroutine, and being woken by it, takes longer than
// all the rest. For up to 50 ms the caller then notices nothing else. After that the request is
// sent once more like any other.
//
// # No answer
//
// go-redis does not look at a request's context while it waits for the answer. So the callers wait
// here, an [InFlight] each, and a request that nobody waits for any more ends with the client's
// time-outs. An answer says InDoubt if Redis may have run the request, or may still run it, in
// another way than the answer says.
//
// # Mutexes and goroutines
//
// Sender.mu guards the map of batchers; batcher.mu its queue, its counters, and which of its
// requests are taken; sharedContext.mu its context. No two of them are held together, and none is
// held during I/O.
//
// A batcher starts goroutines for its batches, each of which ends when its queue is empty. The task
// group that the Sender is given joins them, the callers that send inline, and the goroutines of
// Repeat and TakeBack, which end with the given context or time. A timer calls
// flushLate, which does no I/O; it is not joined, and at worst starts a goroutine in the group.
package send
