package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// takenTimes is how often a lock that rests is taken in a round.
const takenTimes = 100

// taken measures how soon a process has a lock that rests in another: nobody uses it, and the other has to be
// asked for it.
func taken(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	p, err := newProxy(b.addr, 5*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer p.close()
	rtt, err := roundTrip(ctx, p.addr())
	if err != nil {
		return nil, err
	}
	r := b.roster(w)
	pair, err := launchTeam(ctx, 2, setup{Library: ours, Addr: p.addr(), TTL: usualTTL, Linger: usualTTL})
	if err != nil {
		r.fail(find(ours), err)
		return r.finish(), nil
	}
	defer pair.close()
	var trips []float64
	for i := range b.rounds * takenTimes {
		// The first time counts, which takes longer than the rest of the order.
		a, err := pair[i%2].ask(order{Op: "cycle", Name: "bench:taken", Goroutines: 1, For: time.Millisecond, Log: true})
		if err != nil || len(a.Events) == 0 {
			r.fail(find(ours), fmt.Errorf("take %d: %d times: %w", i, len(a.Events), cmp.Or(err, errors.New(a.Failure))))
			return r.finish(), nil
		}
		if e := a.Events[0]; i > 1 { // before that the lock rests nowhere, and a subscription may not work yet
			trips = append(trips, float64(e.Got-e.Asked)/float64(rtt))
		}
	}
	slices.Sort(trips)
	mid := newFigure(fmt.Sprintf("taken from another process where it rests, a link of 10 ms (a PING takes %.1f)", float64(rtt)/1e6), "round trips", lower)
	p99 := newFigure("… p99", "round trips", lower)
	mid.add(ours, median(trips))
	p99.add(ours, trips[min(len(trips)*99/100, len(trips)-1)])
	return r.finish(mid, p99), nil
}
