package holdfast

import (
	"container/heap"
	"sync"
	"time"
)

// watchdog keeps the leases of a Locker alive while it can, and ends their sessions when
// it can't. One goroutine looks at each lease when something is due: a renewal, which it
// sends off and does not wait for, or the end of the lease. So no I/O, slow or stuck,
// delays an end. What is due when, and what an answer means, is in lease.go.
type watchdog struct {
	l    *Locker
	wake chan struct{} // capacity 1: the heap's head is earlier than the goroutine knows

	mu      sync.Mutex
	heap    leaseHeap
	armed   time.Duration // when the goroutine wakes next
	running bool
	closed  bool
}

// slot is a lease's place in the watchdog's heap, under the watchdog's mu.
type slot struct {
	at    time.Duration
	index int  // 1-based; 0: not there
	gone  bool // for good
}

// nap is the longest that the watchdog sleeps while it has leases: the clock that its
// timer runs on stands still while the machine is suspended, so without it a lease that
// ended meanwhile would be noticed late by code that waits for Done.
const nap = time.Second

func newWatchdog(l *Locker) *watchdog {
	return &watchdog{l: l, wake: make(chan struct{}, 1)}
}

// watch takes a lease into care, or one that was dropped because its session had ended;
// false if the Locker is closed.
func (w *watchdog) watch(l *lease) bool {
	l.mu.Lock()
	at := l.next()
	l.mu.Unlock()
	return w.wakeBy(l, at)
}

// wakeBy makes the watchdog look at the lease no later than at. Coming too early is
// harmless, so whoever sees a reason calls it, without regard to the others.
func (w *watchdog) wakeBy(l *lease, at time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return false
	case l.slot.gone:
		return true
	case l.slot.index == 0:
		l.slot.at = at
		heap.Push(&w.heap, l)
	case at < l.slot.at:
		l.slot.at = at
		heap.Fix(&w.heap, l.slot.index-1)
	}
	if !w.running {
		// Started by the first lease, ended by stop, which Close calls; Close joins it. It
		// stays when the last lease goes: waking a goroutine costs more than leaving one.
		w.running, w.armed = true, forever
		w.l.spawn(w.run)
	}
	if l.slot.at < w.armed {
		w.armed = l.slot.at
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// forget drops a lease for good.
func (w *watchdog) forget(l *lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.slot.gone = true
	if l.slot.index != 0 && !w.closed {
		heap.Remove(&w.heap, l.slot.index-1)
	}
}

// stop ends every session and the goroutine.
func (w *watchdog) stop() {
	w.mu.Lock()
	w.closed = true
	leases := w.heap
	w.heap = nil
	w.mu.Unlock()
	for _, l := range leases {
		l.end(ErrClosed)
	}
}

func (w *watchdog) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []*lease
	for {
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.l.ctx.Done():
			return
		}
		due = w.due(due[:0])
		for _, l := range due {
			if next := l.tick(); next != 0 && !w.wakeBy(l, next) {
				l.end(ErrClosed) // stop did not see it: it was in hand here
			}
		}
		if pause, ok := w.arm(); ok {
			timer.Reset(pause)
		}
	}
}

// due takes the leases off the heap whose time has come.
func (w *watchdog) due(due []*lease) []*lease {
	now, ask := w.l.clock.Now(), w.l.clock.Jumped()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 && (w.heap[0].slot.at <= now || ask) {
		l := heap.Pop(&w.heap).(*lease)
		if ask {
			l.askNow.Store(true)
		}
		due = append(due, l)
	}
	return due
}

// arm returns how long to sleep; false if there is nothing to wake for.
func (w *watchdog) arm() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = forever
	if len(w.heap) == 0 {
		return 0, false
	}
	w.armed = w.heap[0].slot.at
	return max(min(w.armed-w.l.clock.Now(), nap), 0), true
}

// leaseHeap orders leases by when the watchdog shall look at them.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].slot.at < h[j].slot.at }
func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot.index, h[j].slot.index = i+1, j+1
}

func (h *leaseHeap) Push(x any) {
	l := x.(*lease)
	*h = append(*h, l)
	l.slot.index = len(*h)
}

func (h *leaseHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.slot.index = 0
	return l
}
