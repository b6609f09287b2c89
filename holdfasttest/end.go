package holdfasttest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// grace is what releases that are under way have at the end of a test.
const grace = 5 * time.Second

// cleanups is a testing.TB whose clean-ups run when Redis.end says so: those of the clients must come
// after the check that nothing is held.
type cleanups struct {
	testing.TB
	mu    sync.Mutex
	funcs []func()
}

func (c *cleanups) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.funcs = append(c.funcs, f)
}

// run runs the clean-ups, the last first.
func (c *cleanups) run() {
	c.mu.Lock()
	funcs := c.funcs
	c.mu.Unlock()
	for _, f := range slices.Backward(funcs) {
		f()
	}
}

// end ends everything, when the test has ended.
func (r *Redis) end() {
	r.t.Helper()
	if r.wrongBubble() != "" {
		return // mustBeInside has panicked, and to close anything from here could hang
	}
	defer func() {
		if r.bubble != "" {
			// What is stuck in go-redis ends with its own time-outs: a dial is tried five times.
			time.Sleep(patience)
		}
	}()
	defer r.ended.Store(true)
	defer func() { // also after a Fatal
		if r.closeLockers() {
			r.atEnd.run()
		}
	}()
	r.setFrozen("the end of the test", false)
	for _, p := range r.everybody() {
		p.set(isWhole)
	}
	for _, h := range r.holds {
		_ = h.release()
	}
	if !r.t.Failed() {
		r.checkFree()
	}
}

// closeLockers closes the Lockers, and reports whether they are closed.
func (r *Redis) closeLockers() bool {
	r.t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, p := range append(r.everybody(), r.control) {
			p.close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(2 * grace):
		r.t.Errorf("holdfasttest: at the end of the test the Close of a Locker has not returned after %v: if the Locker "+
			"is used in a synctest bubble, make it there", 2*grace)
		return false
	}
	time.Sleep(time.Millisecond) // a subscription may just begin
	if !poll(grace, func() bool { return len(r.fake.M.PubSubChannels("holdfast:*")) == 0 }) && !r.t.Failed() {
		r.t.Errorf("holdfasttest: at the end of the test a Locker made by holdfast.New on a client of this Redis " +
			"is still open: call its Close")
	}
	return true
}

// checkFree fails the test if somebody holds a lock or waits for one.
func (r *Redis) checkFree() {
	r.t.Helper()
	if r.allowAll {
		return
	}
	var busy []string
	if !poll(grace, func() bool { busy = r.busy(nil, r.allowed); return len(busy) == 0 }) {
		r.t.Errorf("holdfasttest: at the end of the test %s. Release the lock and end the goroutines that wait, "+
			"or name it in AllowHeld", strings.Join(busy, "; "))
	}
}
