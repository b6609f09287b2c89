package queue

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/scripts"
)

// enqueue puts a call into its queue.
func (r *rig) enqueue(c *call) {
	c.begin(r.qs)
	r.qs.enqueue(&c.Waiter)
}

// comes puts a call into its queue, as the asker with an attempt that has not asked yet.
func (r *rig) comes(c *call) *Attempt {
	r.enqueue(c)
	_, a, _, _ := r.qs.nextStep(&c.Waiter)
	return a
}

// asks is comes for an attempt that has a place in Redis: the answer to a request that was sent now said so,
// with the fence 1000 and the history "h".
func (r *rig) asks(c *call) *Attempt {
	a := r.comes(c)
	a.Channel, a.queued, a.sent, a.seen, a.history, a.next = "channel", true, r.qs.Now(), 1000, "h", trust.Forever
	c.woken()
	return a
}

// woken reports whether the waiter was notified since it was last asked.
func (w *Waiter) woken() bool {
	select {
	case <-w.wake:
		return true
	default:
		return false
	}
}

// leased returns a lease of this process, granted now, with what the queue of its lock has of it.
func (r *rig) leased(name string) *session {
	c, uid, now := r.call(name), uuid.New(), r.qs.Now()
	id := store.NewID(c.Lock.Keys(), uid.String(), "")
	l := lease.New(c.Lock, c, lease.Grant{
		Reply: store.Reply{Status: store.Held, TTL: c.terms.TTL, Fence: 1000},
		Sent:  now, From: now, Now: now, UID: uid, ID: &id, HasChannel: true, Epoch: 1,
	})
	r.qs.mu.Lock()
	defer r.qs.mu.Unlock()
	r.qs.queue(l.Key()).leases.add(l)
	return l.Holder().(*session)
}

func part(a *Attempt) string { return a.uid.String()[:scripts.AttemptInMessage] }

func TestMessages(t *testing.T) {
	const after = 5 * time.Millisecond
	for _, tc := range []struct {
		text string // $ stands for the part of the attempt
		want string
	}{
		{"g $ 2000 0 h a", "granted"},
		{"g $ 2000 1 h a", "granted"},
		{"g $ 2000 0  a", "granted"}, // no history
		{"g $ 2000 0 h b", ""},
		{"g $ x 0 h a", ""},
		{"g $ 2000 x h a", ""},
		{"g $ 2000 0 h", ""},
		{"g $", ""},
		{"g 000000000000000000 2000 0 h a", ""}, // another attempt's
		{"g  2000 0 h a", ""},
		{"g 0 2000 0 h a", ""},
		{"g $0 2000 0 h a", ""},
		{"w a", "others"},
		{"w b", ""},
		{"w", ""},
		{"r a", "ask"},
		{"r b", ""},
		{"p 4 a", "turn"},
		{"p 4 b", ""},
		{"p x a", ""},
		{"p 4", ""},
		{"p 9999999999 a", "told"}, // later than it would ask anyway
		{"c a", "check"},
		{"c b", ""},
		{"c", ""},
		{"", ""},
		{"g", ""},
		{"x a", ""},
		{"ga", ""},
	} {
		t.Run(tc.text, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				c := r.call("a")
				c.terms.Label = "another"
				s := r.leased("a")
				a := r.asks(c)
				a.next = r.qs.Now() + time.Second
				r.qs.Message(strings.ReplaceAll(tc.text, "$", part(a)))
				var got []string
				if a.grant != nil {
					got = append(got, "granted")
				}
				if passes := r.passes(s); a.others != (passes < 20) {
					t.Errorf("%d passes", passes)
				} else if a.others {
					got = append(got, "others")
				}
				if a.askNow {
					got = append(got, "ask")
				}
				woken := c.woken()
				switch a.next - r.qs.Now() {
				case after:
					got = append(got, "turn")
				case time.Second:
					if woken && a.grant == nil && !a.askNow {
						got = append(got, "told")
					}
				default:
					t.Errorf("it asks after %v", a.next-r.qs.Now())
				}
				if s.lease.Sched().TakeNow() {
					got = append(got, "check")
				}
				if strings.Join(got, " ") != tc.want {
					t.Errorf("%q, not %q", got, tc.want)
				}
				if wakes := tc.want != "" && tc.want != "others" && tc.want != "check"; woken != wakes {
					t.Errorf("woken: %v", woken)
				}
			})
		})
	}
}

// passes counts how often the lease can be passed on, up to 20 times.
func (r *rig) passes(s *session) (n int) {
	for h := lease.Holder(s); n < 20; n++ {
		if h = s.lease.Pass(h, r.call("a"), 1, lease.Beside{}); h == nil {
			break
		}
	}
	return n
}

// A message of a queue in which nobody is, for a lease is all that it has.
func TestMessageToNobody(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		s := r.leased("a")
		for _, text := range []string{"g 000000000000000000 2000 0 h a", "w a", "r a", "p 4 a"} {
			r.qs.Message(text)
		}
		r.qs.Poke("a")
		r.qs.Poke("")
		if n := r.passes(s); n != 8 {
			t.Errorf("%d passes, though others wait", n)
		}
	})
}

func TestPoke(t *testing.T) {
	for name, want := range map[string][2]bool{"a": {true, false}, "": {true, true}, "c": {}} {
		alone(t, func(t *testing.T, r *rig) {
			calls := [2]*call{r.call("a"), r.call("b")}
			for i, c := range calls {
				a := r.asks(c)
				defer func() {
					if a.askNow != want[i] || c.woken() != want[i] {
						t.Errorf("poked %q: asker %d asks now: %v", name, i, a.askNow)
					}
				}()
			}
			r.qs.Poke(name)
		})
	}
}

// Which grants a message is believed of, and which are confirmed first.
func TestClaim(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(r *rig, c *call, a *Attempt)
		fence  string
		given  bool
	}{
		{"a larger fence", func(*rig, *call, *Attempt) {}, "1001", true},
		{"the same fence", func(*rig, *call, *Attempt) {}, "1000", false},
		{"an older fence", func(*rig, *call, *Attempt) {}, "999", false},
		{"the last fence is forgotten", func(_ *rig, _ *call, a *Attempt) {
			a.onQueued(0, a.sent, store.Reply{Place: 1, TTL: time.Second, Label: "h"})
			if a.seen != math.MaxInt64 {
				a.seen = 0 // then the claim is believed, and the test fails
			}
		}, "1001", false},
		{"another history", func(_ *rig, _ *call, a *Attempt) { a.history = "i" }, "1001", false},
		{"no history known", func(_ *rig, _ *call, a *Attempt) { a.history = "" }, "1001", false},
		{"no place in Redis's queue", func(_ *rig, _ *call, a *Attempt) { a.queued = false }, "1001", false},
		{"in time", func(*rig, *call, *Attempt) { time.Sleep(1400 * time.Millisecond) }, "1001", true},
		{"late", func(*rig, *call, *Attempt) { time.Sleep(2900 * time.Millisecond) }, "1001", false},
		{"over", func(*rig, *call, *Attempt) { time.Sleep(time.Minute) }, "1001", false},
		{"without expiry", func(_ *rig, c *call, _ *Attempt) { c.terms.NoExpiry = true }, "1001", false},
		{"closed", func(r *rig, _ *call, _ *Attempt) { r.shut() }, "1001", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone(t, func(t *testing.T, r *rig) {
				c, next := r.call("a"), r.call("a")
				a := r.asks(c)
				r.qs.enqueue(&next.Waiter)
				a.inFlight = 1
				tc.change(r, c, a)
				r.qs.Message("g " + part(a) + " " + tc.fence + " 1 h a")
				if !c.woken() && tc.name != "closed" {
					t.Error("the asker is not woken")
				}
				if got := r.qs.claimNow(&c.Waiter); got != tc.given {
					t.Fatalf("believed: %v", got)
				}
				q := r.qs.of["a"]
				if !tc.given {
					// One without a place asks anyway.
					if c.given != nil || q.lease != nil || q.first != &c.Waiter || a.askNow != a.queued {
						t.Error("it does not ask at once")
					}
					return
				}
				l := q.lease
				if c.How != Granted || c.given.(*session).fence != 1001 || q.attempt != nil || q.first != &next.Waiter {
					t.Errorf("given %+v, how %q", c.given, c.How)
				}
				if end := a.sent + trust.Trusted(trust.ClaimTTL); l.ValidUntil() != end || !l.InDoubt() {
					t.Errorf("believed until %v, not %v; in doubt: %v", l.ValidUntil(), end, l.InDoubt())
				}
				if r.qs.claimNow(&next.Waiter) {
					t.Error("given twice")
				}
			})
		})
	}
}

// Only the asker takes a grant, which comes to the attempt of its queue.
func TestClaimOfOthers(t *testing.T) {
	alone(t, func(t *testing.T, r *rig) {
		c, next := r.call("a"), r.call("a")
		a := r.asks(c)
		r.qs.enqueue(&next.Waiter)
		r.qs.Message("g " + part(a) + " 1001 0 h a")
		if r.qs.claimNow(&next.Waiter) || next.given != nil {
			t.Error("the second was given the lock")
		}
		if !r.qs.claimNow(&c.Waiter) {
			t.Error("the first was not")
		}
	})
}
