package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
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
		before, after, err := b.fill(ctx, p, o)
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
		use, err := b.watch(ctx, p)
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
		bytes.add(lib.name, float64(after.Bytes-before.Bytes)/n)
		used.add(lib.name, float64(inUse.Bytes-before.Bytes)/n)
		goroutines.add(lib.name, float64(after.Goroutines-before.Goroutines)/n)
		lost.add(lib.name, float64(dropped.Lost))
		return nil
	})
	return r.finish(commands, client, server, bytes, used, goroutines, lost), err
}

// fill has a process take locks, and returns its memory without them and with them, when what the
// start cost is over.
func (b *bench) fill(ctx context.Context, p *process, o order) (before, after answer, err error) {
	if before, err = p.ask(with(o, "memory")); err != nil {
		return before, after, err
	}
	if _, err = p.ask(with(o, "take")); err != nil {
		return before, after, err
	}
	if err = sleep(ctx, b.heldTTL); err != nil {
		return before, after, err
	}
	after, err = p.ask(with(o, "memory"))
	return before, after, err
}

// usage is what was used in a second.
type usage struct {
	commands, client, server float64 // ms of CPU
}

// watch measures what is used while nothing is asked of the process.
func (b *bench) watch(ctx context.Context, p *process) (u usage, err error) {
	begin, err := b.meter(ctx, p)
	if err != nil {
		return u, err
	}
	if err := sleep(ctx, time.Duration(b.heldPeriods)*b.heldTTL); err != nil {
		return u, err
	}
	end, err := b.meter(ctx, p)
	seconds := end.at.Sub(begin.at).Seconds()
	return usage{
		commands: (end.commands - begin.commands) / seconds,
		client:   ms(end.client-begin.client) / seconds,
		server:   (end.server - begin.server) * 1000 / seconds,
	}, err
}

// metered is what was used up to a moment.
type metered struct {
	at       time.Time
	commands float64
	server   float64 // seconds of CPU
	client   time.Duration
}

func (b *bench) meter(ctx context.Context, p *process) (m metered, err error) {
	a, err := p.ask(order{Op: "cpu"})
	if err != nil {
		return m, err
	}
	info, err := b.admin.Info(ctx, "everything").Result()
	m = metered{at: time.Now(), client: a.CPU}
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "used_cpu_sys", "used_cpu_user", "total_commands_processed":
			v, e := strconv.ParseFloat(value, 64)
			if e != nil {
				return m, e
			}
			if key == "total_commands_processed" {
				m.commands = v
			} else {
				m.server += v
			}
		}
	}
	return m, err
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
