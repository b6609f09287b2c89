// Package schedule looks at each of many items when something is due. One goroutine and one heap
// serve them all, so to look at an item must not block. The heap is of times, each with the items
// that are due then: see bucket.
//
// The Scheduler's mutex guards the heap and every item's Slot. It is taken last: the items' own
// mutexes may be held. The goroutine calls its Keeper with no mutex held.
package schedule

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// maxSleep is the longest that the goroutine sleeps while there are items: the clock that its
// timer runs on stands still while the machine is suspended, so without it what came due meanwhile
// would be noticed late.
const maxSleep = time.Second

// removed is the place of an item that was removed for good.
const removed = -1

// Slot is an item's part of the schedule, to be embedded in it.
type Slot struct {
	place  int32 // in the bucket, from 1 on; 0 if it is in none
	bucket int32 // its number, if it is in one
	now    atomic.Bool
}

// TakeNow reports whether Now was called since TakeNow was.
func (s *Slot) TakeNow() bool { return s.now.Load() && s.now.Swap(false) }

// Item is looked at when it is due.
type Item interface {
	// Sched returns the item's Slot, always the same.
	Sched() *Slot
}

// Keeper looks at the items.
type Keeper[T Item] interface {
	// Tick does what is due for the item, and returns when to look again, or 0 for never.
	Tick(item T, now time.Duration) time.Duration
	// Ticked is called after all items that were due at one time.
	Ticked()
	// Closed is called once for each item that is left when the Scheduler is stopped. This may be
	// another goroutine than the other functions'.
	Closed(item T)
}

// Scheduler is safe for concurrent use.
type Scheduler[T Item] struct {
	clock *clock.Clock
	spawn func(func())
	wake  chan struct{} // capacity 1: the heap's head is earlier than the goroutine knows
	done  <-chan struct{}
	keep  Keeper[T]

	size    atomic.Int32 // how many items there are
	mu      sync.Mutex
	times   times[T]
	armed   time.Duration // when the goroutine wakes next
	busy    bool          // items have come since it last woke
	running bool
	closed  bool
}

// New returns a Scheduler whose goroutine is started by spawn with the first item, and ends when
// done is closed.
func New[T Item](c *clock.Clock, spawn func(func()), done <-chan struct{}, keep Keeper[T]) *Scheduler[T] {
	return &Scheduler[T]{
		clock: c, spawn: spawn, wake: make(chan struct{}, 1), done: done, keep: keep,
		times: times[T]{known: make(map[time.Duration]int32)},
	}
}

// Len returns how many items there are.
func (s *Scheduler[T]) Len() int { return int(s.size.Load()) }

// By has the item looked at no later than at. To look too early is harmless, so whoever sees a
// reason calls it, without regard to others. False if the Scheduler is stopped.
func (s *Scheduler[T]) By(item T, at time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set(item, at, false)
}

// Plan has the item looked at at that time, and not before unless Now was called. The caller holds
// the mutex under which it found at.
func (s *Scheduler[T]) Plan(item T, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if item.Sched().now.Load() {
		at = 0
	}
	s.set(item, at, true)
}

// Now has the item looked at at once, and tells it so: see TakeNow.
func (s *Scheduler[T]) Now(item T) {
	item.Sched().now.Store(true)
	s.By(item, 0)
}

// Remove drops an item for good.
func (s *Scheduler[T]) Remove(item T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := item.Sched(); slot.place > 0 && !s.closed {
		s.times.remove(item)
		s.size.Add(-1)
	}
	item.Sched().place = removed
}

// Each calls f for every item, with the Scheduler's mutex held.
func (s *Scheduler[T]) Each(f func(T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.times.buckets {
		for _, item := range b.items {
			f(item)
		}
	}
}

// Stop has every item told that it is Closed. The goroutine ends by itself.
func (s *Scheduler[T]) Stop() {
	s.mu.Lock()
	s.closed = true
	left := s.times.buckets
	s.times = times[T]{}
	s.size.Store(0)
	s.mu.Unlock()
	for _, b := range left {
		for _, item := range b.items {
			s.keep.Closed(item)
		}
	}
}

// set puts the item where it belongs; false if the Scheduler is stopped. Called with
// mu held.
func (s *Scheduler[T]) set(item T, at time.Duration, later bool) bool {
	slot := item.Sched()
	switch {
	case s.closed:
		return false
	case slot.place == removed:
		return true
	case slot.place == 0:
		s.times.add(item, at)
		s.size.Add(1)
		s.busy = true
	default:
		if was := s.times.of(item); at < was || later && at > was {
			s.times.remove(item)
			s.times.add(item, at)
		}
	}
	if !s.running {
		// Started by the first item, ended by done, joined by whoever waits for what spawn
		// started. It stays when the last item goes: to wake a goroutine costs more than to
		// leave one.
		s.running, s.armed = true, clock.Forever
		s.spawn(s.run)
	}
	if at := s.times.of(item); at < s.armed {
		s.armed = at
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// again puts an item back that due has taken out; false if the Scheduler was stopped meanwhile
// and Stop did not see the item. Stop has closed what By had put back before, and leaves the place.
func (s *Scheduler[T]) again(item T, at time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set(item, at, false) || item.Sched().place != 0
}

func (s *Scheduler[T]) run() {
	timer := time.NewTimer(clock.Forever) // set sends a wake-up
	defer timer.Stop()
	var due []T
	for {
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.done:
			return
		}
		now := s.clock.Now()
		due = s.due(now, due[:0])
		for _, item := range due {
			if next := s.keep.Tick(item, now); next != 0 && !s.again(item, next) {
				s.keep.Closed(item)
			}
		}
		clear(due)
		s.keep.Ticked()
		if pause, ok := s.arm(); ok {
			// Never 0: a timer that is due when it is set is run by whoever looks at it, and in
			// one bubble of synctest two at once crash Go 1.26's race detector.
			timer.Reset(max(pause, 1))
		}
	}
}

// due takes out the items whose time has come; all of them, told to act now, if the clock has
// jumped.
func (s *Scheduler[T]) due(now time.Duration, due []T) []T {
	jumped := s.clock.Jumped()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.times.heap) > 0 && (s.times.heap[0].at <= now || jumped) {
		due = s.times.removeFirst(due)
	}
	s.size.Add(-int32(len(due)))
	if jumped {
		for _, item := range due {
			item.Sched().now.Store(true)
		}
	}
	return due
}

// arm returns how long to sleep; false if there is nothing to wake for.
func (s *Scheduler[T]) arm() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy, now := s.busy, s.clock.Now()
	s.busy = false
	switch {
	case len(s.times.heap) > 0:
		s.armed = s.times.heap[0].at
	case busy:
		s.armed = now + maxSleep // if items come and go, it need not be woken for each
	default:
		s.armed = clock.Forever
		return 0, false
	}
	return max(min(s.armed-now, maxSleep), 0), true
}
