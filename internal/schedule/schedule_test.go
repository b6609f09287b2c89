package schedule_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

// TestWhen: an item is looked at when it is due, and once.
func TestWhen(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *rig) // at 1 s
		want []tick
	}{
		{"By", func(r *rig) { r.By(r.a, 5*s) }, []tick{{"a", 5 * s, false}}},
		{"By, sooner", func(r *rig) { r.By(r.a, 5*s); r.By(r.a, 3*s) }, []tick{{"a", 3 * s, false}}},
		{"By, later", func(r *rig) { r.By(r.a, 3*s); r.By(r.a, 5*s) }, []tick{{"a", 3 * s, false}}},
		{"By, in the past", func(r *rig) { r.By(r.a, 1) }, []tick{{"a", s, false}}},
		{"By, of two", func(r *rig) { r.By(r.a, 5*s); r.By(r.b, 3*s) },
			[]tick{{"b", 3 * s, false}, {"a", 5 * s, false}}},
		{"Plan", func(r *rig) { r.Plan(r.a, 5*s) }, []tick{{"a", 5 * s, false}}},
		{"Plan, sooner", func(r *rig) { r.Plan(r.a, 5*s); r.Plan(r.a, 3*s) }, []tick{{"a", 3 * s, false}}},
		{"Plan, later", func(r *rig) { r.Plan(r.a, 3*s); r.Plan(r.a, 5*s) }, []tick{{"a", 5 * s, false}}},
		{"Plan, later than By", func(r *rig) { r.By(r.a, 3*s); r.Plan(r.a, 5*s) }, []tick{{"a", 5 * s, false}}},
		{"By, sooner than Plan", func(r *rig) { r.Plan(r.a, 5*s); r.By(r.a, 3*s) }, []tick{{"a", 3 * s, false}}},
		{"Plan, later than another", func(r *rig) { r.By(r.a, 3*s); r.By(r.b, 4*s); r.Plan(r.a, 5*s) },
			[]tick{{"b", 4 * s, false}, {"a", 5 * s, false}}},
		{"Now", func(r *rig) { r.Now(r.a) }, []tick{{"a", s, true}}},
		{"Now, sooner than By", func(r *rig) { r.By(r.a, 5*s); r.Now(r.a) }, []tick{{"a", s, true}}},
		{"Remove", func(r *rig) { r.By(r.a, 3*s); r.By(r.b, 5*s); r.Remove(r.a) }, []tick{{"b", 5 * s, false}}},
		{"Remove, twice", func(r *rig) { r.By(r.a, 3*s); r.Remove(r.a); r.Remove(r.a) }, nil},
		{"By, once removed", func(r *rig) { r.By(r.a, 3*s); r.Remove(r.a); r.By(r.a, 4*s) }, nil},
		{"Plan, once removed", func(r *rig) { r.By(r.a, 3*s); r.Remove(r.a); r.Plan(r.a, 4*s) }, nil},
		{"Now, once removed", func(r *rig) { r.By(r.a, 3*s); r.Remove(r.a); r.Now(r.a) }, nil},
		{"Remove, before all else", func(r *rig) { r.Remove(r.a); r.By(r.a, 4*s) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
				time.Sleep(s)
				c.do(r)
				want(t, r.after(time.Minute), c.want...)
				if n := r.Len(); n != 0 {
					t.Errorf("%d items are left", n)
				}
			})
		})
	}
}

// TestPlanAfterNow: a Plan that comes between Now and the look does not put the look off.
func TestPlanAfterNow(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		hold := make(chan struct{})
		r.answer = func(i *item, now time.Duration) time.Duration {
			if i == r.b {
				<-hold
			}
			return 0
		}
		r.By(r.b, s)
		r.after(2 * s) // the goroutine stands in the look at b
		r.Now(r.a)
		r.Plan(r.a, time.Hour)
		close(hold)
		want(t, r.after(0), tick{"a", 2 * s, true})
		r.Plan(r.a, time.Hour) // Now was answered: this counts
		want(t, r.after(time.Minute))
	})
}

// TestAnswer: what Tick returns is when the item is looked at next. A By meanwhile holds too, and a
// Remove is for good.
func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(r *rig)
		next      time.Duration
		want      []tick
	}{
		{"never", func(*rig) {}, 0, nil},
		{"once more", func(*rig) {}, 5 * s, []tick{{"a", 5 * s, false}}},
		{"sooner by By", func(r *rig) { r.By(r.a, 3*s) }, 5 * s, []tick{{"a", 3 * s, false}}},
		{"not later by By", func(r *rig) { r.By(r.a, 7*s) }, 5 * s, []tick{{"a", 5 * s, false}}},
		{"never, but for By", func(r *rig) { r.By(r.a, 3*s) }, 0, []tick{{"a", 3 * s, false}}},
		{"Now", func(r *rig) { r.Now(r.a) }, 5 * s, []tick{{"a", s, true}}},
		{"Remove", func(r *rig) { r.Remove(r.a) }, 5 * s, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
				r.answer = func(i *item, now time.Duration) time.Duration {
					r.answer = nil
					c.meanwhile(r)
					return c.next
				}
				r.By(r.a, s)
				want(t, r.after(time.Minute), append([]tick{{"a", s, false}}, c.want...)...)
				if closed := r.told(); closed != nil {
					t.Errorf("%v were closed", closed)
				}
			})
		})
	}
}

// TestGoroutine: one goroutine is started, by the first item, stays when the last item goes, and
// ends when it is told to.
func TestGoroutine(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		time.Sleep(s)
		r.Each(func(*item) { t.Error("there is an item") })
		r.Remove(&item{})
		if r.started != 0 {
			t.Error("a goroutine was started without an item")
		}
		for i := range 3 {
			r.By(r.a, r.clock.Now()+s)
			r.By(r.b, r.clock.Now()+s)
			if r.started != 1 {
				t.Errorf("%d goroutines were started", r.started)
			}
			if got := r.after(time.Hour); len(got) != 2 {
				t.Errorf("in round %d the looks were %v", i, got)
			}
		}
		before := r.clock.Now()
		r.end()
		if took := r.clock.Now() - before; took != 0 {
			t.Errorf("the goroutine took %v to end", took)
		}
	})
}

// TestEach: Each shows each item that is in the schedule once, and Len counts them.
func TestEach(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		all := make([]*item, 10)
		for i := range all {
			all[i] = &item{name: string(rune('0' + i))}
			r.By(all[i], time.Hour-time.Duration(i))
			r.By(all[i], time.Hour/2)
		}
		r.Remove(all[3])
		r.By(all[7], s)
		r.after(2 * s)
		var names []string
		r.Each(func(i *item) { names = append(names, i.name) })
		slices.Sort(names)
		if want := []string{"0", "1", "2", "4", "5", "6", "8", "9"}; !slices.Equal(names, want) || r.Len() != len(want) {
			t.Errorf("Each shows %v and Len is %d, not %v", names, r.Len(), want)
		}
	})
}

// TestStop: each item that is left is told once that it is closed, and nothing is looked at after.
func TestStop(t *testing.T) {
	nothing := func(*rig) {}
	for _, c := range []struct {
		name   string
		before func(r *rig)  // a is due at 3 s, b is not there yet
		during func(r *rig)  // b is looked at, and the Scheduler not stopped yet
		next   time.Duration // what Tick of b returns
		closed []string
	}{
		{"an item is left", nothing, nothing, 0, []string{"a"}},
		{"one was removed", func(r *rig) { r.Remove(r.a) }, nothing, 0, nil},
		{"one is looked at", nothing, nothing, 5 * s, []string{"a", "b"}},
		{"one is looked at and asked for", nothing, func(r *rig) { r.By(r.b, 4*s) }, 5 * s, []string{"a", "b"}},
		{"one is looked at and removed", nothing, func(r *rig) { r.Remove(r.b) }, 5 * s, []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
				r.answer = func(*item, time.Duration) time.Duration {
					c.during(r)
					r.Stop()
					return c.next
				}
				r.By(r.a, 3*s)
				c.before(r)
				r.By(r.b, s)
				want(t, r.after(2*s), tick{"b", s, false})
				if closed := r.told(); !slices.Equal(closed, c.closed) {
					t.Errorf("%v were closed, not %v", closed, c.closed)
				}
				r.Stop()
				if r.By(r.a, 3*s) || r.By(&item{}, 3*s) {
					t.Error("By does not say that the Scheduler is stopped")
				}
				r.Plan(r.b, 3*s)
				r.Now(r.b)
				r.Remove(r.a)
				want(t, r.after(time.Minute))
				if closed := r.told(); closed != nil || r.Len() != 0 {
					t.Errorf("%v were closed after the stop, %d are left", closed, r.Len())
				}
			})
		})
	}
}

// TestStopBeforeAnyItem: a Scheduler that was stopped starts no goroutine.
func TestStopBeforeAnyItem(t *testing.T) {
	bubble(t, clock.Source{}, func(t *testing.T, r *rig) {
		r.Stop()
		if r.By(r.a, s) {
			t.Error("By does not say that the Scheduler is stopped")
		}
		synctest.Wait()
		if r.started != 0 {
			t.Error("a goroutine was started")
		}
	})
}
