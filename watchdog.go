package holdfast

import (
	"container/heap"
	"sync"
	"time"
)

// watchdog keeps the sessions of a Locker alive while it can, and ends them when it
// can't. One goroutine looks at each session when something is due: a renewal, which it
// sends off and does not wait for, or the end of the lease. So no I/O, slow or stuck,
// delays an end. What is due when, and what an answer means, is in lease.go.
type watchdog struct {
	l    *Locker
	wake chan struct{} // capacity 1: the heap's head is earlier than the goroutine knows

	mu      sync.Mutex
	heap    sessionHeap
	armed   time.Duration // when the goroutine wakes next
	running bool
	closed  bool
}

// slot is a session's place in the watchdog's heap, under the watchdog's mu.
type slot struct {
	at    time.Duration
	index int  // 1-based; 0: not there
	gone  bool // for good
}

// nap is the longest that the watchdog sleeps while it has sessions: the clock that its
// timer runs on stands still while the machine is suspended, so without it a lease that
// ended meanwhile would be noticed late by code that waits for Done.
const nap = time.Second

func newWatchdog(l *Locker) *watchdog {
	return &watchdog{l: l, wake: make(chan struct{}, 1)}
}

// watch takes a new session into care; false if the Locker is closed.
func (w *watchdog) watch(s *Session) bool {
	s.mu.Lock()
	at := s.next()
	s.mu.Unlock()
	return w.wakeBy(s, at)
}

// wakeBy makes the watchdog look at the session no later than at. Coming too early is
// harmless, so whoever sees a reason calls it, without regard to the others.
func (w *watchdog) wakeBy(s *Session, at time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return false
	case s.slot.gone:
		return true
	case s.slot.index == 0:
		s.slot.at = at
		heap.Push(&w.heap, s)
	case at < s.slot.at:
		s.slot.at = at
		heap.Fix(&w.heap, s.slot.index-1)
	}
	if !w.running {
		// Started by the first session, ended by stop, which Close calls; Close joins it. It
		// stays when the last session goes: waking a goroutine costs more than leaving one.
		w.running, w.armed = true, forever
		w.l.spawn(w.run)
	}
	if s.slot.at < w.armed {
		w.armed = s.slot.at
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// forget drops a session for good.
func (w *watchdog) forget(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.slot.gone = true
	if s.slot.index != 0 && !w.closed {
		heap.Remove(&w.heap, s.slot.index-1)
	}
}

// stop ends every session and the goroutine.
func (w *watchdog) stop() {
	w.mu.Lock()
	w.closed = true
	sessions := w.heap
	w.heap = nil
	w.mu.Unlock()
	for _, s := range sessions {
		s.end(ErrClosed)
	}
}

func (w *watchdog) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []*Session
	for {
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.l.ctx.Done():
			return
		}
		due = w.due(due[:0])
		for _, s := range due {
			if next := s.tick(); next != 0 && !w.wakeBy(s, next) {
				s.end(ErrClosed) // stop did not see it: it was in hand here
			}
		}
		if pause, ok := w.arm(); ok {
			timer.Reset(pause)
		}
	}
}

// due takes the sessions off the heap whose time has come.
func (w *watchdog) due(due []*Session) []*Session {
	now, ask := w.l.clock.Now(), w.l.clock.Jumped()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 && (w.heap[0].slot.at <= now || ask) {
		s := heap.Pop(&w.heap).(*Session)
		if ask {
			s.askNow.Store(true)
		}
		due = append(due, s)
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

// sessionHeap orders sessions by when the watchdog shall look at them.
type sessionHeap []*Session

func (h sessionHeap) Len() int           { return len(h) }
func (h sessionHeap) Less(i, j int) bool { return h[i].slot.at < h[j].slot.at }
func (h sessionHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot.index, h[j].slot.index = i+1, j+1
}

func (h *sessionHeap) Push(x any) {
	s := x.(*Session)
	*h = append(*h, s)
	s.slot.index = len(*h)
}

func (h *sessionHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.slot.index = 0
	return s
}
