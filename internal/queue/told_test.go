package queue

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/store"
)

// TestToldBeforeItHas: a message that others wait, which comes when Redis has given the lock and the process
// has not got the answer, or not given it to the call, counts for the lease.
func TestToldBeforeItHas(t *testing.T) {
	for name, way := range map[string]struct{ single, before, after bool }{
		"before the answer":                  {before: true},
		"after it":                           {after: true},
		"of a single try, before the answer": {single: true, before: true},
		"of a single try, after it":          {single: true, after: true},
		"none":                               {},
		"none, of a single try":              {single: true},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				c := r.call("a")
				c.terms.Linger = 5 * time.Second
				var a *Attempt
				if way.single {
					c.begin(r.qs)
					a = newAttempt(&c.Waiter)
					defer r.qs.asksOutside(a)()
				} else {
					a = r.comes(c)
				}
				a.Channel, a.epoch = "channel", 1
				if way.before {
					r.qs.Message("w a")
				}
				l := r.answered(c, a)
				if way.after {
					r.qs.Message("w a")
				}
				if !way.single {
					if h, err := r.qs.onReply(&c.Waiter, a, l, nil); h != l.Holder() {
						t.Fatalf("it has %v, %v", h, err)
					}
				}
				if rests := r.qs.Rest(l, l.Holder()); rests == (way.before || way.after) {
					t.Errorf("it rests: %v", rests)
				}
			})
		})
	}
}

// answered has the attempt of a call told that it has the lock.
func (r *rig) answered(c *call, a *Attempt) *lease.Lease {
	r.t.Helper()
	l, _, err := r.qs.answered(&c.Waiter, a, r.qs.Now(), store.Reply{Status: store.Held, TTL: c.terms.TTL, Fence: 5}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// TestOlderAnswer: an answer to a renewal from before a message that others wait does not make it untrue.
func TestOlderAnswer(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s := r.leased("a")
		renewal := func() lease.Request {
			s.lease.Ask()
			requests, _ := s.lease.Due(r.qs.Now(), nil)
			return requests[0]
		}
		answer := func(req lease.Request, others bool) {
			req.Call = new(r.qs.Store.Check(s.lease.ID()))
			req.Answer(r.qs.Now(), store.Reply{Status: store.Held, TTL: 10 * time.Second, Others: others}, nil)
		}
		passed := func() bool {
			next := r.call("a")
			r.enqueue(next)
			passed, _ := r.qs.Pass(s.lease, s.lease.Holder())
			return passed
		}
		time.Sleep(50 * time.Millisecond) // longer than it is passed on while others wait
		before := renewal()
		r.qs.Message("w a")
		after := renewal() // the first has no answer yet
		answer(after, true)
		answer(before, false)
		if passed() {
			t.Error("it was passed on, though others wait")
		}
		answer(renewal(), false)
		if !passed() {
			t.Error("it was not passed on, though nobody waits any more")
		}
	})
}

// TestTurnBeforeAnswer: a message that says when it is a waiter's turn, and overtakes the answer to its
// request, counts, and no longer than until it asks again.
func TestTurnBeforeAnswer(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		c := r.call("a")
		a := r.comes(c)
		a.Channel = "channel"
		busy := store.Reply{Status: store.Busy, TTL: 10 * time.Second, Fence: 5, Place: 1}
		asks := func() time.Duration {
			_, _, _ = r.qs.answered(&c.Waiter, a, r.qs.Now(), busy, nil)
			_, _ = r.qs.onReply(&c.Waiter, a, nil, nil)
			_, _, at, _ := r.qs.nextStep(&c.Waiter)
			return at - r.qs.Now()
		}
		r.qs.Message("p 20 a")
		if d := asks(); d > 30*time.Millisecond {
			t.Errorf("it asks again after %v, and its turn is in 20ms", d)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it asks no server
		_, _, _ = r.qs.try(ctx, &c.Waiter, a, true)
		if d := asks(); d < 30*time.Millisecond {
			t.Errorf("it asks again after %v for a turn that is over", d)
		}
	})
}

// TestLostBeforeServed: a lease that is lost before its call has it leaves nothing in the queue.
func TestLostBeforeServed(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		c := r.call("a")
		a := r.comes(c)
		l := r.answered(c, a)
		_ = l.Lose(errStop)
		if h, err := r.qs.onReply(&c.Waiter, a, l, nil); h != l.Holder() {
			t.Errorf("it has %v, %v", h, err)
		}
		if n := r.qs.Len(); n != 0 {
			t.Errorf("%d queues are left", n)
		}
	})
}
