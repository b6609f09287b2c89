package notify

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestWatch: of which keys the server is told.
func TestWatch(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		r.s.Watch("early")
		r.s.Start()
		c, _ := r.last()
		is(t, "before the start", c.written(), []string{"+key:early"})
		r.s.Watch("a")
		r.s.Watch("a")
		r.s.Watch("nowhere")
		r.s.Unwatch("a")
		r.s.Unwatch("never watched")
		is(t, "twice, and once ended", c.written(), []string{"+key:early", "+key:a"})
		r.s.Unwatch("a")
		is(t, "all ended", c.written(), []string{"+key:early", "+key:a", "-key:a"})
		r.s.Watch("b")
		c.written()
		c.sent <- io.EOF
		time.Sleep(time.Second)
		c, _ = r.last()
		again := c.written()
		slices.Sort(again)
		is(t, "by the next connection", again, []string{"+key:b", "+key:early"})
		r.s.Unwatch("b")
		r.s.Unwatch("early")
		is(t, "when nobody watches any more", c.written()[2:], []string{"-key:b", "-key:early"})
		if len(r.s.keys)+len(r.s.conn.told) != 0 {
			t.Errorf("left: %v, %v", r.s.keys, r.s.conn.told)
		}
	})
}

// TestStuckWrite: nobody waits for a write: neither who watches a key, nor who does not any more,
// nor a message, nor a report. What is undone before it is written is not written.
func TestStuckWrite(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		stuck := make(chan struct{})
		r.make = func(n int, c *conn) {
			if n == 0 {
				c.stuck = stuck
			}
		}
		r.s.Start()
		first, _ := r.last()
		r.heard()
		began := time.Now()
		r.s.Watch("a")
		synctest.Wait() // its write is stuck
		r.s.Watch("b")
		r.s.Unwatch("b")
		r.s.Unwatch("a")
		r.s.Watch("c")
		r.s.Report(Report{Epoch: 1, Known: true, Heard: true})
		first.sent <- &redis.Message{Channel: "key:c", Payload: "del"}
		is(t, "meanwhile", r.heard(), []string{`poke "c"`})
		// The next connection does not wait for the one before.
		first.sent <- io.EOF
		time.Sleep(time.Second)
		second, _ := r.last()
		is(t, "by the next connection", second.written(), []string{"+key:c"})
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		close(stuck)
		is(t, "of what it has missed, the first is told", first.written(), []string{"+key:a"})
	})
}

// TestChangedBack: what changes back while a write is under way is not written.
func TestChangedBack(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		stuck := make(chan struct{})
		r.make = func(_ int, c *conn) { c.stuck = stuck }
		r.s.Start()
		c, _ := r.last()
		r.s.Watch("a")
		synctest.Wait()
		for range 100 {
			r.s.Watch("b")
			r.s.Unwatch("b")
		}
		r.s.Unwatch("a")
		r.s.Watch("a")
		r.s.Watch("c")
		close(stuck)
		is(t, "in the end", c.written(), []string{"+key:a", "+key:c"})
	})
}
