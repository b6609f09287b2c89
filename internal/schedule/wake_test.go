package schedule_test

import (
	"cmp"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/schedule"
)

// TestOrder: whatever is called in which order, each item is looked at when a simple model says: if no two
// are due at one time, and if many are.
func TestOrder(t *testing.T) {
	for seed := range uint64(60) {
		step := time.Duration(1)
		if seed%2 == 1 {
			step = s
		}
		bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
			random := rand.New(rand.NewPCG(seed, 0))
			items := make([]*item, 40)
			for i := range items {
				items[i] = &item{name: string(rune('A' + i))}
			}
			due := make(map[*item]time.Duration)
			gone := make(map[*item]bool)
			var expected []tick
			for range 600 {
				i, now := items[random.IntN(len(items))], r.clock.Now()
				at := now + time.Duration(random.Int64N(int64(10*s)))
				at = (at + step - 1).Truncate(step)
				was, there := due[i]
				switch op := random.IntN(20); {
				case op < 8:
					r.By(i, at)
					if !gone[i] && (!there || at < was) {
						due[i] = at
					}
				case op < 16:
					r.Plan(i, at)
					if !gone[i] {
						due[i] = at
					}
				case op == 16 && random.IntN(4) == 0:
					r.Remove(i)
					gone[i] = true
					delete(due, i)
				default:
					d := time.Duration(random.Int64N(int64(s)))
					expected = append(expected, come(due, now+d)...)
					want(t, byTime(r.after(d)), expected...)
					expected = nil
				}
				if r.Len() != len(due) {
					t.Fatalf("seed %d: there are %d items, not %d", seed, r.Len(), len(due))
				}
			}
			want(t, byTime(r.after(time.Minute)), come(due, r.clock.Now()+time.Hour)...)
		})
	}
}

// come takes those out of due whose time comes up to until.
func come(due map[*item]time.Duration, until time.Duration) (ticks []tick) {
	for i, at := range due {
		if at <= until {
			ticks = append(ticks, tick{i.name, at, false})
			delete(due, i)
		}
	}
	return byTime(ticks)
}

// byTime sorts those of one time, whose order is not laid down, by their names.
func byTime(ticks []tick) []tick {
	slices.SortFunc(ticks, func(a, b tick) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.name, b.name)) })
	return ticks
}

// TestTicked: Ticked is called after all items that are due at one time, and once.
func TestTicked(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		var before []int // how often it was called before each look
		r.answer = func(*item, time.Duration) time.Duration {
			before = append(before, r.woken())
			return 0
		}
		r.By(r.a, s/2)
		r.By(r.b, s/2)
		r.after(s)
		if after := r.woken(); !slices.Equal(before, []int{after - 1, after - 1}) {
			t.Errorf("Ticked was called %v times before the looks, %d times after", before, after)
		}
	})
}

// TestNotKept: an item that is no longer in the schedule can be freed, while others are there.
func TestNotKept(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		r.By(r.a, time.Hour)
		looked, removed := &item{name: "looked at"}, &item{name: "removed"}
		r.By(looked, s)
		r.By(removed, 2*time.Hour)
		r.Remove(removed)
		gone := []weak.Pointer[item]{weak.Make(looked), weak.Make(removed)}
		want(t, r.after(s+s/2), tick{"looked at", s, false})
		looked, removed = nil, nil
		runtime.GC()
		for i, p := range gone {
			if p.Value() != nil {
				t.Errorf("item %d is kept", i)
			}
		}
		runtime.KeepAlive(r)
	})
}

// TestIdle: the goroutine does not wake more often than it must.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(r *rig)
		span   time.Duration
		atMost int // wake-ups
	}{
		{"no item", func(*rig) {}, time.Hour, 0},
		{"the item has gone", func(r *rig) { r.By(r.a, s); time.Sleep(5 * s) }, time.Hour, 0},
		{"the item was removed", func(r *rig) { r.By(r.a, time.Minute); r.Remove(r.a); time.Sleep(5 * s) }, time.Hour, 0},
		{"an item due late", func(r *rig) { r.By(r.a, 2*time.Hour) }, time.Hour, 3601},
		{"an item looked at every minute", func(r *rig) {
			r.answer = func(_ *item, now time.Duration) time.Duration { return now + time.Minute }
			r.By(r.a, time.Minute)
		}, time.Hour, 3661},
		{"an item put off", func(r *rig) {
			for range 1000 {
				r.Plan(r.a, r.clock.Now()+time.Minute)
				time.Sleep(ms)
			}
		}, 0, 3},
		{"items that come and go", func(r *rig) {
			for range 1000 {
				i := &item{}
				r.By(i, r.clock.Now()+time.Minute)
				r.Remove(i)
				time.Sleep(ms)
			}
		}, 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
				before := 0
				if c.do(r); c.span > 0 {
					r.after(0)
					before = r.woken()
				}
				r.after(c.span)
				if n := r.woken() - before; n > c.atMost {
					t.Errorf("it woke %d times, not at most %d", n, c.atMost)
				}
			})
		})
	}
}

// TestSlept: what came due while the machine was suspended is looked at within a second, by the
// clock that stood still meanwhile.
func TestSlept(t *testing.T) {
	var slept atomic.Int64
	src := clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }}
	bubble(t, src, func(t *testing.T, r *rig) {
		r.By(r.a, time.Hour)
		r.By(r.b, 3*time.Hour)
		want(t, r.after(10*s+s/2))
		slept.Store(int64(2 * time.Hour))
		want(t, r.after(s), tick{"a", 2*time.Hour + 11*s, false})
	})
}

// TestJumped: after a jump of the wall clock all items are looked at within a second, and told to
// act now; after that they are due as before.
func TestJumped(t *testing.T) {
	var step atomic.Int64
	src := clock.Source{Wall: func() time.Time { return time.Now().Round(0).Add(time.Duration(step.Load())) }}
	bubble(t, src, func(t *testing.T, r *rig) {
		r.answer = func(*item, time.Duration) time.Duration { return time.Hour }
		r.By(r.a, time.Hour)
		r.By(r.b, 2*time.Hour)
		want(t, r.after(10*s+s/2))
		step.Store(int64(time.Hour))
		want(t, r.after(s), tick{"a", 11 * s, true}, tick{"b", 11 * s, true})
		want(t, r.after(time.Minute))
	})
}

// TestConcurrent: while many call everything at once, each item that By took is looked at or
// closed, to the end once; and none that it refused.
func TestConcurrent(t *testing.T) {
	const each = 300
	var (
		k          keeper
		goroutines sync.WaitGroup
		callers    sync.WaitGroup
		items      [8][each]counted
		done       = make(chan struct{})
	)
	c := clock.New(clock.Source{})
	sched := schedule.New(c, func(run func()) { goroutines.Go(run) }, done, &k)
	var taken atomic.Int32
	for w := range items {
		callers.Go(func() {
			for n := range items[w] {
				i := &items[w][n]
				i.again = n%2 == 0
				if i.taken = sched.By(i, c.Now()+time.Duration(n%7)*100*time.Microsecond); i.taken {
					taken.Add(1)
				}
				switch n % 5 {
				case 0:
					sched.Now(i)
				case 1:
					sched.By(i, 1)
				case 2:
					sched.Each(func(*counted) {})
				case 3:
					i.removed = true
					sched.Remove(i)
				}
				if w == 0 && n == each/2 {
					sched.Stop()
				}
			}
		})
	}
	callers.Wait()
	close(done)
	goroutines.Wait()
	if n := taken.Load(); n < each/2 {
		t.Fatalf("only %d items were taken", n)
	}
	for w := range items {
		for n := range items[w] {
			i := &items[w][n]
			switch ends := i.last.Load() + i.closed.Load(); {
			case !i.taken && ends != 0:
				t.Errorf("an item that was refused has ended %d times", ends)
			case i.taken && i.closed.Load() > 1:
				t.Errorf("an item was closed %d times", i.closed.Load())
			case i.taken && !i.removed && ends == 0:
				t.Error("an item was forgotten")
			}
		}
	}
}

type counted struct {
	slot                  schedule.Slot
	again, taken, removed bool
	ticks, last, closed   atomic.Int32
}

func (i *counted) Sched() *schedule.Slot { return &i.slot }

type keeper struct{}

func (*keeper) Tick(i *counted, now time.Duration) time.Duration {
	if i.ticks.Add(1) == 1 && i.again {
		return now + 300*time.Microsecond
	}
	i.last.Add(1)
	return 0
}

func (*keeper) Ticked()           {}
func (*keeper) Closed(i *counted) { i.closed.Add(1) }
