package store

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/scripts"
)

// Call is what a script is to do for one lock and, after [Backend.Do], what came of it.
type Call struct {
	Lock   *Lock
	script *scripts.Script
	owner  any   // see ID, and together
	args   []any // may be shared with calls for other locks
	Reply  Reply
	Err    error

	// With a failover grace, see judge:
	again int  // how often the call was made again
	gave  bool // an earlier run gave the lock, which did not count
}

func newCall(script *scripts.Script, id ID, args []any) Call {
	return Call{script: script, Lock: id.Lock, owner: id.owner, args: args}
}

// Calls makes calls. It does no I/O.
type Calls struct {
	// flags go with every script that may grant the lock: "s" if the server that runs it knows all
	// who listen to a channel. A node of a Cluster does not.
	flags     string
	releasing []any // the arguments of most releases
	acquiring atomic.Pointer[acquiring]
}

// acquiring is the arguments of an acquisition. Most often the next one has the same.
type acquiring struct {
	ttl                  time.Duration
	want, label, channel string
	mode                 string // see acquire.lua
	args                 []any
}

// Acquire takes NAME if it is free and nobody waits for it: Held with a fence; Busy or Stranger; or
// Withdrawn. With queue, an attempt that does not get NAME joins the queue, or stays in it, and must
// ask again within scripts.Alive. From then on it may be granted the lock at any time. More of the
// reply to one that waits is in [Reply.Waiting].
func (c *Calls) Acquire(a Attempt, queue bool) Call {
	if queue {
		return c.acquire(a, "q")
	}
	return c.acquire(a, "")
}

// Try is Acquire for an attempt that does not wait if the lock is in use. It joins the queue, as the first,
// only if the holder's lease may rest. Then the holder gives the lock back, or says on the attempt's channel
// that it is in use.
func (c *Calls) Try(a Attempt) Call { return c.acquire(a, "r") }

func (c *Calls) acquire(a Attempt, mode string) Call {
	last := c.acquiring.Load()
	if last == nil || last.ttl != a.TTL || last.want != a.Want || last.label != a.Label || last.channel != a.Channel || last.mode != mode {
		last = &acquiring{a.TTL, a.Want, a.Label, a.Channel, mode, []any{a.TTL.Milliseconds(), c.flags + mode, a.info()}}
		c.acquiring.Store(last)
	}
	return newCall(a.Lock.kind.Acquire, a.ID, last.args)
}

// Resume takes over the lease of the ID's token: Held with a new fence, Gone, Taken, or Withdrawn.
func (c *Calls) Resume(a Attempt) Call {
	return newCall(a.Lock.kind.Resume, a.ID, []any{a.TTL.Milliseconds(), a.info()})
}

// Renew makes sure that at least ttl is left: Held with what is left, or Gone, Taken, Forced. A seq
// other than 0 makes every Extend with a smaller one void. keepAux renews AUX too, which is needed
// once in some hours. A fence other than 0 is the largest that was used under this lease.
func (c *Calls) Renew(id ID, ttl time.Duration, seq uint32, keepAux bool, fence int64) Call {
	var number any = ""
	if seq != 0 {
		number = seq
	}
	return newCall(id.Lock.kind.Renew, id, []any{ttl.Milliseconds(), number, flag(keepAux), unlessZero(fence)})
}

// Extend adds d to what is left, or replaces what is left: Held with what is left now, or Gone,
// Taken, Forced, Stale, Persistent. The seq is larger than that of every earlier call for this ID;
// a second call with the same seq does nothing more.
func (c *Calls) Extend(id ID, d time.Duration, replace bool, seq uint32) Call {
	mode := "add"
	if replace {
		mode = "set"
	}
	return newCall(id.Lock.kind.Extend, id, []any{d.Milliseconds(), mode, seq})
}

// Release gives NAME, if it is still this ID's, to the first in the queue, or to nobody if the queue
// is empty: Held if it was this ID's, or Gone, Taken, Forced. An ID that waits leaves the queue. A
// tombstone longer than 0 stays that long: a request of this attempt which arrives meanwhile does
// nothing. A fence other than 0 is the largest that was used under this lease.
//
// A successor is an attempt that joins the queue before NAME is given to the first: Granted, with the
// successor's lease, if it was the first.
func (c *Calls) Release(id ID, tombstone time.Duration, fence int64, successor *Attempt) Call {
	if tombstone <= 0 && fence == 0 && successor == nil {
		return newCall(id.Lock.kind.Release, id, c.releasing)
	}
	args := []any{c.flags + "d", lasting(tombstone), unlessZero(fence)}
	if successor != nil {
		args = append(args, successor.owner, successor.TTL.Milliseconds(), successor.info())
	}
	return newCall(id.Lock.kind.Release, id, args)
}

// Keep is a Release that keeps NAME from everybody for rest: Held if it does, or an earlier call did.
func (c *Calls) Keep(id ID, tombstone time.Duration, fence int64, rest time.Duration) Call {
	ms := (rest + time.Millisecond - 1).Milliseconds()
	return newCall(id.Lock.kind.Release, id, []any{c.flags + "d", lasting(tombstone), unlessZero(fence), ms})
}

// LeavingFree returns the release with a strangers' turn: once in every, NAME is left free for gap
// although others wait.
func (c Call) LeavingFree(every, gap time.Duration) Call {
	args := slices.Clone(c.args)
	args[0] = fmt.Sprintf("%st%d,%d", args[0], every.Milliseconds(), gap.Milliseconds())
	c.args = args
	return c
}

// Free is a Release that gives NAME to nobody and leaves the queue as it is. It is for a slot that
// migrates, where Release may find that not all keys are there: see [Moving].
func (c *Calls) Free(id ID, tombstone time.Duration, fence int64) Call {
	return newCall(id.Lock.kind.Free, id, []any{lasting(tombstone), unlessZero(fence)})
}

// Drop is Free by NAME alone, for a token that Holdfast made. Of permits it is Free.
func (c *Calls) Drop(id ID) Call {
	if id.Lock.kind.Drop == nil {
		return c.Free(id, 0, 0)
	}
	return newCall(id.Lock.kind.Drop, id, nil)
}

// Withdraw leaves a tombstone, and does nothing else.
func (c *Calls) Withdraw(id ID, tombstone time.Duration) Call {
	return newCall(id.Lock.kind.Release, id, []any{"", lasting(tombstone), ""})
}

// Check asks whether NAME is still this ID's: Held with what is left, or Gone, Taken, Forced.
func (c *Calls) Check(id ID) Call { return newCall(id.Lock.kind.Check, id, nil) }

// Announce tells Redis which channel the holder of a lease listens to, and replies as Check does.
func (c *Calls) Announce(a Attempt) Call {
	return newCall(a.Lock.kind.Announce, a.ID, []any{a.info()})
}

// Inspect asks who holds NAME: Held by Holdfast, Kept, Stranger, or Gone if it is free.
func (c *Calls) Inspect(lock *Lock) Call {
	return newCall(lock.kind.Inspect, nobody(lock), []any{""})
}

// InspectQueue is Inspect with the list of the waiters.
func (c *Calls) InspectQueue(lock *Lock) Call {
	return newCall(lock.kind.Inspect, nobody(lock), []any{"w"})
}

// Force takes NAME from whoever holds it: Held if somebody did, else Gone. With a fence other than
// 0 it does so only if that is the holder's: else Taken, with the holder's fence, or Stranger.
func (c *Calls) Force(lock *Lock, fence int64) Call {
	return newCall(lock.kind.Force, nobody(lock), []any{c.flags, unlessZero(fence)})
}

// ForceStranger is a Force that takes NAME only from a stranger: else Taken, with the holder's fence.
func (c *Calls) ForceStranger(lock *Lock) Call {
	return newCall(lock.kind.Force, nobody(lock), []any{c.flags, "-"})
}

// nobody is the ID of a call that has no owner.
func nobody(lock *Lock) ID { return NewID(lock, "", "") }

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

func unlessZero(fence int64) any {
	if fence == 0 {
		return ""
	}
	return fence
}
