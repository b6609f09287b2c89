package election_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// TestLeader: everybody agrees who leads, and one Elector says that it does.
func TestLeader(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		a, b := e.candidate("a", 0), e.candidate("b", 0)
		if _, err := a.Leader(t.Context()); !errors.Is(err, election.ErrNoLeader) || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("before the election: %v", err)
		}
		for _, now := range []struct{ leader, other *candidate }{{a, b}, {b, a}} {
			var fence atomic.Int64
			e.run(now.leader, func(ctx context.Context) error {
				s, _ := holdfast.FromContext(ctx)
				fence.Store(s.Fence())
				return lead(ctx)
			})
			locktest.Eventually(t, "it leads", func() bool { return fence.Load() != 0 })
			if !now.leader.IsLeader() || now.other.IsLeader() {
				t.Errorf("leads: %v; the other: %v", now.leader.IsLeader(), now.other.IsLeader())
			}
			mine, err := now.leader.Leader(t.Context())
			e.must(err)
			theirs, err := now.other.Leader(t.Context())
			e.must(err)
			if !mine.Self || theirs.Self {
				t.Errorf("they say %+v and %+v", mine, theirs)
			}
			if mine.Self = false; mine != theirs || mine.Fence != fence.Load() || time.Since(mine.Since).Abs() > time.Minute {
				t.Errorf("they say %+v and %+v; the fence is %d", mine, theirs, fence.Load())
			}
			now.leader.stop()
			if err := <-now.leader.err; err != context.Canceled {
				t.Errorf("Run = %v", err)
			}
			if now.leader.IsLeader() {
				t.Error("leads after Run has returned")
			}
		}
	})
}

// TestIsLeaderEndsInTime: a leader that is cut off says so before its lock can be another's.
func TestIsLeaderEndsInTime(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		a := e.candidate("a", 0)
		e.run(a, func(ctx context.Context) error {
			_ = lead(ctx)
			time.Sleep(time.Second) // late: the lock expires meanwhile
			return nil
		})
		locktest.Eventually(t, "it leads", a.IsLeader)
		a.link.Refuse()
		for a.IsLeader() {
			n, err := e.direct.Exists(t.Context(), "a").Result()
			e.must(err)
			if n == 0 && a.IsLeader() {
				t.Fatal("it leads though the key is gone")
			}
			time.Sleep(time.Millisecond)
		}
		a.link.Heal()
		locktest.Eventually(t, "it leads again", a.IsLeader)
	})
}

// TestIsLeaderIsOne: never do two say that they lead.
func TestIsLeaderIsOne(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		a, b := e.candidate("a", 0, holdfast.WithMaxHold(30*time.Millisecond)), e.candidate("b", 0, holdfast.WithMaxHold(20*time.Millisecond))
		e.run(a, lead)
		e.run(b, lead)
		had := make(map[*candidate]int)
		locktest.Eventually(t, "both have led ten times", func() bool {
			for range 100 {
				// The one that is asked first may have ended since, so it is asked again.
				if first := a.IsLeader(); first && b.IsLeader() && a.IsLeader() {
					t.Fatal("both lead")
				} else if first {
					had[a]++
				} else if b.IsLeader() {
					had[b]++
				}
			}
			return had[a] > 10 && had[b] > 10
		})
	})
}

// TestNobodyLeads: a lock that is kept for its minimum hold has no leader, and a stranger's has one
// of whom nothing is known.
func TestNobodyLeads(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		a := e.candidate("a", 0)
		e.must(a.Run(t.Context(), func(context.Context) error { return nil }, holdfast.WithMinHold(time.Minute)))
		if l, err := a.Leader(t.Context()); !errors.Is(err, election.ErrNoLeader) {
			t.Errorf("in the minimum hold: %+v, %v", l, err)
		}
		e.must(a.mu.ForceRelease(t.Context()))
		e.must(e.direct.Set(t.Context(), "a", "a stranger's", time.Minute).Err())
		if l, err := a.Leader(t.Context()); err != nil || l != (election.Leader{}) {
			t.Errorf("a stranger: %+v, %v", l, err)
		}
		a.link.Refuse()
		if _, err := a.Leader(t.Context()); err == nil || errors.Is(err, election.ErrNoLeader) {
			t.Errorf("without Redis: %v", err)
		}
		a.link.Heal()
	})
}

// TestOnNewLeader: each sees its own terms at once and those of others within the interval, once, and
// in order.
func TestOnNewLeader(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		every := 100 * time.Millisecond
		a, b := e.candidate("a", every), e.candidate("b", every)
		e.run(a, lead)
		locktest.Eventually(t, "a sees itself", func() bool { return len(a.saw()) == 1 })
		e.run(b, lead)
		locktest.Eventually(t, "b sees a", func() bool { return len(b.saw()) == 1 })
		time.Sleep(5 * every)
		e.must(a.mu.ForceRelease(t.Context()))
		locktest.Eventually(t, "b sees itself", func() bool { return len(b.saw()) == 2 })
		locktest.Eventually(t, "a sees b", func() bool { return len(a.saw()) == 2 })
		time.Sleep(5 * every)
		for _, c := range []*candidate{a, b} {
			saw := c.saw()
			if len(saw) != 2 || saw[0].Label != "a" || saw[1].Label != "b" || saw[0].Self != (c == a) || saw[1].Self != (c == b) ||
				saw[0].Fence >= saw[1].Fence || saw[0].Since.IsZero() {
				t.Errorf("it saw %+v", saw)
			}
		}
		for i := range 2 {
			one, other := a.saw()[i], b.saw()[i]
			if one.Self, other.Self = false, false; one != other {
				t.Errorf("they saw %+v and %+v", one, other)
			}
		}
	})
}

// TestOwnTermAtOnce: a term of one's own is reported without Redis, however long the interval is.
func TestOwnTermAtOnce(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		a := e.candidate("a", time.Hour)
		e.must(a.Run(t.Context(), func(context.Context) error {
			a.link.Refuse()
			defer a.link.Heal()
			time.Sleep(100 * time.Millisecond)
			if saw := a.saw(); len(saw) != 1 || !saw[0].Self {
				t.Errorf("reported: %+v", saw)
			}
			return nil
		}))
	})
}

// TestOwnTermBesideAQuestion: a question who leads that Redis does not answer does not delay the report.
func TestOwnTermBesideAQuestion(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		holder, a := e.candidate("holder", 0), e.candidate("a", 100*time.Millisecond)
		var silent silence
		a.client.AddHook(&silent)
		s, err := holder.mu.Acquire(t.Context())
		e.must(err)
		e.run(a, func(context.Context) error {
			defer silent.on.Store(false)
			time.Sleep(time.Second)
			if saw := a.saw(); len(saw) != 2 || !saw[1].Self {
				t.Errorf("reported: %+v", saw)
			}
			return nil
		}, holdfast.WithTTL(time.Minute)) // the grant comes by a message, and lasts for 3 s
		locktest.Eventually(t, "it sees the holder, and waits", func() bool {
			info, err := holder.mu.Inspect(t.Context())
			return err == nil && info.Waiters == 1 && len(a.saw()) == 1
		})
		silent.on.Store(true)
		time.Sleep(150 * time.Millisecond)
		e.must(s.Release(t.Context()))
		e.must(<-a.err)
	})
}

// silence is a hook that keeps requests back while it is on.
type silence struct{ on atomic.Bool }

func (s *silence) wait() {
	for s.on.Load() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *silence) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *silence) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { s.wait(); return next(ctx, cmd) }
}

func (s *silence) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { s.wait(); return next(ctx, cmds) }
}

// TestSlowCallback: it delays neither the leader's work nor what it is called for, and Run waits for
// it.
func TestSlowCallback(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		c := e.candidate("a", 0)
		calls, over := 0, 0
		slow := election.New(c.mu, election.Config{OnNewLeader: func(election.Leader) {
			calls++
			time.Sleep(time.Minute)
			over++
		}})
		terms := 0
		e.must(slow.Run(t.Context(), func(ctx context.Context) error {
			if terms++; terms == 5 {
				return nil
			}
			return lead(ctx)
		}, holdfast.WithMaxHold(time.Second)))
		if terms != 5 || calls != 1 || over != calls {
			t.Errorf("%d terms, %d calls, of which %d have returned", terms, calls, over)
		}
	})
}

// TestIdleCostsNothing: without a callback nobody asks who leads.
func TestIdleCostsNothing(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var sent [2]atomic.Int32
		for i, conf := range []election.Config{{}, {OnNewLeader: func(election.Leader) {}}} {
			c := e.candidate("a", 0, holdfast.WithWaitTimeout(time.Minute), holdfast.WithObserver(&holdfast.Observer{
				Sent: func(holdfast.Traffic, int, time.Duration) { sent[i].Add(1) },
			}))
			conf.Interval = time.Second
			s, err := e.candidate("holder", 0).mu.Acquire(t.Context())
			e.must(err)
			if err := election.New(c.mu, conf).Run(t.Context(), lead); !errors.Is(err, holdfast.ErrWaitTimeout) {
				t.Error(err)
			}
			e.must(s.Release(t.Context()))
		}
		if more := sent[1].Load() - sent[0].Load(); more < 40 || more > 100 {
			t.Errorf("%d requests without a callback, %d with one in a minute of seconds", sent[0].Load(), sent[1].Load())
		}
	})
}

// TestWrongUse: what is wrong is said, and leaves nothing behind.
func TestWrongUse(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		c := e.candidate("a", 0)
		for _, d := range []time.Duration{-1, time.Millisecond - 1} {
			err := election.New(c.mu, election.Config{Interval: d}).Run(t.Context(), lead)
			if !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), d.String()) {
				t.Errorf("interval %v: %v", d, err)
			}
		}
		e.must(c.Run(t.Context(), func(ctx context.Context) error {
			if err := c.Run(ctx, lead); !errors.Is(err, holdfast.ErrInvalid) || !c.IsLeader() {
				t.Errorf("Run in Run: %v", err)
			}
			return nil
		}))
		e.must(c.Run(t.Context(), func(context.Context) error { return nil })) // again
		func() {
			defer func() { _ = recover() }()
			_ = c.Run(t.Context(), func(context.Context) error { panic("oh") })
		}()
		if c.IsLeader() {
			t.Error("leads after a panic")
		}
		if n := e.direct.Exists(t.Context(), "a").Val(); n != 0 {
			t.Error("the lock is held")
		}
		defer func() {
			if recover() == nil {
				t.Error("a nil mutex is no panic")
			}
		}()
		election.New(nil, election.Config{})
	})
}

// TestDrainingLeader: a leader that drains still leads.
func TestDrainingLeader(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		c := e.candidate("a", 0)
		ctx, shutdown := context.WithCancel(t.Context())
		e.must(c.Run(ctx, func(ctx context.Context) error {
			shutdown()
			time.Sleep(10 * time.Second)
			if !c.IsLeader() || ctx.Err() != nil {
				t.Errorf("leads: %v, Err = %v", c.IsLeader(), context.Cause(ctx))
			}
			return nil
		}, holdfast.WithDrain(time.Minute)))
	})
}
