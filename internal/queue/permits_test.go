package queue

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/store"
)

// permit returns a call for one of two permits.
func (r *rig) permit(name string) *call {
	if r.locks[name] == nil {
		r.locks[name] = &lease.Lock{Env: &r.env, Name: name, Kind: store.Permits}
	}
	c := r.call(name)
	c.terms.Weight, c.terms.Limit = 1, 2
	return c
}

// TestPassBesideAnAnswer: a lease is not passed to a waiter that has been given permits and has not taken
// notice yet, but to the next, and with a fence of its own.
func TestPassBesideAnAnswer(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		r := process()
		s := r.has(r.permit("a"))
		first, next := r.permit("a"), r.permit("a")
		a := r.comes(first)
		r.enqueue(next)
		time.Sleep(50 * time.Microsecond)
		l, _, err := r.qs.try(context.Background(), &first.Waiter, a, true)
		if l == nil {
			t.Fatal(err)
		}
		time.Sleep(1030 * time.Nanosecond) // then the clock less 2% says what the answer's fence is
		if passed, _ := r.qs.Pass(s.lease, s); !passed {
			t.Fatal("it was not passed on")
		}
		if given := next.given; given == nil || given.(*session).lease != s.lease {
			t.Errorf("the next has %v", given)
		} else if fence := given.(*session).fence; fence <= l.Fence() {
			t.Errorf("the next has the fence %d, and the first was given %d", fence, l.Fence())
		}
		if h, err := r.qs.onReply(&first.Waiter, a, l, nil); err != nil || h == nil || h.(*session).lease != l {
			t.Errorf("the first has %v, %v, and not what it was given", h, err)
		}
	})
}

// TestPassBeforeItAsks: a waiter that is passed a lease just before it asks leaves its attempt to the next,
// whose answer may be under way by then: no lease is passed to that one, either.
func TestPassBeforeItAsks(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		r := process()
		s := r.has(r.permit("a"))
		time.Sleep(time.Millisecond)
		first, next := r.permit("a"), r.permit("a")
		a := r.comes(first)
		r.enqueue(next)
		if passed, _ := r.qs.Pass(s.lease, s); !passed || first.given == nil {
			t.Fatalf("it was passed on: %v, the first has %v", passed, first.given)
		}
		_, inherited, _, _ := r.qs.nextStep(&next.Waiter)
		l, _, err := r.qs.try(context.Background(), &next.Waiter, inherited, true)
		if l == nil || inherited != a {
			t.Fatalf("%v, %v; the attempt is the first's: %v", l, err, inherited == a)
		}
		if l, _, err := r.qs.try(context.Background(), &first.Waiter, a, true); l != nil || err != nil {
			t.Fatalf("the first has asked: %v, %v", l, err)
		}
		h, err := r.qs.onReply(&first.Waiter, a, nil, nil)
		if err != nil || h != first.given {
			t.Errorf("the first has %v, %v", h, err)
		}
		time.Sleep(time.Millisecond)
		s = h.(*session)
		if passed, _ := r.qs.Pass(s.lease, s); passed {
			t.Error("the next, which has been given permits, was passed some")
		}
		if h, err = r.qs.onReply(&next.Waiter, a, l, nil); err != nil || h == nil || h.(*session).lease != l {
			t.Errorf("the next has %v, %v, and not what it was given", h, err)
		}
	})
}

// TestPassAfterAnAnswer: one whose answer gave it nothing is passed permits.
func TestPassAfterAnAnswer(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		r := process()
		s := r.has(r.permit("a"))
		time.Sleep(time.Millisecond)
		first := r.permit("a")
		a := r.comes(first)
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it asks no server
		l, _, err := r.qs.try(ctx, &first.Waiter, a, true)
		if _, err := r.qs.onReply(&first.Waiter, a, l, err); err == nil {
			t.Fatal("there was an answer")
		}
		if passed, _ := r.qs.Pass(s.lease, s); !passed || first.given == nil {
			t.Errorf("it was passed on: %v, the first has %v", passed, first.given)
		}
	})
}

// TestAsideLeavesNothing: one who has permits by a request beside the asker's, and has inherited the asker's
// attempt meanwhile, leaves that to the next, and if there is none no place in Redis.
func TestAsideLeavesNothing(t *testing.T) {
	for _, followed := range []bool{false, true} {
		onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
			other, r := process(), process()
			other.has(other.permit("a"))
			first, aside, last := r.permit("a"), r.permit("a"), r.permit("a")
			a := r.comes(first)
			r.enqueue(aside)
			if followed {
				r.enqueue(last)
			}
			own := newAttempt(&aside.Waiter)
			own.aside = true
			ctx := context.Background()
			l, _, err := r.qs.try(ctx, &aside.Waiter, own, false)
			if l == nil {
				t.Fatal(err)
			}
			if got, _, err := r.qs.try(ctx, &first.Waiter, a, true); got != nil || err != nil || !a.queued {
				t.Fatalf("it has no place: %v, %v", got, err)
			}
			_, _ = r.qs.onReply(&first.Waiter, a, nil, nil)
			if _, left := r.qs.leave(&first.Waiter); left != nil || r.qs.of[aside.Lock.Key()].attempt != a {
				t.Fatal("nobody has inherited the attempt")
			}
			if h, err := r.qs.onReply(&aside.Waiter, own, l, nil); err != nil || h == nil {
				t.Fatalf("%v, %v", h, err)
			}
			time.Sleep(time.Second)
			got, err := r.qs.Send.Ask(ctx, r.qs.Store.InspectQueue(aside.Lock.Keys()))
			if err != nil || len(got.Queue) > 0 != followed {
				t.Errorf("%d wait in Redis, somebody here: %v; %v", len(got.Queue), followed, err)
			}
			if followed {
				if _, attempt, _, _ := r.qs.nextStep(&last.Waiter); attempt != a {
					t.Error("the next has another attempt")
				}
			}
		})
	}
}

// TestSpread: two more ask beside the asker when permits were free, and nobody if all are this process's by now.
func TestSpread(t *testing.T) {
	for limit, want := range map[int]int{2: 0, 3: 2, 9: 2} {
		onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
			r := process()
			permit := func() *call {
				c := r.permit("a")
				c.terms.Limit = limit
				return c
			}
			r.has(permit())
			first := permit()
			a := r.comes(first)
			var calls []*call
			for range 5 {
				c := permit()
				r.enqueue(c)
				calls = append(calls, c)
			}
			l, _, err := r.qs.try(context.Background(), &first.Waiter, a, true)
			if l == nil {
				t.Fatal(err)
			}
			_, _ = r.qs.onReply(&first.Waiter, a, l, nil)
			ask := 0
			for _, c := range calls {
				if c.aside {
					ask++
				}
			}
			if ask != want {
				t.Errorf("of %d permits two are in use: %d ask beside the asker, not %d", limit, ask, want)
			}
		})
	}
}
