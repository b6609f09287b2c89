package queue

import (
	"testing"
	"time"
)

// Who leaves before it has the lock: what becomes of the attempt.
func TestLeave(t *testing.T) {
	for _, tc := range []struct {
		name      string
		change    func(c, next *call, a *Attempt)
		withdrawn bool // the attempt is returned
		inherited bool // else, and the next has it
		askNow    bool
	}{
		{"it has a place", func(_, _ *call, _ *Attempt) {}, false, true, false},
		{"it has no place", func(_, _ *call, a *Attempt) { a.queued = false }, false, true, true},
		{"it may have no place", func(_, _ *call, a *Attempt) { a.inDoubt = true }, false, true, true},
		{"a request is under way", func(_, _ *call, a *Attempt) { a.inFlight = 1 }, false, true, true},
		{"another TTL", func(_, next *call, _ *Attempt) { next.terms.TTL++ }, true, false, false},
		{"another label", func(_, next *call, _ *Attempt) { next.terms.Label = "b" }, true, false, false},
		{"the next has a token", func(_, next *call, _ *Attempt) { next.terms.HasToken = true }, true, false, false},
		{"it has a token", func(c, _ *call, _ *Attempt) { c.terms.HasToken = true }, true, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				c, next := r.call("a"), r.call("a")
				a := r.asks(c)
				r.qs.enqueue(&next.Waiter)
				tc.change(c, next, a)
				want := a.inDoubt || a.inFlight > 0
				h, gone := r.qs.leave(&c.Waiter)
				q := r.qs.of["a"]
				if h != nil || (gone == a) != tc.withdrawn || (q.attempt == a) != tc.inherited {
					t.Errorf("withdrawn: %v, inherited: %v", gone == a, q.attempt == a)
				}
				if a.askNow != tc.askNow || a.inDoubt != want {
					t.Errorf("it asks at once: %v; in doubt: %v", a.askNow, a.inDoubt)
				}
				if q.first != &next.Waiter || q.waiting != 1 || !next.asker || !next.woken() {
					t.Error("the next does not ask")
				}
			})
		})
	}
}

func TestLeaveOthers(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		calls := []*call{r.call("a"), r.call("a"), r.call("a")}
		a := r.asks(calls[0])
		for _, c := range calls[1:] {
			r.qs.enqueue(&c.Waiter)
		}
		q := r.qs.of["a"]
		for i, left := range []int{2, 1} { // the second, and then the third
			h, gone := r.qs.leave(&calls[i+1].Waiter)
			if h != nil || gone != nil || int(q.waiting) != left || q.attempt != a || q.first != &calls[0].Waiter || q.last.next != nil {
				t.Errorf("%v, %v, %d wait", h, gone, q.waiting)
			}
		}
		if _, gone := r.qs.leave(&calls[0].Waiter); gone != a || q.first != nil || q.last != nil || r.qs.Len() != 0 {
			t.Errorf("the last has left, and there are %d queues", r.qs.Len())
		}
	})
}

// Who leaves just when the lock has come is told so, and the attempt is not withdrawn.
func TestLeaveWithLock(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		c := r.call("a")
		a := r.asks(c)
		r.qs.Message("g " + part(a) + " 1001 0 h a")
		if !r.qs.claimNow(&c.Waiter) {
			t.Fatal("not given")
		}
		if h, gone := r.qs.leave(&c.Waiter); h == nil || h != c.given || gone != nil {
			t.Errorf("%v, %v", h, gone)
		}
	})
}

// The error that the asker meets first of all is that of all who wait with it.
func TestFail(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(r *rig, q *queue)
		told   bool
	}{
		{"Redis has never answered", func(*rig, *queue) {}, true},
		{"Redis has answered", func(_ *rig, q *queue) { q.hasAnswered = true }, false},
		{"a session here has the lock", func(r *rig, q *queue) { r.leased("a") }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				c, others := r.call("a"), []*call{r.call("a"), r.call("a")}
				r.asks(c)
				for _, o := range others {
					r.qs.enqueue(&o.Waiter)
				}
				elsewhere := r.call("b")
				r.asks(elsewhere)
				q := r.qs.of["a"]
				tc.change(r, q)
				r.qs.fail(q, errStop)
				for _, o := range others {
					_, _, _, err := r.qs.nextStep(&o.Waiter)
					if (err == errStop) != tc.told || o.woken() != tc.told {
						t.Errorf("told %v", err)
					}
				}
				for _, o := range []*call{c, elsewhere} {
					if _, _, _, err := r.qs.nextStep(&o.Waiter); err != nil {
						t.Errorf("the asker is told %v", err)
					}
				}
			})
		})
	}
}

// Who comes while a session here may pass the lock on does not ask Redis; who can't be passed it
// does.
func TestAdvance(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(s *session, c *call)
		asks   bool
	}{
		{"it may be passed on", func(*session, *call) {}, false},
		{"other terms", func(_ *session, c *call) { c.terms.TTL++ }, true},
		{"it is lost", func(s *session, _ *call) { _ = s.lease.Lose(errStop) }, true},
		{"its token is known", func(s *session, _ *call) { s.lease.KeepFrom(s) }, true},
		{"it has ended", func(s *session, _ *call) { s.End(errReleased); s.r.qs.Dropped(s.lease) }, true},
	} {
		for _, before := range []bool{true, false} {
			t.Run(tc.name, func(t *testing.T) {
				alone(t, func(t *testing.T, r *rig) {
					s, c := r.leased("a"), r.call("a")
					if tc.name == "other terms" || before {
						tc.change(s, c)
					}
					r.qs.enqueue(&c.Waiter)
					if !before {
						tc.change(s, c)
					}
					if c.asker != tc.asks || c.woken() != tc.asks {
						t.Errorf("it asks: %v", c.asker)
					}
				})
			})
		}
	}
}

// A lease that is looked after is not dropped, nor is another than the queue's.
func TestDropped(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		old := r.leased("a")
		s, c := r.leased("a"), r.call("a")
		r.qs.enqueue(&c.Waiter)
		old.End(errReleased)
		r.qs.Dropped(old.lease)
		r.qs.Dropped(s.lease)
		if c.asker || r.qs.of["a"].lease != s.lease {
			t.Error("the lease is not the queue's any more")
		}
		s.End(errReleased)
		r.qs.Dropped(s.lease)
		if !c.asker {
			t.Error("it does not ask though nobody has the lock")
		}
		if r.qs.leave(&c.Waiter); r.qs.Len() != 0 {
			t.Errorf("there are %d queues", r.qs.Len())
		}
	})
}

// The end of a lease that nobody notices is found by looking, and then who waits for it asks.
func TestExpiresHere(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s, c := r.leased("a"), r.call("a")
		r.qs.enqueue(&c.Waiter)
		time.Sleep(10 * time.Second)
		if s.lease.Look(); !c.asker || s.cause == nil {
			t.Errorf("it asks: %v; the session ended by %v", c.asker, s.cause)
		}
	})
}
