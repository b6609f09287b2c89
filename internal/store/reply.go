package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/scripts"
)

// Status is the first number of a script's reply.
type Status int64

// What the scripts reply.
const (
	Kept       Status = 3   // of Inspect: released, and kept by its minimum hold
	Granted    Status = 2   // released, and granted to the successor
	Held       Status = 1   // held by the asker, or done
	Busy       Status = 0   // held by another attempt, or left free for strangers
	Gone       Status = -1  // NAME does not exist
	Taken      Status = -2  // NAME is somebody else's
	Forced     Status = -3  // NAME was deleted by an operator
	Withdrawn  Status = -4  // the attempt has a tombstone
	Stale      Status = -5  // a request with a larger number came first
	Persistent Status = -6  // the lock has no expiry
	Stranger   Status = -7  // held, but not through Holdfast
	Resting    Status = -10 // of AcquireAll: those that can't be had are held by leases that may rest
	Unsettled  Status = -9  // with a grace: given to nobody, since the replication history is not settled
)

// Reply is a script's decoded reply.
type Reply struct {
	Status Status
	TTL    time.Duration // what is left; NoExpiry without end
	Fence  int64
	Place  int64         // in the queue, 1 for the first, 0 if not in it; of Inspect, how many wait
	Label  string        // of Inspect, the holder's; for an attempt that waits, see Waiting
	Queue  []Waiter      // of InspectQueue
	Age    time.Duration // of Inspect, how long ago the holder was given its fence
	Rests  bool          // of Inspect: the lease may rest
	Each   []Reply       // of AcquireAll
	// Of a lease:
	Others bool // others wait for it
	Ahead  bool // its fence is ahead of the server's clock
}

// Waiting returns what a reply to an attempt in the queue has besides the numbers: the replication
// history of the server, empty if that does not say it; and whether nobody listens to the attempt's
// channel.
func (r Reply) Waiting() (history string, unheard bool) {
	history, unheard = strings.CutPrefix(r.Label, "!")
	history, _, _ = strings.Cut(history, " ") // see RUNNING in lib_settled.lua
	return history, unheard
}

// Waiter is an attempt in the queue.
type Waiter struct {
	Label string
	Alive time.Duration // how long it still counts as alive
	// Permits is how many it waits for, as PermitWaiters reads it; 0 of a mutex.
	Permits int
}

// numbers is how many numbers a reply begins with.
const numbers = 4

// decode reads {status, ms left, fence, n[, label[, queue, age, rest]]} and refuses everything else: a reply of
// a proxy, a module or a future version must not look like a lease.
func decode(fields []any) (Reply, error) {
	if len(fields) < numbers || len(fields) > 5 && len(fields) != 8 {
		return Reply{}, malformed(fields)
	}
	var n [numbers]int64
	var ok bool
	for i := range n {
		if n[i], ok = fields[i].(int64); !ok {
			return Reply{}, malformed(fields)
		}
	}
	r := Reply{
		Status: Status(n[0]), TTL: time.Duration(n[1]) * time.Millisecond, Fence: n[2],
		Place: n[3], Others: n[3]&1 != 0, Ahead: n[3]&2 != 0,
	}
	if r.Status > Kept || r.Status < Stranger && !(r.Status == Unsettled && len(fields) == 5) && !(r.Status == Resting && len(fields) == 4) {
		return Reply{}, malformed(fields)
	}
	// No script replies a TTL below -1. One that does not fit into a Duration must not become negative.
	if n[1] < -1 || n[1] > maxMillis || n[2] < 0 || n[3] < 0 {
		return Reply{}, malformed(fields)
	}
	if len(fields) > 4 {
		if r.Label, ok = fields[4].(string); !ok {
			return Reply{}, malformed(fields)
		}
	}
	if len(fields) > 5 {
		list, _ := fields[5].(string)
		if r.Queue, ok = waiters(list); !ok {
			return Reply{}, malformed(fields)
		}
		age, ok := fields[6].(int64)
		if !ok || age < 0 || age > maxMillis {
			return Reply{}, malformed(fields)
		}
		r.Age = time.Duration(age) * time.Millisecond
		rests, ok := fields[7].(int64)
		if !ok || rests < 0 || rests > 1 {
			return Reply{}, malformed(fields)
		}
		r.Rests = rests == 1
	}
	return r, nil
}

// waiters reads the list of waiters of inspect.lua.
func waiters(list string) (queue []Waiter, ok bool) {
	const digits, head = scripts.WaiterDigits, scripts.WaiterHead
	queue = []Waiter{}
	for list != "" {
		if len(list) < head {
			return nil, false
		}
		alive, errAlive := strconv.ParseUint(list[:digits], 10, 64)
		size, errSize := strconv.ParseUint(list[digits:head], 10, 16)
		if list = list[head:]; errAlive != nil || errSize != nil || int64(alive) > maxMillis || int(size) > len(list) {
			return nil, false
		}
		queue = append(queue, Waiter{Label: list[:size], Alive: time.Duration(alive) * time.Millisecond})
		list = list[size:]
	}
	return queue, true
}

// failure reads {-8, 0, 0, 0, text}, which is the error of one lock of several: see lib_each.lua.
func failure(fields []any) (text string, ok bool) {
	if len(fields) == 5 && fields[0] == int64(-8) {
		text, ok = fields[4].(string)
	}
	return strings.TrimSpace(text), ok // Redis 6 ends it with a newline
}

// minFence is the least number that can be a fence, a time in µs. A smaller one, less than a second
// after 1970, more likely counts something.
const minFence = 1_000_000

// maxMillis is the largest Duration, in ms.
const maxMillis = int64(1<<63-1) / int64(time.Millisecond)

func malformed(v any) error {
	return fmt.Errorf("a reply that no Holdfast script makes (%T)", v)
}
