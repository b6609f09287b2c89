package queue

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Once asks once and Wait waits, for a lock that another process holds or that is free.
func TestOnceAndWait(t *testing.T) {
	const limit = 5 * time.Second
	for _, tc := range []struct {
		name   string
		once   bool
		held   bool
		limit  time.Duration // negative: none
		change func(f *redistest.Fake, r *rig, c *call)
		want   error
		took   time.Duration
	}{
		{"once, free", true, false, -1, nil, nil, 0},
		{"once, held", true, true, -1, nil, ErrHeld, 0},
		{"wait, free", false, false, -1, nil, nil, 0},
		{"wait, free, no limit left", false, false, 0, nil, nil, 0},
		{"wait, held", false, true, limit, nil, ErrWaitTimeout, limit},
		{"wait, held, no limit left", false, true, 0, nil, ErrWaitTimeout, 0},
		{"once, cancelled", true, true, -1, func(_ *redistest.Fake, r *rig, c *call) {
			r.link.HoldReplies()
			time.AfterFunc(time.Second, func() { c.stop(errStop) })
		}, errStop, time.Second},
		{"wait, cancelled", false, true, -1, func(_ *redistest.Fake, _ *rig, c *call) {
			time.AfterFunc(time.Second, func() { c.stop(errStop) })
		}, errStop, time.Second},
		{"wait, cancelled without an answer", false, false, -1, func(_ *redistest.Fake, r *rig, c *call) {
			r.link.HoldReplies()
			time.AfterFunc(time.Second, func() { c.stop(errStop) })
		}, errStop, time.Second},
		{"once, closed", true, false, -1, func(_ *redistest.Fake, r *rig, _ *call) { r.shut() }, errShut, 0},
		{"wait, closed", false, false, -1, func(_ *redistest.Fake, r *rig, _ *call) { r.shut() }, errShut, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *redistest.Fake, process func() *rig) {
				other, r := process(), process()
				var s *session
				if tc.held {
					s = other.hold("a")
				}
				c := r.call("a")
				if tc.limit >= 0 {
					c.limit(tc.limit)
				}
				if tc.change != nil {
					tc.change(f, r, c)
				}
				began, ask := time.Now(), r.qs.Wait
				if tc.once {
					ask = r.qs.Once
				}
				h, err := ask(&c.Waiter)
				if took := time.Since(began); !errors.Is(err, tc.want) || (h != nil) != (tc.want == nil) || took != tc.took {
					t.Fatalf("after %v: %v, %v", took, h, err)
				}
				if tc.once && errors.Is(err, ErrHeld) != errors.Is(err, ErrWaitTimeout) {
					t.Errorf("a single try ends with %v", err)
				}
				if h != nil {
					if c.How != Asked || h.(*session).lease.InDoubt() {
						t.Errorf("had by %q", c.How)
					}
					h.(*session).release()
				}
				r.link.Heal()
				time.Sleep(time.Second) // what was under way is taken back
				held := store.Gone
				if tc.held {
					held = store.Held
				}
				if status, waiting := other.inspect("a"); status != held || waiting != 0 {
					t.Errorf("in Redis its status is %d, and %d wait", status, waiting)
				}
				if n := r.qs.Len(); n != 0 {
					t.Errorf("%d queues are left", n)
				}
				if s != nil {
					s.release()
				}
			})
		})
	}
}

// Those of a process who wait for a lock have one place in Redis. They get the lock in the order in
// which they came, the first from the other process, the next by a pass.
func TestWaitInOrder(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		other, r := process(), process()
		s := other.hold("a")
		calls := []*call{r.call("a"), r.call("a"), r.call("a")}
		got := r.wait(calls...)
		if _, waiting := other.inspect("a"); waiting != 1 {
			t.Errorf("%d wait in Redis", waiting)
		}
		time.Sleep(time.Second)
		began := time.Now()
		s.release()
		for i, how := range []How{Granted, Passed, Passed} {
			res := <-got
			if res.c != calls[i] || res.err != nil || res.c.How != how || time.Since(began) > 0 {
				t.Fatalf("after %v: %v, how %q", time.Since(began), res.err, res.c.How)
			}
			res.h.(*session).release()
		}
		if status, _ := r.inspect("a"); status != store.Gone || r.qs.Len() != 0 {
			t.Errorf("in Redis its status is %d; %d queues", status, r.qs.Len())
		}
	})
}

// When the asker gives up the next keeps the place in Redis, before those of other processes.
func TestWaitInherited(t *testing.T) {
	for name, leave := range map[string]func(c *call){
		"cancelled": func(c *call) { c.stop(errStop) },
		"timed out": func(*call) { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
				other, r, third := process(), process(), process()
				s := other.hold("a")
				first, next := r.call("a").limit(time.Second), r.call("a")
				got := r.wait(first, next)
				last := third.wait(third.call("a"))
				leave(first)
				if res := <-got; res.c != first || res.err == nil {
					t.Fatalf("first %v", res.err)
				}
				synctest.Wait()
				if _, waiting := other.inspect("a"); waiting != 2 {
					t.Errorf("%d wait in Redis", waiting)
				}
				s.release()
				res := <-got
				if res.c != next || res.err != nil {
					t.Fatalf("next %v", res.err)
				}
				synctest.Wait()
				if len(last) > 0 {
					t.Error("another process was first")
				}
				res.h.(*session).release()
				if res := <-last; res.err != nil {
					t.Error(res.err)
				}
			})
		})
	}
}

// Close wakes all who wait, at once: for Redis, for the one who asks there, for a session here, and
// for an answer that does not come.
func TestCloseWakesAll(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		other, r := process(), process()
		s, here := other.hold("a"), r.hold("b")
		calls := []*call{r.call("a"), r.call("a"), r.call("b"), r.call("b"), r.call("b")}
		calls[3].terms.TTL++
		got := r.wait(calls...)
		r.link.HoldReplies()
		silent := r.wait(r.call("c"), r.call("c"))
		time.Sleep(50 * time.Millisecond)
		began := time.Now()
		r.shut()
		ended := func(of <-chan result) (res result) {
			select {
			case res = <-of:
			case <-time.After(time.Minute):
				t.Fatal("a call waits on")
			}
			return res
		}
		for range calls {
			if res := ended(got); res.err != errShut || res.h != nil {
				t.Errorf("%v, %v", res.h, res.err)
			}
		}
		for range 2 {
			if res := ended(silent); res.err != errShut {
				t.Errorf("without an answer: %v", res.err)
			}
		}
		if took := time.Since(began); took > 0 || here.cause != errShut {
			t.Errorf("they ended after %v, the session by %v", took, here.cause)
		}
		r.link.Heal()
		r.tasks.Wait()
		for name, held := range map[string]store.Status{"a": store.Held, "c": store.Gone} {
			if status, waiting := other.inspect(name); status != held || waiting != 0 {
				t.Errorf("%s: its status is %d in Redis, and %d wait", name, status, waiting)
			}
		}
		s.release()
	})
}

// An error before Redis has answered at all is that of all who wait; one after that is waited out.
func TestWaitErrors(t *testing.T) {
	const refused = "NOPERM you may not"
	onFake(t, func(t *testing.T, f *redistest.Fake, process func() *rig) {
		other, r := process(), process()
		f.M.SetError(refused)
		r.link.Delay(50 * time.Millisecond)
		got := r.wait(r.call("a"), r.call("a"), r.call("a"), r.call("a"), r.call("a"))
		first := <-got
		// The second may be the asker before it was told, and then it asks once more.
		most := first.took + 100*time.Millisecond
		for range 4 {
			if res := <-got; first.err == nil || res.err == nil || res.err.Error() != first.err.Error() || res.took > most {
				t.Errorf("%v after %v; the first met %v after %v", res.err, res.took, first.err, first.took)
			}
		}
		r.link.Delay(0)
		f.M.SetError("")
		s := other.hold("b")
		late := r.wait(r.call("b"), r.call("b"))
		f.M.SetError("LOADING Redis is loading")
		time.Sleep(5 * time.Second)
		if len(late) > 0 {
			t.Fatalf("it waits no longer: %v", (<-late).err)
		}
		f.M.SetError("")
		s.release()
		for range 2 {
			res := <-late
			if res.err != nil {
				t.Fatal(res.err)
			}
			res.h.(*session).release()
		}
	})
}

// A lock that a token holds is taken up; one that nobody or another holds is not.
func TestResume(t *testing.T) {
	onFake(t, func(t *testing.T, f *redistest.Fake, process func() *rig) {
		other, r := process(), process()
		s := other.hold("a")
		c := r.call("a")
		c.terms.Token, c.terms.HasToken = s.lease.ID().Token(), true
		h, err := r.qs.Resume(&c.Waiter)
		if err != nil || h.(*session).fence <= s.fence || c.persist || r.qs.of["a"].lease != h.(*session).lease {
			t.Fatalf("%v, %v", h, err)
		}
		for _, tc := range []struct{ name, token string }{{"a", "another"}, {"b", "none"}} {
			c := r.call(tc.name)
			c.terms.Token, c.terms.HasToken = tc.token, true
			if h, err := r.qs.Resume(&c.Waiter); err == nil || h != nil {
				t.Errorf("%s by the token %q: %v", tc.name, tc.token, h)
			}
		}
		_ = f.M.Set("c", "forever")
		c = r.call("c")
		c.terms.Token, c.terms.HasToken = "forever", true
		if _, err := r.qs.Resume(&c.Waiter); err != nil || !c.persist {
			t.Errorf("a key without expiry: %v; the call was told: %v", err, c.persist)
		}
	})
}
