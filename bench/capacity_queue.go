package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// handOverPart has processes take many locks in turn: at once, and with a pause that leaves the server
// little to do, so that hardly any requests go together.
func handOverPart(ctx context.Context, c *capacity) error {
	c.data.HandOvers = nil
	for _, hold := range []time.Duration{0, 100 * time.Millisecond} {
		h, err := c.handOver(ctx, hold)
		if err != nil {
			return err
		}
		c.data.HandOvers = append(c.data.HandOvers, h)
	}
	return nil
}

func (c *capacity) handOver(ctx context.Context, hold time.Duration) (*handing, error) {
	c.progress("%d processes hand %d locks over, after %v", c.processes, c.handed, hold)
	t, err := launchTeam(ctx, c.processes, setup{Library: ours, Addr: c.addr, TTL: c.ttl, Lockers: 1})
	if err != nil {
		return nil, err
	}
	defer t.close()
	// Each process has a goroutine for each lock. So whoever has released it waits behind those of the others.
	o := order{Op: "cycle", Name: fmt.Sprint("bench:handed:", hold), Goroutines: c.handed, Hold: hold, For: c.idle}
	idle, err := c.watch(ctx, t[0], c.idle)
	if err != nil {
		return nil, err
	}
	begin, err := c.meter(ctx, t...)
	if err != nil {
		return nil, err
	}
	answers, err := t.ask(o)
	if err != nil {
		return nil, err
	}
	end, err := c.meter(ctx, t...)
	if err != nil {
		return nil, err
	}
	var sum answer
	for _, a := range answers {
		sum.add(&a)
	}
	if sum.Failed > 0 {
		return nil, fmt.Errorf("%d of %d cycles failed: %s", sum.Failed, sum.Failed+sum.Count, sum.Failure)
	}
	seconds := end.at.Sub(begin.at).Seconds()
	used := end.since(begin)
	core := cpuOf(used.each(seconds))
	each := used
	each.server -= idle.server * seconds
	h := &handing{
		Processes: c.processes, Locks: c.handed, Hold: hold.Seconds(), For: o.For.Seconds(),
		Rate: sum.Rate, HandOver: cpuOf(each.each(float64(sum.Count))), Core: core,
	}
	c.say("  after %v: %.0f a second, CPU of one %.1f + %.1f µs", hold, h.Rate, h.HandOver.Client, h.HandOver.Server)
	return h, nil
}

// waitersPart has one process hold locks for which one other, and then two others wait.
func waitersPart(ctx context.Context, c *capacity) error {
	n := c.waiters
	s := setup{Library: ours, Addr: c.addr, TTL: c.ttl, Lockers: 1}
	o := order{Name: "bench:waited", Goroutines: 64, N: n}
	t, err := launchTeam(ctx, 3, s)
	if err != nil {
		return err
	}
	defer t.close()
	for _, p := range t {
		if _, err := p.ask(with(o, "prepare")); err != nil {
			return err
		}
	}
	if _, err := t[0].ask(with(o, "take")); err != nil {
		return err
	}
	w := &waiters{Waiters: n, For: c.short.Seconds()}
	before, err := c.watch(ctx, t[1], c.short)
	if err != nil {
		return err
	}
	for i, to := range []*waiter{&w.First, &w.Other} {
		c.progress("%d waiters wait, %d for each lock", n*(i+1), i+1)
		if before, err = c.wait(ctx, t[i+1], o, i+1, before, to); err != nil {
			return err
		}
	}
	dropped, err := t[0].ask(with(o, "drop"))
	if err == nil && dropped.Lost > 0 {
		err = fmt.Errorf("%d of %d locks were lost while others waited for them", dropped.Lost, n)
	}
	c.data.Waiters = w
	c.say("  a waiter asks %.2f or %.2f times a second", w.First.Asks, w.Other.Asks)
	return err
}

// wait has a process wait, and says what that costs beside what was used before.
func (c *capacity) wait(ctx context.Context, p *process, o order, queued int, before used, w *waiter) (used, error) {
	empty, err := c.meter(ctx, p)
	if err != nil {
		return used{}, err
	}
	alone, err := p.ask(order{Op: "memory"})
	if err != nil {
		return used{}, err
	}
	idle, err := c.watch(ctx, p, c.idle)
	if err != nil {
		return used{}, err
	}
	if _, err := p.ask(with(o, "wait")); err != nil {
		return used{}, err
	}
	if err := c.until(ctx, "all to be in their queues", func() (bool, error) { return c.queued(ctx, o, queued) }); err != nil {
		return used{}, err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // each has asked twice
		return used{}, err
	}
	u, err := c.watch(ctx, p, c.short)
	if err != nil {
		return used{}, err
	}
	full, err := c.meter(ctx, p)
	if err != nil {
		return used{}, err
	}
	a, err := p.ask(order{Op: "memory"})
	n := float64(o.N)
	*w = waiter{
		Asks: u.sent.Calls / n, CPU: cpu{(u.client - idle.client) * 1000 / n, (u.server - before.server) * 1000 / n},
		ClientBytes: float64(a.Bytes-alone.Bytes) / n, QueueBytes: (full.memory - empty.memory) / n,
	}
	return u, err
}

// queued reports whether so many wait for each of some of the locks.
func (c *capacity) queued(ctx context.Context, o order, want int) (bool, error) {
	l := holdfast.New(c.admin)
	defer l.Close()
	for i := 0; i < o.N; i += max(o.N/100, 1) {
		_, queue, err := l.Mutex(fmt.Sprint(o.Name, ":", i)).InspectQueue(ctx)
		if err != nil || len(queue) < want {
			return false, err
		}
	}
	return true, nil
}
