package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// side is what came of Holdfast's part, or the library's, in a race.
type side struct {
	Got     int
	Late    int // got after its end in the race, when others may have gone
	GaveUp  int // calls that ended without the lock
	Longest time.Duration
}

// raced is what came of a race.
type raced struct {
	Ours, Theirs side
	Lost         int64 // updates of the counter
	Overlaps     int64
}

const (
	work    = 5 * time.Millisecond
	rest    = 20 * time.Millisecond
	counter = "counter"
	// patience is for how long one call waits in a race.
	patience = 15 * time.Second
)

// race has callers take one lock, each again and again. Each reads a counter, works, writes it, releases the lock, and
// rests.
type race struct {
	client   *redis.Client
	end      time.Time
	inside   atomic.Int64
	overlaps atomic.Int64
	fence    atomic.Int64 // the last of Holdfast's

	mu   sync.Mutex
	errs []error
}

// taker waits for the lock. It returns nil and no error if it did not get it in time.
type taker func() (release func() error, err error)

// caller is one of those who race. Several may have one side.
type caller struct {
	side *side
	rest time.Duration
	take taker
	// from and until say when it takes part: in the whole race if they are zero.
	from, until time.Time
}

// run has the callers go on until the time is up.
func (r *race) run(ctx context.Context, callers []caller) (lost int64, err error) {
	before, err := r.count(ctx)
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	var sides []*side
	for _, c := range callers {
		all.Go(func() { r.loop(ctx, c) }) // ends with the time, and is waited for here
		if !slices.Contains(sides, c.side) {
			sides = append(sides, c.side)
		}
	}
	all.Wait()
	after, err := r.count(ctx)
	lost = int64(before - after)
	for _, s := range sides {
		lost += int64(s.Got + s.Late)
	}
	if lost != 0 || r.overlaps.Load() != 0 {
		err = errors.Join(err, fmt.Errorf("%d lost updates and %d overlaps", lost, r.overlaps.Load()))
	}
	return lost, errors.Join(append(r.errs, err)...)
}

// loop is one of the callers.
func (r *race) loop(ctx context.Context, c caller) {
	s, end := c.side, c.until
	if end.IsZero() {
		end = r.end
	}
	time.Sleep(time.Until(c.from))
	for time.Now().Before(end) {
		asked := time.Now()
		release, err := c.take()
		waited := time.Since(asked)
		if err == nil && release != nil {
			err = errors.Join(r.use(ctx), release())
		}
		r.mu.Lock()
		s.Longest = max(s.Longest, waited)
		switch {
		case err != nil:
			r.errs = append(r.errs, err)
		case release != nil && asked.Add(waited).After(end):
			s.Late++
		case release != nil:
			s.Got++
		default:
			s.GaveUp++
		}
		r.mu.Unlock()
		if err != nil {
			return
		}
		time.Sleep(c.rest)
	}
}

// count reads the counter.
func (r *race) count(ctx context.Context) (int, error) {
	text, err := r.client.Get(ctx, counter).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// use increments the counter, not atomically.
func (r *race) use(ctx context.Context) error {
	if r.inside.Add(1) != 1 {
		r.overlaps.Add(1)
	}
	defer r.inside.Add(-1)
	n, err := r.count(ctx)
	if err != nil {
		return err
	}
	time.Sleep(work)
	return r.client.Set(ctx, counter, n+1, 0).Err()
}

// ours takes the lock with Holdfast.
func (r *race) ours(ctx context.Context, mu *holdfast.Mutex) taker {
	return func() (func() error, error) {
		s, err := mu.Acquire(ctx, holdfast.WithWaitTimeout(patience))
		if errors.Is(err, holdfast.ErrWaitTimeout) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return func() error { return errors.Join(s.Err(), s.Release(ctx)) }, r.fenced(&r.fence, s.Fence())
	}
}

// many takes several locks with Holdfast.
func many(ctx context.Context, locks *holdfast.Locker, names []string, opts ...holdfast.Option) taker {
	return func() (func() error, error) {
		s, err := locks.AcquireAll(ctx, names, append(opts, holdfast.WithWaitTimeout(patience))...)
		if errors.Is(err, holdfast.ErrWaitTimeout) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return func() error { return errors.Join(s.Err(), s.Release(ctx)) }, nil
	}
}

// fenced demands that the fence is larger than that of the holder before.
func (r *race) fenced(last *atomic.Int64, fence int64) error {
	if before := last.Swap(fence); before >= fence {
		return fmt.Errorf("fence %d after %d", fence, before)
	}
	return nil
}

// waitsEnd are what libraries say at the end of a wait, beside what they say of a held lock.
var waitsEnd = []string{"", "DeadlineExceeded", "Canceled", "LockTimeoutException"}

// theirs takes it with the library.
func theirs(lib *library, w *worker) taker {
	return func() (func() error, error) {
		a, err := w.do(acquire(long, patience))
		if err == nil && !a.OK && a.Error != lib.expect["refused"] && !slices.Contains(waitsEnd, a.Error) {
			err = fmt.Errorf("acquire: %s %s", a.Error, a.Text)
		}
		if err != nil || !a.OK {
			return nil, err
		}
		return func() error { return w.must(order{Op: "release"}) }, nil
	}
}

// race has two goroutines of Holdfast, which rest for so long, and some clients of the library race.
func (b *beside) race(ctx context.Context, d, oursRest time.Duration, clients int, opts ...holdfast.Option) (res raced, err error) {
	if err := b.client.FlushAll(ctx).Err(); err != nil {
		return res, err
	}
	r := &race{client: b.client, end: time.Now().Add(d)}
	opts = append(opts, holdfast.WithTTL(long))
	mine := caller{side: &res.Ours, rest: oursRest, take: r.ours(ctx, b.mutex(opts...))}
	if b.lib.second != "" {
		mine.take = many(ctx, b.locks, []string{b.lib.holdfastKey(), b.lib.second}, opts...)
	}
	callers := []caller{mine, mine}
	for _, w := range b.workers[:clients] {
		callers = append(callers, caller{side: &res.Theirs, rest: rest, take: theirs(b.lib, w)})
	}
	res.Lost, err = r.run(ctx, callers)
	res.Overlaps = r.overlaps.Load()
	return res, err
}
