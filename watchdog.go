package holdfast

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// watchdog keeps the leases of a Locker alive while it can, and ends their sessions when
// it can't. One goroutine looks at each lease when something is due: a renewal, or the end
// of the lease. It sends off what is to be renewed, many leases a request, and does not
// wait for it: so no I/O, slow or stuck, delays an end. What is due when, and what an
// answer means, is in lease.go.
type watchdog struct {
	l    *Locker
	wake chan struct{} // capacity 1: the heap's head is earlier than the goroutine knows

	renewals []renewal // that are due; of the goroutine

	mu      sync.Mutex
	heap    leaseHeap
	armed   time.Duration // when the goroutine wakes next
	busy    bool          // leases have come since it last woke
	running bool
	closed  bool
}

// nap is the longest that the watchdog sleeps while it has leases: the clock that its
// timer runs on stands still while the machine is suspended, so without it a lease that
// ended meanwhile would be noticed late by code that waits for Done.
const nap = time.Second

// gone is the index of a lease that was dropped for good.
const gone = -1

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
	return w.set(l, at, false)
}

// plan makes the watchdog look at the lease at that time, and not before unless there is
// reason to ask at once. Called with the lease's mu held, under which at was found.
func (w *watchdog) plan(l *lease, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.askNow.Load() {
		at = 0
	}
	w.set(l, at, true)
}

// set puts the lease where it belongs in the heap; false if the Locker is closed. Called
// with mu held.
func (w *watchdog) set(l *lease, at time.Duration, later bool) bool {
	switch {
	case w.closed:
		return false
	case l.index == gone:
		return true
	case l.index == 0:
		l.at = at
		heap.Push(&w.heap, l)
		w.busy = true
	case at < l.at || later && at > l.at:
		l.at = at
		heap.Fix(&w.heap, int(l.index-1))
	}
	if !w.running {
		// Started by the first lease, ended by stop, which Close calls; Close joins it. It
		// stays when the last lease goes: waking a goroutine costs more than leaving one.
		w.running, w.armed = true, forever
		w.l.spawn(w.run)
	}
	if l.at < w.armed {
		w.armed = l.at
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
	if l.index > 0 && !w.closed {
		heap.Remove(&w.heap, int(l.index-1))
	}
	l.index = gone
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
	timer := time.NewTimer(forever) // set sends a wake-up
	defer timer.Stop()
	var due []*lease
	for {
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.l.ctx.Done():
			return
		}
		now := w.l.clock.Now()
		due = w.due(now, due[:0])
		for _, l := range due {
			if next := l.tick(now); next != 0 && !w.wakeBy(l, next) {
				l.end(ErrClosed) // stop did not see it: it was in hand here
			}
		}
		w.renew()
		if pause, ok := w.arm(); ok {
			// Never 0: a timer that is due when it is set is run by whoever looks at it, and in
			// one bubble of synctest two at once crash Go 1.26's race detector.
			timer.Reset(max(pause, 1))
		}
	}
}

// renewal is what a lease asks of Redis when it is time.
type renewal struct {
	lease       *lease
	sent, bound time.Duration
	seq         uint32
	epoch       uint64
	ttl         time.Duration // to be renewed for that, by NAME alone; unless there is
	call        *store.Call
}

// renewMost is how many leases are renewed in one round trip.
const renewMost = 2048

// few reports whether one round trip can renew all leases, so there is nothing to spread.
func (w *watchdog) few() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.heap) < renewMost
}

// renew sends off the renewals that are due: to each server its own, those that are of one
// kind together.
func (w *watchdog) renew() {
	if len(w.renewals) == 0 {
		return
	}
	type kind struct {
		server string
		full   bool
	}
	kinds := make(map[kind][]renewal)
	for i := range w.renewals {
		r := &w.renewals[i]
		k := kind{w.l.store.Server(r.lease.m.name), r.call != nil}
		kinds[k] = append(kinds[k], *r)
	}
	clear(w.renewals)
	w.renewals = w.renewals[:0]
	for k, all := range kinds {
		for part := range slices.Chunk(all, renewMost) {
			// Nobody waits for this goroutine but Close. It ends with the client's time-outs.
			w.l.spawn(func() { w.deliver(part, k.full) })
		}
	}
}

// deliver makes one request of renewals and hands out the answers.
func (w *watchdog) deliver(part []renewal, full bool) {
	var bound time.Duration
	for _, r := range part {
		bound = max(bound, r.bound)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	began, locks := w.l.clock.Now(), len(part)
	defer func() { w.l.conf.observer.sent(Renewals, locks, w.l.clock.Now()-began) }()
	if !full {
		part = w.touch(ctx, part)
	}
	if len(part) == 0 {
		return
	}
	calls := make([]*store.Call, len(part))
	for i, r := range part {
		calls[i] = r.call
	}
	w.l.store.Do(ctx, calls...)
	now := w.l.clock.Now()
	for i := range part {
		r := &part[i]
		r.lease.renewed(r, now, r.call.Reply, r.call.Err)
	}
}

// touch renews leases by NAME alone, and returns those that have to be asked why they
// could not be.
func (w *watchdog) touch(ctx context.Context, part []renewal) (refused []renewal) {
	slices.SortStableFunc(part, func(a, b renewal) int { return cmp.Compare(a.ttl, b.ttl) })
	touches := make([]store.Touch, len(part))
	for i, r := range part {
		touches[i] = store.Touch{Name: r.lease.m.name, Token: r.lease.uid.String(), TTL: r.ttl}
	}
	w.l.store.Touch(ctx, touches)
	now := w.l.clock.Now()
	for i, t := range touches {
		r := &part[i]
		if t.Err == nil && t.Left == 0 {
			r.seq, r.call = 0, new(w.l.store.Check(r.lease.ident())) // which renews nothing
			refused = append(refused, *r)
			continue
		}
		r.lease.renewed(r, now, store.Reply{Status: store.Held, TTL: t.Left}, t.Err)
	}
	return refused
}

// due takes the leases off the heap whose time has come.
func (w *watchdog) due(now time.Duration, due []*lease) []*lease {
	ask := w.l.clock.Jumped()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 && (w.heap[0].at <= now || ask) {
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
	busy, now := w.busy, w.l.clock.Now()
	w.busy = false
	switch {
	case len(w.heap) > 0:
		w.armed = w.heap[0].at
	case busy:
		w.armed = now + nap // if leases come and go, it need not be woken for each
	default:
		w.armed = forever
		return 0, false
	}
	return max(min(w.armed-now, nap), 0), true
}

// leaseHeap orders leases by when the watchdog shall look at them.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i+1), int32(j+1)
}

func (h *leaseHeap) Push(x any) {
	l := x.(*lease)
	*h = append(*h, l)
	l.index = int32(len(*h))
}

func (h *leaseHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.index = 0
	return l
}
