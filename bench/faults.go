package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// phases is how many locks a trial holds, taken at different times of the renewal interval:
// what a fault does depends on how long ago the last renewal was.
const phases = 8

const neverTold = "never told"

// trial is one library's processes, with the locks that the first holds. The others share
// the time with it: they wait nearly all of it.
type trial struct {
	lib    *library
	holder *process
	order  order
	keys   []string
}

// hold starts a process on addr that holds locks, each of which has been renewed by then.
func (b *bench) hold(ctx context.Context, w *workload, lib *library, round int, addr string) (*trial, error) {
	t := &trial{lib: lib, order: order{
		Name: fmt.Sprintf("bench:%s:%s:%d", w.name, lib.name, round), Goroutines: 1, N: phases,
	}}
	for i := range phases {
		t.keys = append(t.keys, lib.key(fmt.Sprint(t.order.Name, ":", i)))
	}
	var err error
	if t.holder, err = launch(ctx, setup{Library: lib.name, Addr: addr, TTL: b.faultTTL, Renew: true}); err != nil {
		return nil, err
	}
	take := t.order
	take.Stagger = b.faultTTL / 2 / phases
	for _, o := range []order{t.do("prepare"), with(take, "take")} {
		if _, err := t.holder.ask(o); err != nil {
			t.holder.close()
			return nil, err
		}
	}
	return t, sleep(ctx, b.faultTTL*3/4)
}

func with(o order, op string) order { o.Op = op; return o }

func (t *trial) do(op string) order { return with(t.order, op) }

// strike watches the locks, does something to them, and returns when each was found lost.
func (t *trial) strike(ctx context.Context, patience time.Duration, strike func() error) (answer, error) {
	watch := t.do("watch")
	watch.Patience = patience
	var a answer
	var err error
	var watching sync.WaitGroup
	watching.Go(func() { a, err = t.holder.ask(watch) })
	hit := sleep(ctx, 100*time.Millisecond) // it watches by now
	if hit == nil {
		hit = strike()
	}
	watching.Wait()
	if err == nil {
		err = hit
	}
	return a, err
}

// together does one trial of each library at the same time, for a number of rounds.
func (b *bench) together(ctx context.Context, w *workload, do func(lib *library, round int) error) (*roster, error) {
	r := b.roster(w)
	for round := range b.faultRounds {
		b.progress("%s: round %d of %d", w.name, round+1, b.faultRounds)
		errs := make([]error, len(r.libs))
		var running sync.WaitGroup
		for i, lib := range r.libs {
			if !r.failed[lib.name] {
				running.Go(func() { errs[i] = do(lib, round) })
			}
		}
		running.Wait()
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		for i, lib := range r.libs {
			if errs[i] != nil {
				r.fail(lib, errs[i])
			}
		}
	}
	return r, nil
}

// cutOff takes the network from a holder while another process waits for its locks.
func cutOff(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	f := newFigure(fmt.Sprintf("holder cut off, TTL %v: two owners for", b.faultTTL), "ms at worst", neither)
	var mu sync.Mutex
	worst := map[string]time.Duration{} // of two owners; negative: one was told before
	silent := map[string]bool{}
	r, err := b.together(ctx, w, func(lib *library, round int) error {
		p, err := newProxy(b.addr, 0)
		if err != nil {
			return err
		}
		defer p.close()
		t, err := b.hold(ctx, w, lib, round, p.addr())
		if err != nil {
			return err
		}
		defer t.holder.close()
		taker, err := launch(ctx, setup{Library: lib.name, Addr: b.addr, TTL: b.faultTTL, Renew: true})
		if err != nil {
			return err
		}
		defer taker.close()
		if _, err := taker.ask(t.do("prepare")); err != nil {
			return err
		}
		take := t.do("take")
		take.Goroutines, take.Patience = phases, 6*b.faultTTL
		var taken answer
		var taking sync.WaitGroup
		var takeErr error
		taking.Go(func() { taken, takeErr = taker.ask(take) })
		lost, err := t.strike(ctx, 4*b.faultTTL, func() error { p.cut(); return nil })
		taking.Wait()
		if err := errors.Join(err, takeErr); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for i, at := range lost.Times {
			if lost.Silent || at == 0 {
				silent[lib.name] = true
				continue
			}
			d := time.Duration(at - taken.Times[i])
			if w, ok := worst[lib.name]; !ok || d > w {
				worst[lib.name] = d
			}
		}
		return nil
	})
	for lib, d := range worst {
		if f.add(lib, max(ms(d), 0)); d <= 0 {
			f.texts[lib] = fmt.Sprintf("none (%s to spare)", number(-ms(d)))
		}
	}
	for lib := range silent {
		f.texts[lib] = neverTold
	}
	return r.finish(f), err
}

// deleted has a stranger delete the keys.
func deleted(ctx context.Context, b *bench, w *workload) ([]*figure, error) {
	mid := newFigure(fmt.Sprintf("a stranger's DEL, TTL %v: the holder is told after", b.faultTTL), "ms", lower)
	worst := newFigure("… at worst", "ms", lower)
	var mu sync.Mutex
	told := map[string][]float64{}
	silent := map[string]bool{}
	r, err := b.together(ctx, w, func(lib *library, round int) error {
		t, err := b.hold(ctx, w, lib, round, b.addr)
		if err != nil {
			return err
		}
		defer t.holder.close()
		var at int64
		lost, err := t.strike(ctx, 3*b.faultTTL, func() error {
			at = time.Now().UnixNano()
			n, err := b.admin.Del(ctx, t.keys...).Result()
			if err == nil && n != phases {
				err = fmt.Errorf("%d of %d locks were held", n, phases)
			}
			return err
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, l := range lost.Times {
			if lost.Silent || l == 0 {
				silent[lib.name] = true
				continue
			}
			told[lib.name] = append(told[lib.name], ms(time.Duration(l-at)))
		}
		return nil
	})
	for lib, v := range told {
		mid.add(lib, median(v))
		worst.add(lib, slices.Max(v))
	}
	for lib := range silent {
		mid.texts[lib], worst.texts[lib] = neverTold, neverTold
	}
	return r.finish(mid, worst), err
}
