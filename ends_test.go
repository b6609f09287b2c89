package holdfast_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// TestContextEndsWithOuter: a context that comes from another session's is done once that is.
func TestContextEndsWithOuter(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker()
		for range 20 {
			outer := e.acquire(l.Mutex("outer"))
			inner, err := l.Mutex("inner").Acquire(outer.Context())
			e.must(err)
			_ = inner.Done() // from now on it has a standard context, which learns of the end from the outer one
			_, wait := locktest.BeginEnd(outer.Context(), func() { e.must(outer.Release(e.ctx())) })
			if inner.Context().Err() == nil {
				t.Error("it is live, and the context that it comes from is done")
			}
			wait()
			e.must(inner.Release(e.ctx()))
		}
	})
}

// TestReleaseTellsFirst: the lock goes to another only when all that comes from the session's context has
// been told, also if it is not Release that has begun to end it.
func TestReleaseTellsFirst(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l, other := e.locker(), e.locker()
		for _, by := range []string{"release", "parent"} {
			for range 10 {
				parent, cancel := context.WithCancel(e.ctx())
				s, err := l.Mutex("a").Acquire(parent)
				e.must(err)
				end := cancel
				if by == "release" {
					end = func() { e.must(s.Release(e.ctx())) }
				}
				all, wait := locktest.BeginEnd(s.Context(), end)
				e.must(s.Release(e.ctx()))
				next, err := other.Mutex("a").TryAcquire(e.ctx())
				e.must(err)
				for _, ctx := range all {
					if ctx.Err() == nil {
						t.Errorf("%s: what comes from the released session is live while another holds the lock", by)
						break
					}
				}
				e.must(next.Release(e.ctx()))
				wait()
				cancel()
			}
		}
	})
}

// TestDrainingUnderWay: Draining is closed once the session has ended.
func TestDrainingUnderWay(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithDrain(time.Hour))
		for range 20 {
			s := e.acquire(l.Mutex("a"))
			_, wait := locktest.BeginEnd(s.Context(), func() { e.must(s.Release(e.ctx())) })
			if !draining(s) {
				t.Error("the session has ended, and does not drain")
			}
			wait()
		}
	})
}

// TestFirstLook: whatever belongs to a session looks at the clock.
func TestFirstLook(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer clock.Replace(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		for _, drain := range []time.Duration{0, time.Hour} {
			for name, look := range map[string]func(s *holdfast.Session) func() bool{
				"Draining": func(s *holdfast.Session) func() bool { return func() bool { return draining(s) } },
				"Err of a group's context": func(s *holdfast.Session) func() bool {
					_, ctx := s.Group()
					return func() bool { return ctx.Err() != nil }
				},
				"Done of a group's context": func(s *holdfast.Session) func() bool {
					_, ctx := s.Group()
					return func() bool {
						select {
						case <-ctx.Done():
							return true
						default:
							return false
						}
					}
				},
			} {
				s := e.acquire(e.locker(holdfast.WithDrain(drain)).Mutex("a"))
				over := look(s)
				if over() {
					t.Errorf("drain %v: %s: over before the end", drain, name)
				}
				slept.Add(int64(time.Hour))
				if !over() {
					t.Errorf("drain %v: %s: the first look after a sleep does not find the end: %v", drain, name, s.Err())
				}
				_ = s.Release(e.ctx())
				time.Sleep(time.Minute)
			}
		}
	})
}

// stuck is a context of a caller's own type, whose Value takes its time once it has ended.
type stuck struct {
	context.Context
	done chan struct{}
	free chan struct{}
}

func (c *stuck) Done() <-chan struct{} { return c.done }

func (c *stuck) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func (c *stuck) Value(any) any {
	if c.Err() != nil {
		<-c.free
	}
	return nil
}

// TestStuckParent: a caller's context that takes its time to say why it has ended holds up nobody else's
// session, neither by the session that comes from it nor by one that comes from that.
func TestStuckParent(t *testing.T) {
	for _, drain := range []time.Duration{0, time.Hour} {
		onFake(t, func(t *testing.T, e *env) {
			l := e.locker()
			parent := &stuck{e.ctx(), make(chan struct{}), make(chan struct{})}
			s, err := l.Mutex("a").Acquire(parent)
			e.must(err)
			inner, err := l.Mutex("inner").Acquire(s.Context(), holdfast.WithDrain(drain))
			e.must(err)
			other := e.acquire(l.Mutex("b"))
			_ = s.Done() // from now on it has a standard context, which a goroutine tells of the end
			close(parent.done)
			time.Sleep(time.Minute)
			if !held(t, e, "b") || other.Err() != nil {
				t.Errorf("drain %v: the lock of another session was not renewed: %v", drain, other.Err())
			}
			close(parent.free)
			<-s.Done()
			e.must(inner.Release(e.ctx()))
			e.must(s.Release(e.ctx()))
			e.must(other.Release(e.ctx()))
		})
	}
}

// TestAllDrainBelow: work under several locks ends at once with the first that is lost, also if it
// drains.
func TestAllDrainBelow(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		for _, lost := range []string{"a", "b"} {
			l := e.locker()
			all, err := l.AcquireAll(e.ctx(), []string{"a", "b"})
			e.must(err)
			inner, err := l.Mutex("inner").Acquire(all.Context(), holdfast.WithDrain(time.Hour))
			e.must(err)
			e.must(e.direct.Del(e.ctx(), lost).Err())
			<-all.Done()
			time.Sleep(time.Minute)
			if !errors.Is(inner.Err(), holdfast.ErrLost) {
				t.Errorf("a minute after the loss of %q the inner session's Err = %v", lost, inner.Err())
			}
			_ = inner.Release(e.ctx())
			_ = all.Release(e.ctx())
		}
	})
}

// TestAllDrainBelowOne: a session that comes from that of one of several locks drains, also when another of
// those is lost.
func TestAllDrainBelowOne(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker()
		all, err := l.AcquireAll(e.ctx(), []string{"a", "b"})
		e.must(err)
		ctx, cancel := context.WithCancel(all.Session("a").Context())
		inner, err := l.Mutex("inner").Acquire(ctx, holdfast.WithDrain(time.Hour))
		e.must(err)
		e.must(e.direct.Del(e.ctx(), "b").Err())
		<-all.Done()
		cancel()
		time.Sleep(time.Minute)
		if err := inner.Err(); err != nil {
			t.Errorf("its outer lock is held, and the drain time of an hour is over in a minute: %v", err)
		}
		e.must(inner.Release(e.ctx()))
		_ = all.Release(e.ctx())
	})
}

// TestOvertakenByRelease: a request that a release overtakes finds no loss.
func TestOvertakenByRelease(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		for name, c := range map[string]struct {
			call func(s *holdfast.Session) error
			by   string
		}{
			"Check":  {func(s *holdfast.Session) error { return s.Check(e.ctx()) }, "check"},
			"Extend": {func(s *holdfast.Session) error { return s.Extend(e.ctx(), time.Second) }, "extend"},
			"SetTTL": {func(s *holdfast.Session) error { return s.SetTTL(e.ctx(), 5*time.Second) }, "extend"},
		} {
			p := &tap{}
			s := e.acquire(e.tapped(p).Mutex("a"))
			p.setDeliver(func(of call, send func() error) error {
				if of.script == c.by {
					p.setDeliver(nil)
					e.must(s.Release(e.ctx()))
				}
				return send()
			})
			if err := c.call(s); !errors.Is(err, holdfast.ErrReleased) || errors.Is(err, holdfast.ErrLost) {
				t.Errorf("%s: %v, and the session has ended by %v", name, err, s.Err())
			}
		}
	})
}

// TestMaxHoldAfterWait: the maximum hold counts from the acquisition, not from when the call began to wait.
func TestMaxHoldAfterWait(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const most = 100 * time.Millisecond
		first := e.acquire(e.locker().Mutex("a"))
		next := e.wait(e.locker().Mutex("a"), holdfast.WithMaxHold(most))
		time.Sleep(900 * time.Millisecond)
		e.must(first.Release(e.ctx()))
		s := <-next
		time.Sleep(most - 10*time.Millisecond)
		if err := s.Err(); err != nil {
			t.Errorf("before its time is over: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
		if err := s.Err(); !errors.Is(err, holdfast.ErrMaxHold) {
			t.Errorf("when its time is over: %v", err)
		}
		_ = s.Release(e.ctx())
	})
}
