package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast/internal/engine"
	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/settings"
)

// defaults are those of the Locker's locks.
func (l *Locker) defaults() config {
	c := defaults()
	c.Failover, c.Longest = l.conf.Failover, l.conf.Longest
	return c
}

// guard makes the Guard of the Locker's failover grace, nil without that.
func (l *Locker) guard(e *engine.Engine) *grace.Guard {
	c := l.conf
	f := &settings.Failover{TTL: c.TTL}
	if c.Failover != nil {
		f.Grace = c.Failover.Grace
	}
	c.Failover = f // for all locks
	if l.confErr != nil || f.Grace == 0 {
		return nil
	}
	c.Longest = c.TTL
	return e.Store.Guard(grace.New(grace.Config{
		Grace: f.Grace, Window: f.Grace - f.Grace/51 - c.TTL, Now: e.Clock.Now, Sharded: e.Store.Sharded(),
		Changed: func(left time.Duration) {
			c.warn("holdfast: the replication history has changed; no lock is given", slog.Duration("for", left))
			c.observer.historyChanged(left)
		},
		Settled: func() { e.Queues.Poke("") }, Longer: func(own, all time.Duration) {
			c.warn("holdfast: another's failover grace is longer, and counts", slog.Duration("own", own), slog.Duration("longest", all))
		},
	}))
}

// grace is how long the server of a lock gives none yet, as far as is known.
func (l *Locker) grace(name string) time.Duration {
	return l.engine.Queues.Grace.Left(l.engine.Store.Server(name))
}

// SettleHistory tells Redis that its present replication history has been known for long enough, so
// that with [WithFailoverGrace] locks are given at once: for operators and for tests, who know that no
// lease of an earlier history is live. The Locker must have that option. ctx bounds the request.
func (l *Locker) SettleHistory(ctx context.Context) error {
	mustContext(ctx)
	err := l.confErr
	if err == nil && l.conf.Failover.Grace == 0 {
		err = invalid("the Locker has no failover grace")
	}
	if err == nil {
		err = l.engine.Settle(ctx)
	}
	if err != nil {
		return fmt.Errorf("holdfast: settle the history: %w", err)
	}
	return nil
}
