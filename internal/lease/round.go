package lease

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// RoundTrip sends requests that go to one server and are of one kind, Touch or Call, and takes the
// answers. A touch that was refused is followed by the question why.
func RoundTrip(by store.Backend, now func() time.Duration, requests []Request) {
	var bound time.Duration
	for i := range requests {
		bound = max(bound, requests[i].Bound)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if requests[0].Call == nil {
		requests = touch(ctx, by, now, requests)
	}
	if len(requests) == 0 {
		return
	}
	calls := make([]*store.Call, len(requests))
	for i := range requests {
		calls[i] = requests[i].Call
	}
	by.Do(ctx, calls...)
	at := now()
	for i, call := range calls {
		requests[i].Answer(at, call.Reply, call.Err)
	}
}

// touch renews leases by NAME alone, and returns those for which Redis has to be asked why they
// could not be renewed.
func touch(ctx context.Context, by store.Backend, now func() time.Duration, requests []Request) (refused []Request) {
	slices.SortStableFunc(requests, func(a, b Request) int { return cmp.Compare(a.Touch, b.Touch) })
	touches := make([]store.Touch, len(requests))
	for i := range requests {
		touches[i] = requests[i].touch()
	}
	by.Touch(ctx, touches)
	at := now()
	for i, t := range touches {
		r := &requests[i]
		if t.Err == nil && t.Left == 0 {
			r.askWhy()
			refused = append(refused, *r)
			continue
		}
		r.Answer(at, store.Reply{Status: store.Held, TTL: t.Left}, t.Err)
	}
	return refused
}
