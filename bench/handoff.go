package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// roundTrip is the median time of a PING, one after the other.
func roundTrip(ctx context.Context, addr string) (time.Duration, error) {
	client := goRedis(addr)
	defer client.Close()
	var trips []float64
	for range 31 {
		begin := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return 0, err
		}
		trips = append(trips, float64(time.Since(begin)))
	}
	return time.Duration(median(trips)), nil
}

// handOff measures how soon after a process's release the next one has the lock, far from
// the server, where the round trips show. With these times somebody always waits.
func handOff(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	p, err := newProxy(b.addr, 5*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var rtt time.Duration
	var rtts []float64
	trips := map[string][]float64{} // of all rounds, or there were too few for a p99
	r, err := b.contest(ctx, w, contest{
		processes: 3, addr: p.addr(), rounds: b.rounds,
		order: order{
			Op: "cycle", Goroutines: 1, Shared: true, Log: true, For: b.handOffSlice,
			Hold: 20 * time.Millisecond, Think: 40 * time.Millisecond,
		},
		before: func(ctx context.Context) (err error) {
			rtt, err = roundTrip(ctx, p.addr())
			rtts = append(rtts, float64(rtt))
			return err
		},
		record: func(lib *library, answers []answer) {
			waits, overlaps := handOffs(answers)
			for _, wait := range waits {
				trips[lib.name] = append(trips[lib.name], float64(wait)/float64(rtt))
			}
			if overlaps > 0 {
				b.note("%s: %s: an Acquire returned before the last holder called Release, %d times", w.name, lib.name, overlaps)
			}
		},
	})
	link := fmt.Sprintf("a link of 10 ms (a PING takes %.1f)", median(rtts)/1e6)
	mid := newFigure("hand-off between processes, "+link, "round trips", lower)
	p99 := newFigure("… p99", "round trips", lower)
	for lib, t := range trips {
		slices.Sort(t)
		mid.add(lib, median(t))
		p99.add(lib, t[min(len(t)*99/100, len(t)-1)])
	}
	return r.finish(mid, p99), err
}

// handOffs returns the times from a call of Release to the return of the next Acquire,
// where that is another process's and was called before. Overlaps are those that returned
// too early.
func handOffs(answers []answer) (waits []time.Duration, overlaps int) {
	var all []event
	for i, a := range answers {
		for _, e := range a.Events {
			e.process = i
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b event) int { return cmp.Compare(a.Got, b.Got) })
	for i := 1; i < len(all); i++ {
		last, next := all[i-1], all[i]
		switch {
		case next.Got < last.Called:
			overlaps++
		case next.process != last.process && next.Asked < last.Called:
			waits = append(waits, time.Duration(next.Got-last.Called))
		}
	}
	return waits, overlaps
}
