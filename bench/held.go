package main

import (
	"context"
	"fmt"
	"time"
)

// heldLocks is one process that holds many locks and does nothing else.
func heldLocks(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	name := fmt.Sprintf("%s locks held, TTL %v", number(float64(b.held)), b.heldTTL)
	per := "per 1,000 lock-seconds"
	commands := newFigure(name+": Redis commands", per+", those in scripts too", lower)
	client := newFigure("… CPU of the client", "ms "+per, lower)
	server := newFigure("… CPU of the server", "ms "+per, lower)
	bytes := newFigure("… memory", "bytes a lock, heap and stacks", lower)
	used := newFigure("… and with each Done channel in use", "bytes a lock", lower)
	goroutines := newFigure("… goroutines", "a lock", neither)
	lost := newFigure("… lost", "sessions", neither)

	r := b.roster(w)
	err := r.turns(ctx, b.heldRounds, func(round int, lib *library) error {
		p, err := launch(ctx, setup{Library: lib.name, Addr: b.addr, TTL: b.heldTTL, Renew: true})
		if err != nil {
			return err
		}
		defer p.close()
		o := order{Name: fmt.Sprintf("bench:%s:%s:%d", w.name, lib.name, round), Goroutines: 64, N: b.held}
		if _, err := p.ask(with(o, "prepare")); err != nil {
			return err
		}
		full, err := b.fill(ctx, p, o, b.heldTTL)
		if err != nil {
			return err
		}
		if _, err := p.ask(with(o, "use")); err != nil {
			return err
		}
		inUse, err := p.ask(with(o, "memory"))
		if err != nil {
			return err
		}
		use, err := b.watch(ctx, p, b.heldTime())
		if err != nil {
			return err
		}
		dropped, err := p.ask(with(o, "drop"))
		if err != nil {
			return err
		}
		n := float64(b.held)
		commands.add(lib.name, use.commands*1000/n)
		client.add(lib.name, use.client*1000/n)
		server.add(lib.name, use.server*1000/n)
		bytes.add(lib.name, full.bytes)
		used.add(lib.name, float64(inUse.Bytes-full.before.Bytes)/n)
		goroutines.add(lib.name, float64(full.after.Goroutines-full.before.Goroutines)/n)
		lost.add(lib.name, float64(dropped.Lost))
		return nil
	})
	return r.finish(commands, client, server, bytes, used, goroutines, lost), err
}

// heldTime is for how long it is measured what holding costs.
func (b *bench) heldTime() time.Duration { return time.Duration(b.heldPeriods) * b.heldTTL }

// filled is a process that has taken locks: its memory without them and with them, and what taking took.
type filled struct {
	before, after answer
	taken         answer
	bytes         float64 // a lock, in the process
	use           used    // to take them
	stored        float64 // bytes a lock, in Redis
}

// fill has a process take locks, and looks at its memory once more after settle, when what the
// start cost is over.
func (b *bench) fill(ctx context.Context, p *process, o order, settle time.Duration) (f filled, err error) {
	if f.before, err = p.ask(with(o, "memory")); err != nil {
		return f, err
	}
	begin, err := b.meter(ctx, p)
	if err != nil {
		return f, err
	}
	if f.taken, err = p.ask(with(o, "take")); err != nil {
		return f, err
	}
	end, err := b.meter(ctx, p)
	if err != nil {
		return f, err
	}
	f.use = end.since(begin)
	if err = sleep(ctx, settle); err != nil {
		return f, err
	}
	if end, err = b.meter(ctx, p); err != nil {
		return f, err
	}
	f.after, err = p.ask(with(o, "memory"))
	f.bytes = float64(f.after.Bytes-f.before.Bytes) / float64(o.N)
	f.stored = (end.memory - begin.memory) / float64(o.N)
	return f, err
}

// watch measures what is used a second while nothing is asked of the processes.
func (b *bench) watch(ctx context.Context, p *process, d time.Duration) (u used, err error) {
	begin, err := b.meter(ctx, p)
	if err != nil {
		return u, err
	}
	if err := sleep(ctx, d); err != nil {
		return u, err
	}
	end, err := b.meter(ctx, p)
	return end.since(begin).each(end.at.Sub(begin.at).Seconds()), err
}

// sleep pauses, unless the run is broken off.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
