package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// usualTTL is Holdfast's default, for all, where the TTL doesn't matter.
const usualTTL = 10 * time.Second

// contest is a workload of cycles: each library has its processes, which do one slice in
// turn with the others'.
type contest struct {
	processes int
	addr      string // the server's, or a proxy's to it
	rounds    int
	order     order
	// before is called before each round, when all is quiet.
	before func(ctx context.Context) error
	record func(lib *library, answers []answer)
}

func (b *bench) contest(ctx context.Context, w *workload, c contest) (*roster, error) {
	r := b.roster(w)
	teams := map[string]team{}
	defer func() {
		for _, t := range teams {
			t.close()
		}
	}()
	for _, lib := range r.libs {
		b.progress("%s: starting %s", w.name, lib.name)
		as := setup{Library: lib.name, Addr: c.addr, TTL: usualTTL}
		if w.warm {
			as.Linger = usualTTL
		}
		t, err := launchTeam(ctx, c.processes, as)
		if err != nil {
			r.fail(lib, err)
			continue
		}
		teams[lib.name] = t
		if v := t[0].version; v != "" {
			b.versions[lib.name] = v
		}
	}
	last := -1
	return r, r.turns(ctx, c.rounds+1, func(round int, lib *library) error {
		if round != last && c.before != nil {
			if err := c.before(ctx); err != nil {
				return err
			}
		}
		last = round
		o := c.order
		// A name of its own, lest a slice wait for what the one before left behind.
		o.Name = fmt.Sprintf("bench:%s:%s:%d", w.name, lib.name, round)
		if round == 0 {
			o.For = min(o.For, 100*time.Millisecond) // to warm up, not recorded
		}
		answers, err := teams[lib.name].ask(o)
		if err != nil || round == 0 {
			return err
		}
		for _, a := range answers {
			if err := b.check(w, lib, o, a); err != nil {
				return err
			}
		}
		c.record(lib, answers)
		return nil
	})
}

// lone is one caller that nobody disturbs. With a pause it works in bursts of so many cycles.
type lone struct {
	delay time.Duration // each way
	burst int
	pause time.Duration
}

func serial(l lone) func(context.Context, *bench, *workload) ([]*figure, error) {
	return func(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
		addr, where := b.addr, "loopback"
		if l.delay > 0 {
			p, err := newProxy(b.addr, l.delay)
			if err != nil {
				return nil, err
			}
			defer p.close()
			rtt, err := roundTrip(ctx, p.addr())
			if err != nil {
				return nil, err
			}
			addr, where = p.addr(), fmt.Sprintf("a link of %v (a PING takes %v)", 2*l.delay, rtt.Round(10*time.Microsecond))
		}
		if l.pause > 0 {
			where += ", in bursts"
		}
		rate := newFigure(w.row("one caller, "+where), "locks/s", higher)
		// Without this row a fence's cost would pass for Holdfast's.
		fence := newFigure(rate.name+", each with a fence", rate.unit, rate.better)
		fence.only = []string{ours, fenced}
		figures := []*figure{rate}
		if slices.Contains(w.who, fenced) {
			figures = append(figures, fence)
		}
		r, err := b.contest(ctx, w, contest{
			processes: 1, addr: addr, rounds: b.serialRounds,
			order: order{Op: "cycle", Goroutines: 1, For: b.serialSlice, Burst: l.burst, Pause: l.pause},
			record: func(lib *library, a []answer) {
				for _, f := range figures {
					f.add(lib.name, a[0].Rate)
				}
			},
		})
		return r.finish(figures...), err
	}
}

// parallel is many callers of one process, with a lock each.
func parallel(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	rate := newFigure(w.row("64 goroutines, 64 locks"), "locks/s", higher)
	r, err := b.contest(ctx, w, contest{
		processes: 1, addr: b.addr, rounds: b.parallelRounds,
		order:  order{Op: "cycle", Goroutines: 64, For: b.parallelSlice},
		record: func(lib *library, a []answer) { rate.add(lib.name, a[0].Rate) },
	})
	return r.finish(rate), err
}

// crowd is many callers that want the same lock, or the permits of one semaphore.
type crowd struct {
	what                           string
	unit                           string
	processes, goroutines, permits int // goroutines of each
}

func (c crowd) run(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	rate := newFigure(w.row(c.what), c.unit, higher)
	fair := newFigure("… fewest ÷ most of a process", "", neither)
	mean := newFigure("… mean wait", "ms", lower)
	p99 := newFigure("… p99 wait ÷ mean", "", neither)
	figures := []*figure{rate, mean, p99}
	if c.processes > 1 {
		figures = []*figure{rate, fair, mean, p99}
	}
	r, err := b.contest(ctx, w, contest{
		processes: c.processes, addr: b.addr, rounds: b.rounds,
		order: order{Op: "cycle", Goroutines: c.goroutines, Shared: true, Permits: c.permits, For: b.slice},
		record: func(lib *library, answers []answer) {
			var sum answer
			fewest, most := answers[0].Count, answers[0].Count
			for _, a := range answers {
				sum.add(&a)
				fewest, most = min(fewest, a.Count), max(most, a.Count)
			}
			rate.add(lib.name, sum.Rate)
			fair.add(lib.name, float64(fewest)/float64(max(most, 1)))
			mean.add(lib.name, ms(sum.Waits.mean()))
			p99.add(lib.name, float64(sum.Waits.quantile(.99))/float64(max(sum.Waits.mean(), 1)))
		},
	})
	return r.finish(figures...), err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
