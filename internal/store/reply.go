package store

import (
	"fmt"
	"strconv"
	"time"
)

// Status is a script's answer. The numbers are the scripts'.
type Status int64

// What the scripts reply.
const (
	Granted    Status = 2 // released, and granted to the attempt that came along
	Held       Status = 1
	Busy       Status = 0  // held by another of ours
	Gone       Status = -1 // NAME does not exist
	Taken      Status = -2 // NAME is another's
	Forced     Status = -3 // NAME was deleted by an operator
	Withdrawn  Status = -4 // the attempt has a tombstone
	Stale      Status = -5 // a later request overtook this one
	Persistent Status = -6 // the lock has no expiry
	Stranger   Status = -7 // held, but not through Holdfast
)

// Unheard as a label: see [Store.Acquire].
const Unheard = "!"

// Reply is a script's decoded reply.
type Reply struct {
	Status Status
	TTL    time.Duration // what is left; NoExpiry without end
	Fence  int64
	Place  int64 // in the queue, 1 for the first, 0 for none; of Inspect, how many wait
	Label  string
	Queue  []Waiter // of InspectQueue
	// Of a lease:
	Others bool // others wait for it
	Ahead  bool // its fence ran ahead of the server's clock
}

// Waiter is one who stands in the queue.
type Waiter struct {
	Label string
	Alive time.Duration // for how long it counts as alive yet
}

// numbers is how many numbers every reply begins with.
const numbers = 4

// decode reads {status, ms left, fence, n[, label[, queue]]} and refuses everything else: what a
// proxy, a module or a future version might say must not pass for a lease.
func decode(fields []any) (Reply, error) {
	if len(fields) < numbers || len(fields) > 6 {
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
	if r.Status < Stranger || r.Status > Granted {
		return Reply{}, malformed(fields)
	}
	// A TTL below -1 is none that a script returns; one past the range of a Duration
	// must not come out negative.
	if n[1] < -1 || n[1] > most || n[2] < 0 || n[3] < 0 {
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
	}
	return r, nil
}

// waiters reads the list of waiters that inspect.lua makes.
func waiters(list string) (queue []Waiter, ok bool) {
	const digits, head = 15, 18
	queue = []Waiter{}
	for list != "" {
		if len(list) < head {
			return nil, false
		}
		alive, errAlive := strconv.ParseUint(list[:digits], 10, 64)
		size, errSize := strconv.ParseUint(list[digits:head], 10, 16)
		if list = list[head:]; errAlive != nil || errSize != nil || int64(alive) > most || int(size) > len(list) {
			return nil, false
		}
		queue = append(queue, Waiter{list[:size], time.Duration(alive) * time.Millisecond})
		list = list[size:]
	}
	return queue, true
}

// failure reads {-8, 0, 0, 0, text}, which a script replies for one lock of several.
func failure(fields []any) (text string, ok bool) {
	if len(fields) == 5 && fields[0] == int64(-8) {
		text, ok = fields[4].(string)
	}
	return text, ok
}

// fenceLeast and fenceMost bound a time in µs that is a fence. Less than a second since 1970 is more
// likely a count of something; more than that a number of Lua's does not hold.
const fenceLeast, fenceMost = 1_000_000, 1 << 53

// most is the largest Duration, in ms.
const most = int64(1<<63-1) / int64(time.Millisecond)

func malformed(v any) error {
	return fmt.Errorf("a reply that no Holdfast script makes (%T)", v)
}
