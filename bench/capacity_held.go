package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// heldPart is one process that holds more and more locks.
func heldPart(ctx context.Context, c *capacity) error {
	c.data.Held = nil
	for _, n := range slices.Sorted(slices.Values(c.numbers)) {
		d := c.short
		if n == slices.Max(c.numbers) {
			d = c.long
		}
		h, err := c.hold(ctx, setup{TTL: c.ttl, Lockers: 1}, n, d)
		if err != nil {
			return err
		}
		c.data.Held = append(c.data.Held, h)
	}
	return nil
}

// fleetPart is many Lockers, as many processes would have them, that hold locks on one server.
func fleetPart(ctx context.Context, c *capacity) (err error) {
	c.data.Fleet, err = c.hold(ctx, setup{TTL: c.ttl, Lockers: c.lockers, Share: c.share}, c.lockers*c.locks, c.long)
	return err
}

// busyPart renews as often as short TTLs demand it.
func busyPart(ctx context.Context, c *capacity) error {
	c.data.Busy = nil
	for _, ttl := range c.busyTTLs {
		h, err := c.hold(ctx, setup{TTL: ttl, Lockers: 1}, c.busyLocks, c.idle)
		if err != nil {
			return err
		}
		c.data.Busy = append(c.data.Busy, h)
	}
	return nil
}

// clusterPart holds locks on a Cluster of one node. There each lock has a call of its own, since
// calls must not be for several slots.
func clusterPart(ctx context.Context, c *capacity) error {
	server, stop, err := redistest.StartShared("--cluster-enabled", "yes")
	if err != nil {
		return err
	}
	defer stop()
	if err := server.ServeSlots(ctx, 0, 16383); err != nil {
		return fmt.Errorf("have one node serve all slots: %w", err)
	}
	one := *c.bench
	one.addr, one.admin = server.Addr(), goRedis(server.Addr())
	defer one.admin.Close()
	on := &capacity{&one, c.sizes, c.data}
	if err := on.until(ctx, "the Cluster to be complete", func() (bool, error) {
		info, err := one.admin.ClusterInfo(ctx).Result()
		return clusterOK.MatchString(info), err
	}); err != nil {
		return err
	}
	c.data.Cluster, err = on.hold(ctx, setup{TTL: c.busyTTLs[0], Lockers: 1, Cluster: true}, c.clusterLocks, c.idle)
	return err
}

var clusterOK = regexp.MustCompile(`(?m)^cluster_state:ok\r?$`)

// until waits for something, for a minute at most.
func (c *capacity) until(ctx context.Context, what string, is func() (bool, error)) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if ok, err := is(); ok || err != nil {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("waited a minute for %s", what)
}

// hold has a process hold n locks for some time.
func (c *capacity) hold(ctx context.Context, s setup, n int, d time.Duration) (*holding, error) {
	c.progress("%d Lockers, %d locks, TTL %v: for %v", s.Lockers, n, s.TTL, d)
	s.Library, s.Addr = ours, c.addr
	h := &holding{Locks: n, Lockers: s.Lockers, Share: s.Share, TTL: s.TTL.Seconds()}
	before, p, err := c.ready(ctx, s, n, h)
	if err != nil {
		return nil, err
	}
	defer p.close()
	idle, err := c.watch(ctx, p, c.idle)
	if err != nil {
		return nil, err
	}
	empty, err := c.meter(ctx, p)
	if err != nil {
		return nil, err
	}
	h.ConnectionBytes, h.Connections = empty.memory-before.memory, empty.connections-before.connections
	o := order{Name: lockName, Goroutines: 64, N: n}
	f, err := c.fill(ctx, p, o, min(c.settle, s.TTL))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	use, err := c.watch(ctx, p, d)
	if err != nil {
		return nil, err
	}
	h.For = time.Since(begin).Seconds()
	if err := c.drop(ctx, p, o, empty, h); err != nil {
		return nil, err
	}
	h.Rate = rate(f.taken.Times)
	h.Take = cpuOf(f.use.each(float64(n)))
	h.ClientBytes, h.LockBytes = f.bytes, f.stored
	h.Idle, h.Core = cpuOf(idle), cpuOf(use)
	if h.Renewals, h.Trips = use.sent.Renewals, use.sent.RenewalTrips; h.Renewals == 0 {
		return nil, errors.New("nothing was renewed")
	}
	h.Renewal = cpu{(h.Core.Client - h.Idle.Client) / h.Renewals, (h.Core.Server - h.Idle.Server) / h.Renewals}
	c.say("  %d locks of %d Lockers, TTL %v, for %v: %d lost, CPU a renewal %.2f + %.2f µs", n, s.Lockers, s.TTL, d, h.Lost,
		h.Renewal.Client, h.Renewal.Server)
	return h, nil
}

// lockName begins the names of the locks. Their length counts in what they take in Redis.
const lockName = "bench:capacity"

// ready starts the process, and says what its Lockers take in it that hold nothing. It returns what there was
// before, too.
func (c *capacity) ready(ctx context.Context, s setup, n int, h *holding) (before metered, p *process, err error) {
	if err := c.admin.FlushAll(ctx).Err(); err != nil {
		return before, nil, err
	}
	if before, err = c.meter(ctx); err != nil {
		return before, nil, err
	}
	if p, err = launch(ctx, s); err != nil {
		return before, nil, err
	}
	if err = c.prepare(ctx, p, n, before.channels, h); err != nil {
		p.close()
	}
	return before, p, err
}

func (c *capacity) prepare(ctx context.Context, p *process, n int, channels float64, h *holding) error {
	if err := c.until(ctx, "each Locker to listen", func() (bool, error) {
		m, err := c.meter(ctx)
		return m.channels-channels >= float64(h.Lockers), err
	}); err != nil {
		return err
	}
	// What the locks have left that each Locker took to begin with.
	if err := c.admin.FlushAll(ctx).Err(); err != nil {
		return err
	}
	a, err := p.ask(order{Op: "memory"})
	if err != nil {
		return err
	}
	h.ProcessBytes, h.Goroutines = float64(a.Bytes), float64(a.Goroutines)
	_, err = p.ask(order{Op: "prepare", Name: lockName, Goroutines: 64, N: n})
	return err
}

// drop releases the locks, and says what that takes, what is left of them, and how many were lost.
func (c *capacity) drop(ctx context.Context, p *process, o order, empty metered, h *holding) error {
	begin, err := c.meter(ctx, p)
	if err != nil {
		return err
	}
	dropped, err := p.ask(with(o, "drop"))
	if err != nil {
		return err
	}
	end, err := c.meter(ctx, p)
	if err != nil {
		return err
	}
	h.Lost = dropped.Lost
	h.Release = cpuOf(end.since(begin).each(float64(o.N)))
	h.NameBytes = (end.memory - empty.memory) / float64(o.N)
	return nil
}

// cpuOf turns ms into µs.
func cpuOf(u used) cpu { return cpu{u.client * 1000, u.server * 1000} }

// rate is how many things a second were done at these times, in ns.
func rate(times []int64) float64 {
	first, last := slices.Min(times), slices.Max(times)
	return float64(len(times)-1) / time.Duration(max(last-first, 1)).Seconds()
}
