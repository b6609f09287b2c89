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
		var before, after, inUse answer
		for _, step := range []struct {
			op string
			to *answer
		}{{"prepare", nil}, {"memory", &before}, {"take", nil}, {"memory", &after}, {"use", nil}, {"memory", &inUse}} {
			a, err := p.ask(with(o, step.op))
			if err != nil {
				return err
			}
			if step.to != nil {
				*step.to = a
			}
		}
		if err := sleep(ctx, b.heldTTL); err != nil { // what the start cost is over
			return err
		}
		begin, err := b.meter(ctx, p)
		if err != nil {
			return err
		}
		if err := sleep(ctx, time.Duration(b.heldPeriods)*b.heldTTL); err != nil {
			return err
		}
		end, err := b.meter(ctx, p)
		if err != nil {
			return err
		}
		dropped, err := p.ask(with(o, "drop"))
		if err != nil {
			return err
		}
		n := float64(b.held)
		kilo := n * end.at.Sub(begin.at).Seconds() / 1000
		commands.add(lib.name, (end.commands-begin.commands)/kilo)
		client.add(lib.name, ms(end.client-begin.client)/kilo)
		server.add(lib.name, (end.server-begin.server)*1000/kilo)
		bytes.add(lib.name, float64(after.Bytes-before.Bytes)/n)
		used.add(lib.name, float64(inUse.Bytes-before.Bytes)/n)
		goroutines.add(lib.name, float64(after.Goroutines-before.Goroutines)/n)
		lost.add(lib.name, float64(dropped.Lost))
		return nil
	})
	return r.finish(commands, client, server, bytes, used, goroutines, lost), err
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
