package holdfast

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/watchdog"
)

// newWatchdog makes what renews the leases of a Locker's sessions and ends a session in time if that
// fails, and what the leases need for it. Package watchdog sends the renewals; a lease tells its session,
// see holder.go.
func newWatchdog(l *Locker) (*watchdog.Watchdog, lease.Env) {
	dog := watchdog.New(watchdog.Config{
		Store: l.store, Clock: l.clock, Tasks: &l.tasks, Closed: l.ctx,
		Sent: func(locks int, took time.Duration) { l.conf.observer.sent(Renewals, locks, took) },
	})
	return dog, lease.Env{
		Clock: l.clock, Store: l.store, Sched: dog.Sched(), Offset: rand.N(time.Minute), Events: l.queues,
		Channel:  l.notify.Channel,
		Patience: l.send.Patience,
	}
}
