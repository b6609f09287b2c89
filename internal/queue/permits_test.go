package queue

import (
	"context"
	"testing"

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
// notice yet, but to the next.
func TestPassBesideAnAnswer(t *testing.T) {
	onFake(t, func(t *testing.T, _ *redistest.Fake, process func() *rig) {
		r := process()
		h, err := r.qs.Wait(&r.permit("a").Waiter)
		if err != nil {
			t.Fatal(err)
		}
		first, next := r.permit("a"), r.permit("a")
		for _, c := range []*call{first, next} {
			c.begin(r.qs)
			r.qs.enqueue(&c.Waiter)
		}
		_, a, _, _ := r.qs.nextStep(&first.Waiter)
		l, _, err := r.qs.try(context.Background(), &first.Waiter, a, true)
		if l == nil {
			t.Fatal(err)
		}
		s := h.(*session)
		if passed, _ := r.qs.Pass(s.lease, s); !passed {
			t.Fatal("it was not passed on")
		}
		if given := next.given; given == nil || given.(*session).lease != s.lease {
			t.Errorf("the next has %v", given)
		}
		if h, err = r.qs.onReply(&first.Waiter, a, l, nil); err != nil || h == nil || h.(*session).lease != l {
			t.Errorf("the first has %v, %v, and not what it was given", h, err)
		}
	})
}
