package schedule_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type item struct {
	slot schedule.Slot
	name string
}

func (i *item) Sched() *schedule.Slot { return &i.slot }

// tick is a look at an item, and whether the item was told to act now.
type tick struct {
	name string
	at   time.Duration
	now  bool
}

// rig is a Scheduler, and the Keeper that notes what it is told.
type rig struct {
	*schedule.Scheduler[*item]
	clock *clock.Clock
	a, b  *item
	ended bool // done is closed

	goroutines sync.WaitGroup
	started    int
	answer     func(i *item, now time.Duration) time.Duration // of Tick; nil: never again
	done       chan struct{}

	mu     sync.Mutex
	ticks  []tick
	rounds int // how often Ticked was called
	closed []string
}

func (r *rig) Tick(i *item, now time.Duration) time.Duration {
	r.mu.Lock()
	r.ticks = append(r.ticks, tick{i.name, now, i.slot.TakeNow()})
	r.mu.Unlock()
	if r.answer == nil {
		return 0
	}
	return r.answer(i, now)
}

func (r *rig) Ticked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rounds++
}

func (r *rig) Closed(i *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = append(r.closed, i.name)
}

// bubble runs f with a rig on fake time, and joins the rig's goroutine.
func bubble(t *testing.T, src clock.Source, f func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{clock: clock.New(src), done: make(chan struct{}), a: &item{name: "a"}, b: &item{name: "b"}}
		r.Scheduler = schedule.New(r.clock, func(run func()) {
			r.started++
			r.goroutines.Go(run)
		}, r.done, r)
		f(t, r)
		r.end()
	})
}

// end has the goroutine end, and joins it.
func (r *rig) end() {
	if !r.ended {
		r.ended = true
		close(r.done)
	}
	r.goroutines.Wait()
}

// after returns the looks that there were once d has passed, and forgets them.
func (r *rig) after(d time.Duration) []tick {
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	ticks := r.ticks
	r.ticks = nil
	return ticks
}

// woken returns how often the goroutine has woken.
func (r *rig) woken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rounds
}

// told returns the items that were closed, and forgets them.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	closed := r.closed
	r.closed = nil
	return closed
}

// want reports an error unless these were the looks.
func want(t *testing.T, got []tick, want ...tick) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the looks were %v, not %v", got, want)
	}
}
