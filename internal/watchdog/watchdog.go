// Package watchdog keeps the leases of a Locker alive while it can, and ends their sessions when it can't.
//
// The schedule's one goroutine looks at each lease when something is due: a renewal, or the end of
// the lease. The watchdog sends what the leases ask, many in one request, and does not wait for the
// answer: so no I/O, slow or stuck, delays an end. What is due when, and what an answer means, is
// decided by the packages lease and trust.
//
// It has no mutex. Tasks joins the goroutine of a round trip, which ends with the client's time-outs.
package watchdog

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Config is what a Watchdog works with.
type Config struct {
	Store  *store.Store
	Clock  *clock.Clock
	Tasks  *task.Group
	Closed context.Context // done when the Locker is closed, with the cause of the sessions' end
	// Sent is told of each round trip that has ended: how many leases it was for, and how long it took.
	Sent func(leases int, took time.Duration)
}

// Watchdog renews leases. It is safe for concurrent use.
type Watchdog struct {
	conf  Config
	sched *schedule.Scheduler[*lease.Lease]
	due   []lease.Request // of the schedule's goroutine
	aside atomic.Int32    // round trips under way by connections other than the client's
}

// New returns a Watchdog of no lease. Its goroutine is started with the first one.
func New(conf Config) *Watchdog {
	w := &Watchdog{conf: conf}
	w.sched = schedule.New(conf.Clock, conf.Tasks.Go, conf.Closed.Done(), w)
	return w
}

// Sched is the schedule of the leases.
func (w *Watchdog) Sched() *schedule.Scheduler[*lease.Lease] { return w.sched }

// Tick does what is due for a lease.
func (w *Watchdog) Tick(l *lease.Lease, now time.Duration) (next time.Duration) {
	w.due, next = l.Due(now, w.due)
	return next
}

// Closed ends the session of a lease, since the Locker is closed.
func (w *Watchdog) Closed(l *lease.Lease) { l.End(context.Cause(w.conf.Closed)) }

// Announce has Redis told our channel, for every lease that was asked for before we listened.
func (w *Watchdog) Announce() {
	var untold []*lease.Lease
	w.sched.Each(func(l *lease.Lease) {
		if !l.HasChannel() {
			untold = append(untold, l)
		}
	})
	for _, l := range untold {
		l.Announce()
	}
}

// MostAside is how many round trips are under way at once by connections other than the client's;
// those above it go by the client's again.
const MostAside = store.AsideConns / 2

// Ticked sends the requests that are due: to each server its own, those of one kind together.
func (w *Watchdog) Ticked() {
	if len(w.due) == 0 {
		return
	}
	parts := make(map[kind][]lease.Request)
	for i := range w.due {
		r := &w.due[i]
		k := kind{w.conf.Store.Server(r.Lease.Name()), r.Again, r.Call != nil}
		part := parts[k]
		if part == nil {
			// Grown step by step it would be copied again and again: that was half of all garbage.
			part = make([]lease.Request, 0, min(len(w.due)-i, lease.RenewMost))
		}
		if part = append(part, *r); len(part) == lease.RenewMost {
			w.start(part, k)
			part = nil
		}
		parts[k] = part
	}
	for k, part := range parts {
		if len(part) > 0 {
			w.start(part, k)
		}
	}
	for i := range w.due {
		if r := &w.due[i]; r.Silent > 0 {
			r.NoAnswer()
		}
	}
	clear(w.due)
	w.due = w.due[:0]
}

// start starts a round trip of requests.
func (w *Watchdog) start(part []lease.Request, k kind) {
	if k.aside && w.aside.Add(1) > MostAside {
		w.aside.Add(-1)
		k.aside = false
	}
	// Nobody waits for this goroutine but Close. It ends with the client's time-outs.
	w.conf.Tasks.Go(func() { w.send(part, k) })
}

// kind is what requests have in common that go together.
type kind struct {
	server string // the store's name of it
	aside  bool   // by connections other than the client's
	full   bool   // each has a call of its own
}

// send makes one round trip of requests.
func (w *Watchdog) send(part []lease.Request, k kind) {
	by := store.Backend(w.conf.Store)
	if k.aside {
		by = w.conf.Store.Aside()
		defer w.aside.Add(-1)
	}
	began, locks := w.conf.Clock.Now(), len(part)
	lease.RoundTrip(by, w.conf.Clock.Now, part)
	w.conf.Sent(locks, w.conf.Clock.Now()-began)
}
