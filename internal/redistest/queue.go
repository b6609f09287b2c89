package redistest

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// The errors look like those of real sockets, also to errors.Is.
var (
	errReset   = socketError("read", "read", syscall.ECONNRESET)
	errPipe    = socketError("write", "write", syscall.EPIPE)
	errRefused = socketError("dial", "connect", syscall.ECONNREFUSED)
)

func socketError(op, call string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, err)}
}

// queue is one direction of one connection. Writing never blocks: the queue is
// unbounded, so that a held link cannot block a writer, which would make a
// fault look different from a network that buffers.
//
// Readers wait on channels and timers only, as a synctest bubble needs.
type queue struct {
	g        *gate // its lock guards the fields below
	w        *wire
	mask     uint8 // the holds that concern this direction
	items    []item
	err      error     // set: nothing is delivered any more
	deadline time.Time // of the reader; zero is none
	changed  chan struct{}
}

// item is a piece of the stream, or its end.
type item struct {
	data []byte
	end  error     // if set, what readers get from here on
	due  time.Time // not delivered before; the zero time is in the past
}

func newQueue(g *gate, w *wire, mask uint8) *queue {
	return &queue{g: g, w: w, mask: mask, changed: make(chan struct{})}
}

// The methods wake, fail, end, add and size need the gate's lock.

// wake lets the readers look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// fail makes reads return err from now on and drops what is queued. The first
// failure is kept.
func (q *queue) fail(err error) {
	if q.err == nil {
		q.err = err
		q.items = nil
		q.wake()
	}
}

// end closes the stream in order: readers get err after what is queued.
func (q *queue) end(err error) { q.add(item{end: err}) }

func (q *queue) add(it item) {
	last := len(q.items) - 1
	if q.err != nil || last >= 0 && q.items[last].end != nil {
		return // nobody will read it
	}
	if q.w != nil && !q.g.send(q.w) {
		return
	}
	if q.g.delay > 0 {
		it.due = time.Now().Add(q.g.delay)
	}
	// A shorter delay than before must not overtake.
	if last >= 0 && it.due.Before(q.items[last].due) {
		it.due = q.items[last].due
	}
	q.items = append(q.items, it)
	q.wake()
}

func (q *queue) size() int {
	n := 0
	for _, it := range q.items {
		n += len(it.data)
	}
	return n
}

// write queues a copy of p.
func (q *queue) write(p []byte) {
	if len(p) == 0 {
		return
	}
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	q.add(item{data: slices.Clone(p)})
}

// close is end for callers without the lock.
func (q *queue) close(err error) {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	q.end(err)
}

// abort is fail for callers without the lock.
func (q *queue) abort(err error) {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	q.fail(err)
}

// failure tells whether reads fail for good, and why. Like a socket it reports
// a reset once and then EOF. That shows: go-redis peeks before it reads, and
// with RESP3 swallows the first error.
func (q *queue) failure() error {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	return q.failureLocked()
}

func (q *queue) failureLocked() error {
	err := q.err
	if err == errReset {
		q.err = io.EOF
	}
	return err
}

func (q *queue) setDeadline(t time.Time) {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	q.deadline = t
	q.wake()
}

// read waits for bytes that may be delivered. With an empty p it takes none.
func (q *queue) read(p []byte) (int, error) {
	for {
		n, changed, wait, err := q.tryRead(p)
		if changed == nil {
			return n, err
		}
		if wait <= 0 { // nothing but a change ends the wait
			<-changed
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tryRead reads, or returns a channel that is closed at the next change and
// how long to wait for it at most (0: no limit).
func (q *queue) tryRead(p []byte) (n int, changed <-chan struct{}, wait time.Duration, err error) {
	q.g.mu.Lock()
	defer q.g.mu.Unlock()
	now := time.Now()
	if err := q.failureLocked(); err != nil {
		return 0, nil, 0, err
	}
	if !q.deadline.IsZero() {
		if wait = q.deadline.Sub(now); wait <= 0 {
			return 0, nil, 0, os.ErrDeadlineExceeded
		}
	}
	if len(q.items) > 0 && q.g.holds&q.mask == 0 {
		head := &q.items[0]
		due := head.due.Sub(now)
		if due <= 0 {
			if head.end != nil {
				return 0, nil, 0, head.end
			}
			n = copy(p, head.data)
			if head.data = head.data[n:]; len(head.data) == 0 {
				q.items = q.items[1:]
			}
			return n, nil, 0, nil
		}
		if wait == 0 || due < wait {
			wait = due
		}
	}
	return 0, q.changed, wait, nil
}
