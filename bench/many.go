package main

import (
	"context"
	"fmt"
	"time"
)

// manyLocks is how the cost of held locks grows with their number, and whether all are kept
// while other locks come and go. The others are left out: the largest number takes them minutes
// to acquire.
func manyLocks(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	r := b.roster(w)
	var figures []*figure
	err := r.turns(ctx, 1, func(_ int, lib *library) error {
		for i, n := range b.many {
			b.progress("%s: %d locks", w.name, n)
			beside := i == len(b.many)-1
			p, err := launch(ctx, setup{Library: lib.name, Addr: b.addr, TTL: b.heldTTL, Renew: true})
			if err != nil {
				return err
			}
			held, err := b.holdMany(ctx, p, order{Name: fmt.Sprintf("bench:%s:%d", w.name, n), Goroutines: 64, N: n}, beside)
			p.close()
			if err != nil {
				return err
			}
			f := newFigure(number(float64(n))+" locks held, TTL "+b.heldTTL.String(), "ms CPU of client + server per 1,000 lock-seconds; idle, a second; memory", neither)
			f.texts[lib.name] = fmt.Sprintf("%.2f + %.2f; %.1f + %.1f; %.0f bytes", held.client, held.server, held.idle.client, held.idle.server, held.bytes)
			figures = append(figures, f)
			if beside {
				f := newFigure(fmt.Sprintf("… for %v, beside 64 goroutines that take and release others", b.manyTime), "lost; others a second", neither)
				f.texts[lib.name] = fmt.Sprintf("%d; %s", held.lost, number(held.rate))
				figures = append(figures, f)
			}
		}
		return nil
	})
	return r.finish(figures...), err
}

// many is what holding many locks came to, per 1,000 lock-seconds or a lock.
type many struct {
	client, server, bytes, rate float64
	idle                        used // with no lock
	lost                        int
}

func (b *bench) holdMany(ctx context.Context, p *process, o order, beside bool) (m many, err error) {
	if _, err = p.ask(with(o, "prepare")); err != nil {
		return m, err
	}
	idle, err := b.typical(ctx, p)
	if err != nil {
		return m, err
	}
	full, err := b.fill(ctx, p, o, b.heldTTL)
	if err != nil {
		return m, err
	}
	use, err := b.typical(ctx, p)
	if err != nil {
		return m, err
	}
	n := float64(o.N)
	m.idle, m.bytes = idle, full.bytes
	m.client, m.server = (use.client-idle.client)*1000/n, (use.server-idle.server)*1000/n
	if beside {
		others := order{Op: "cycle", Name: o.Name + ":others", Goroutines: 64, For: b.manyTime, At: time.Now().UnixNano()}
		a, err := p.ask(others)
		if err != nil {
			return m, err
		}
		m.rate = a.Rate
	}
	dropped, err := p.ask(with(o, "drop"))
	m.lost = dropped.Lost
	return m, err
}

// typical is watch several times over, and the medians of what the CPUs did: this cost is too small for one
// look at it on a busy machine.
func (b *bench) typical(ctx context.Context, p *process) (used, error) {
	var client, server []float64
	for range b.heldRounds {
		u, err := b.watch(ctx, p, b.heldTime())
		if err != nil {
			return u, err
		}
		client, server = append(client, u.client), append(server, u.server)
	}
	return used{client: median(client), server: median(server)}, nil
}
