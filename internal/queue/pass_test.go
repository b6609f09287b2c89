package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// Whether a lease is passed on to those who wait here, and whether they need it.
func TestPass(t *testing.T) {
	for _, tc := range []struct {
		name           string
		change         func(s *session, c *call) // before the call waits
		after          func(s *session, c *call) // and then
		passed, wanted bool
	}{
		{"the first waits for it", nil, nil, true, true},
		{"the first asks Redis", func(_ *session, c *call) { c.terms.TTL++ }, nil, false, false},
		{"the lease is another's", nil, func(s *session, _ *call) { s.r.leased("a") }, false, false},
		{"nobody waits", nil, func(s *session, c *call) { s.r.qs.leave(&c.Waiter) }, false, false},
		{"it is stopped", nil, func(s *session, _ *call) { s.lease.Stop() }, false, true},
		{"it is nearly over", nil, func(*session, *call) { time.Sleep(9 * time.Second) }, false, true},
		{"closed", nil, func(s *session, _ *call) { s.r.close(errShut) }, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				s, c, next := r.leased("a"), r.call("a"), r.call("a")
				if tc.change != nil {
					tc.change(s, c)
				}
				r.qs.enqueue(&c.Waiter)
				if tc.after != nil {
					tc.after(s, c)
				}
				if tc.passed {
					r.qs.enqueue(&next.Waiter)
				}
				passed, wanted := r.qs.Pass(s.lease, s)
				if passed != tc.passed || wanted != tc.wanted {
					t.Errorf("passed: %v, wanted: %v", passed, wanted)
				}
				if !passed {
					if c.given != nil {
						t.Error("it was given all the same")
					}
					return
				}
				h := c.given.(*session)
				if q := r.qs.of["a"]; h.fence <= s.fence || s.lease.Holder() != c.given || q.lease != s.lease || q.first != &next.Waiter {
					t.Errorf("fence %d follows %d", h.fence, s.fence)
				}
				if c.How != Passed || !c.woken() || next.asker || h.cause != nil {
					t.Errorf("how %q, next asks: %v, ended by %v", c.How, next.asker, h.cause)
				}
			})
		})
	}
}

// Close that comes in the middle of a pass ends the session which gets the lease.
func TestPassWhileClosing(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s, c := r.leased("a"), r.call("a")
		r.qs.enqueue(&c.Waiter)
		r.env.Sched.Stop()
		c.taking = func() { r.close(errShut) }
		if passed, _ := r.qs.Pass(s.lease, s); !passed || c.given.(*session).cause != errShut {
			t.Errorf("passed: %v; the session ended by %v", passed, c.given.(*session).cause)
		}
	})
}

func TestSuccessor(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(s *session, c *call) // before the call waits
		after  func(s *session, c *call) // and then
		is     bool
	}{
		{"the first has not asked", nil, nil, true},
		{"the first asks", func(_ *session, c *call) { c.terms.TTL++ }, nil, false},
		{"without expiry", func(s *session, c *call) { c.terms.NoExpiry, s.lease.Terms().NoExpiry = true, true }, nil, false},
		{"nobody waits", nil, func(s *session, c *call) { s.r.qs.leave(&c.Waiter) }, false},
		{"the lease is another's", nil, func(s *session, _ *call) { s.r.leased("a") }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				s, c := r.leased("a"), r.call("a")
				if tc.change != nil {
					tc.change(s, c)
				}
				r.qs.enqueue(&c.Waiter)
				if tc.after != nil {
					tc.after(s, c)
				}
				c.woken()
				a := r.qs.Successor(s.lease)
				if (a != nil) != tc.is || (a.Request() != nil) != tc.is {
					t.Fatalf("there is one: %v", a != nil)
				}
				if a == nil {
					return
				}
				// It asks by this attempt, but not while the release is under way.
				_, by, at, err := r.qs.nextStep(&c.Waiter)
				if !c.asker || r.qs.of["a"].attempt != a || by != nil || at != trust.Forever || err != nil || c.woken() {
					t.Errorf("it asks by %v at %v, %v", by, at, err)
				}
				if r.qs.Successor(s.lease) != nil {
					t.Error("there are two")
				}
			})
		})
	}
}

// What a release brings to those who wait here.
func TestReleased(t *testing.T) {
	granted := store.Reply{Status: store.Granted, TTL: 3 * time.Second, Fence: 2000}
	queued := store.Reply{Status: store.Held, TTL: 8 * time.Second, Fence: 1500, Place: 2, Label: "h"}
	for _, tc := range []struct {
		name    string
		change  func(r *rig, c *call)
		reply   store.Reply
		inDoubt bool
		err     error
		given   bool
		queued  bool
		askNow  bool
		left    bool // nothing comes of it
	}{
		{name: "granted", reply: granted, given: true},
		{name: "granted, a request is in doubt", reply: granted, inDoubt: true, given: true},
		{name: "granted late", reply: granted, change: func(*rig, *call) { time.Sleep(2900 * time.Millisecond) }, askNow: true},
		{name: "queued", reply: queued, queued: true},
		{name: "an error", err: errStop, inDoubt: true},
		{name: "not ours", reply: store.Reply{Status: store.Gone}},
		{name: "it has left", reply: granted, change: func(r *rig, c *call) { r.qs.leave(&c.Waiter) }, left: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				s, c := r.leased("a"), r.call("a")
				r.qs.enqueue(&c.Waiter)
				a, sent := r.qs.Successor(s.lease), r.qs.Now()
				if tc.change != nil {
					tc.change(r, c)
				}
				s.End(errReleased)
				s.lease.Stop()
				r.qs.Released(s.lease, a, sent, tc.reply, tc.inDoubt, tc.err)
				if a.inFlight != 0 || (c.given != nil) != tc.given || a.queued != tc.queued || a.askNow != tc.askNow {
					t.Errorf("given %v, queued: %v, it asks at once: %v", c.given, a.queued, a.askNow)
				}
				if tc.left {
					if r.qs.Len() != 0 || !a.inDoubt {
						t.Errorf("%d queues are left; in doubt: %v", r.qs.Len(), a.inDoubt)
					}
					return
				}
				q := r.qs.of["a"]
				if !c.woken() || q.lease == s.lease {
					t.Error("the waiter is not told")
				}
				switch {
				case tc.given:
					h := c.given.(*session)
					if c.How != Granted || h.fence != 2000 || q.lease != h.lease || h.lease.InDoubt() != tc.inDoubt {
						t.Errorf("how %q, fence %d, in doubt: %v", c.How, h.fence, h.lease.InDoubt())
					}
				case tc.queued:
					if a.seen != 1500 || a.history != "h" || a.sent != sent {
						t.Errorf("it knows the fence %d and the history %q", a.seen, a.history)
					}
				default:
					_, by, at, _ := r.qs.nextStep(&c.Waiter)
					if by != a || at > r.qs.Now() || a.inDoubt != (tc.inDoubt || tc.askNow) {
						t.Errorf("it asks by %v at %v; in doubt: %v", by, at, a.inDoubt)
					}
				}
			})
		})
	}
}

// The answer to a release without a successor has only the lease to take out of the queue.
func TestReleasedAlone(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s := r.leased("a")
		s.lease.Stop()
		r.qs.Released(s.lease, nil, 0, store.Reply{}, false, errors.New("no answer"))
		if r.qs.Len() != 0 {
			t.Error("the queue is left")
		}
		next := r.leased("a")
		r.qs.Released(s.lease, nil, 0, store.Reply{}, false, nil)
		if q := r.qs.of["a"]; q == nil || q.lease != next.lease {
			t.Error("another's lease was taken out")
		}
	})
}

// A grant to a successor whose waiter has left is not given to the next, by whom the attempt was not
// inherited: it is being withdrawn.
func TestReleasedToNext(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s, c, next := r.leased("a"), r.call("a"), r.call("a")
		next.terms.TTL++
		r.qs.enqueue(&c.Waiter)
		r.qs.enqueue(&next.Waiter)
		a, sent := r.qs.Successor(s.lease), r.qs.Now()
		if _, gone := r.qs.leave(&c.Waiter); gone != a {
			t.Fatal("the attempt is not withdrawn")
		}
		s.lease.Stop()
		r.qs.Released(s.lease, a, sent, store.Reply{Status: store.Granted, TTL: 3 * time.Second, Fence: 2000}, false, nil)
		if next.given != nil || !next.asker || r.qs.of["a"].lease != nil {
			t.Errorf("the next was given %v", next.given)
		}
	})
}
