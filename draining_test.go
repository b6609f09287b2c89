package holdfast_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

var errShutdown = errors.New("the caller's reason")

// draining is whether the session's work is to start nothing new.
func draining(s *holdfast.Session) bool {
	select {
	case <-s.Draining():
		return true
	default:
		return false
	}
}

// drained acquires a lock with a context that has ended since.
func (e *env) drained(mu *holdfast.Mutex) *holdfast.Session {
	e.t.Helper()
	ctx, shutdown := context.WithCancelCause(e.ctx())
	s, err := mu.Acquire(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	if draining(s) {
		e.t.Error("it drains before its caller's context has ended")
	}
	shutdown(errShutdown)
	if !draining(s) || s.Err() != nil {
		e.t.Errorf("after the end of the caller's context: draining %v, Err = %v", draining(s), s.Err())
	}
	return s
}

// TestDrainRenewed: a session outlives its caller's context, and its lease is renewed, until Release.
func TestDrainRenewed(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		mu := e.locker(holdfast.WithTTL(ttl), holdfast.WithDrain(time.Hour)).Mutex("a")
		s := e.drained(mu)
		for range 3 {
			time.Sleep(ttl)
			if err := s.Err(); err != nil || !held(t, e, "a") {
				t.Fatalf("Err = %v, held %v", err, held(t, e, "a"))
			}
		}
		e.must(s.Release(e.ctx()))
		if err := s.Err(); !errors.Is(err, holdfast.ErrReleased) || errors.Is(err, errShutdown) || held(t, e, "a") {
			t.Errorf("Err = %v, held %v", err, held(t, e, "a"))
		}
		off, cancel := context.WithCancelCause(e.ctx())
		s, err := mu.Acquire(off, holdfast.WithDrain(0))
		e.must(err)
		cancel(errShutdown)
		if err := s.Err(); err != errShutdown || !draining(s) {
			t.Errorf("without: Err = %v", err)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestDrainOver: the drain time ends the session's context, and only that: Release gives the lock back.
func TestDrainOver(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const d = 200 * time.Millisecond
		mu := e.locker(holdfast.WithDrain(d)).Mutex("a")
		for _, watched := range []bool{false, true} {
			began := time.Now()
			s := e.drained(mu)
			if watched {
				<-s.Done()
			}
			eventually(t, "the drain time is over", func() bool { return s.Err() != nil })
			if took := time.Since(began); took < d {
				t.Errorf("over after %v, not %v", took, d)
			}
			for _, err := range []error{s.Err(), context.Cause(s.Context())} {
				if !errors.Is(err, holdfast.ErrDrainOver) || !errors.Is(err, errShutdown) {
					t.Errorf("the cause is %v", err)
				}
			}
			if !held(t, e, "a") {
				t.Error("not held any more, and not released yet")
			}
			e.must(s.Release(e.ctx()))
		}
	})
}

// TestDrainEnds: what ends a session ends one that drains at once, and with the same cause.
func TestDrainEnds(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(300 * time.Millisecond)
		for name, c := range map[string]struct {
			end   func(l *holdfast.Locker, cut func(), s *holdfast.Session)
			cause error
		}{
			"deleted": {func(*holdfast.Locker, func(), *holdfast.Session) { e.must(e.direct.Del(e.ctx(), "a").Err()) },
				holdfast.ErrGone},
			"cut off":      {func(_ *holdfast.Locker, cut func(), _ *holdfast.Session) { cut() }, holdfast.ErrExpired},
			"maximum hold": {func(*holdfast.Locker, func(), *holdfast.Session) {}, holdfast.ErrMaxHold},
			"Close":        {func(l *holdfast.Locker, _ func(), _ *holdfast.Session) { e.must(l.Close()) }, holdfast.ErrClosed},
			"Release":      {func(_ *holdfast.Locker, _ func(), s *holdfast.Session) { e.must(s.Release(e.ctx())) }, holdfast.ErrReleased},
		} {
			l, link := e.linked(holdfast.WithTTL(ttl), holdfast.WithDrain(time.Hour))
			mu := l.Mutex("a")
			if name == "maximum hold" {
				mu = l.Mutex("a", holdfast.WithMaxHold(2*ttl))
			}
			s := e.drained(mu)
			c.end(l, link.Refuse, s)
			select {
			case <-s.Done():
			case <-time.After(time.Minute):
				t.Fatalf("%s: it goes on", name)
			}
			if name == "cut off" && !held(t, e, "a") {
				t.Error("the key has expired before the context is done")
			}
			if err := s.Err(); !errors.Is(err, c.cause) || errors.Is(err, errShutdown) {
				t.Errorf("%s: Err = %v", name, err)
			}
			link.Heal()
			_ = s.Release(e.ctx())
			e.must(e.direct.Del(e.ctx(), "a").Err())
		}
	})
}

// TestDrainUnderAnother: the end of an outer session ends an inner one at once, also one that drains.
func TestDrainUnderAnother(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer clock.Replace(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		drain := holdfast.WithDrain(time.Hour)
		for name, c := range map[string]struct {
			outer holdfast.Option
			end   func(l *holdfast.Locker, outer *holdfast.Session, shutdown func())
			cause error
		}{
			"lost": {holdfast.WithDrain(0), func(_ *holdfast.Locker, outer *holdfast.Session, _ func()) {
				e.must(e.direct.Del(e.ctx(), "outer").Err())
				<-outer.Done()
			}, holdfast.ErrGone},
			"released": {drain, func(_ *holdfast.Locker, outer *holdfast.Session, _ func()) { e.must(outer.Release(e.ctx())) },
				holdfast.ErrReleased},
			"suspended": {drain, func(*holdfast.Locker, *holdfast.Session, func()) { slept.Add(int64(time.Hour)) }, holdfast.ErrSuspended},
			"shutdown":  {holdfast.WithDrain(0), func(_ *holdfast.Locker, _ *holdfast.Session, shutdown func()) { shutdown() }, errShutdown},
			"drain time over": {holdfast.WithDrain(time.Second), func(_ *holdfast.Locker, outer *holdfast.Session, shutdown func()) {
				shutdown()
				<-outer.Done()
			}, holdfast.ErrDrainOver},
		} {
			for _, innerDrains := range []bool{false, true} {
				for _, needed := range []bool{false, true} {
					ctx, shutdown := context.WithCancelCause(e.ctx())
					l := e.locker(drain)
					outer, err := l.Mutex("outer").Acquire(ctx, c.outer)
					e.must(err)
					between, stop := context.WithCancel(outer.Context())
					// The lock of the inner session is of a Locker whose clock does not sleep.
					inner, err := e.locker(drain, holdfast.WithoutExpiry()).Mutex("inner").Acquire(between)
					e.must(err)
					done := make(<-chan struct{})
					if needed {
						done = inner.Done()
					}
					if innerDrains {
						if stop(); !draining(inner) || inner.Err() != nil {
							t.Errorf("%s: the inner does not drain: %v", name, inner.Err())
						}
					}
					began := time.Now()
					c.end(l, outer, func() { shutdown(errShutdown) })
					if name != "suspended" { // that is found by a look
						<-between.Done() // a context tells those of others by a goroutine
					}
					if needed && innerDrains && name != "suspended" {
						select {
						case <-done:
						case <-time.After(time.Millisecond):
							t.Errorf("%s: who waits for Done waits on", name)
						}
					} // else the first look finds the end
					if inner.Err() == nil || time.Since(began) > 10*time.Second {
						t.Errorf("%s, inner drains %v: after %v its Err = %v", name, innerDrains, time.Since(began), inner.Err())
					}
					if err := inner.Err(); !errors.Is(err, c.cause) && (name != "suspended" || !errors.Is(err, holdfast.ErrLost)) {
						t.Errorf("%s, inner drains %v: Err = %v", name, innerDrains, err)
					}
					<-inner.Done()
					e.must(inner.Release(e.ctx()))
					_ = outer.Release(e.ctx())
					stop()
					shutdown(nil)
				}
			}
		}
	})
}

// TestDrainOfOutsider: a session whose caller has detached its context from an outer session's is no
// inner one.
func TestDrainOfOutsider(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithDrain(time.Hour))
		outer := e.acquire(l.Mutex("outer"))
		early := e.acquireWith(context.WithoutCancel(outer.Context()), l.Mutex("early"))
		e.must(outer.Release(e.ctx()))
		late, shutdown := context.WithCancel(context.WithoutCancel(outer.Context()))
		s := e.acquireWith(late, l.Mutex("late"))
		shutdown()
		time.Sleep(time.Minute)
		if early.Err() != nil || s.Err() != nil || !draining(s) {
			t.Errorf("early: %v; late: %v", early.Err(), s.Err())
		}
		e.must(errors.Join(early.Release(e.ctx()), s.Release(e.ctx())))
	})
}

// acquireWith is acquire with another context.
func (e *env) acquireWith(ctx context.Context, mu *holdfast.Mutex, opts ...holdfast.Option) *holdfast.Session {
	e.t.Helper()
	s, err := mu.Acquire(ctx, opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// TestDrainStartsNone: a call whose context has ended brings no session, drain time or not.
func TestDrainStartsNone(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		_, client := e.link()
		after := new(afterReply)
		client.AddHook(after)
		l := holdfast.New(client, holdfast.WithDrain(time.Hour))
		defer l.Close()
		mu := l.Mutex("a")
		for name, call := range map[string]func(ctx context.Context) (*holdfast.Session, error){
			"Acquire":    func(ctx context.Context) (*holdfast.Session, error) { return mu.Acquire(ctx) },
			"TryAcquire": func(ctx context.Context) (*holdfast.Session, error) { return mu.TryAcquire(ctx) },
			"Resume":     func(ctx context.Context) (*holdfast.Session, error) { return mu.Resume(ctx, "token") },
		} {
			for _, when := range []string{"before", "with the answer"} {
				if name == "Resume" {
					e.must(e.direct.Set(e.ctx(), "a", "token", time.Minute).Err())
				}
				ctx, shutdown := context.WithCancelCause(e.ctx())
				end := func() { shutdown(errShutdown) }
				if when == "before" {
					end()
				} else {
					after.do.Store(&end)
				}
				s, err := call(ctx)
				after.do.Store(nil)
				if !errors.Is(err, errShutdown) || !errors.Is(err, context.Canceled) {
					t.Errorf("%s, ended %s: %v, %v", name, when, s, err)
				}
				if name == "Resume" {
					e.must(e.direct.Del(e.ctx(), "a").Err())
				}
				eventually(t, name+" leaves nothing behind", func() bool { return !held(t, e, "a") })
			}
		}
		s := e.acquire(mu)
		ctx, cancel := context.WithTimeout(e.ctx(), 50*time.Millisecond)
		defer cancel()
		if _, err := mu.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait ended with %v", err)
		}
		e.must(s.Release(e.ctx()))
	})
}

// TestDrainStartsNoneLate: a context that ends while the call returns its session has ended it, or
// has ended later.
func TestDrainStartsNoneLate(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithDrain(time.Hour)).Mutex("a")
		sessions := 0
		for looks := int32(0); sessions < 3; looks++ {
			ctx := &endsAtLook{Context: context.Background()}
			ctx.left.Store(looks)
			s, err := mu.TryAcquire(ctx)
			switch {
			case err == nil && ctx.left.Load() < 0:
				t.Fatalf("a session, though the context has ended at look %d", looks+1)
			case err == nil:
				sessions++
				e.must(s.Release(e.ctx()))
			case !errors.Is(err, context.Canceled):
				t.Fatal(err)
			}
			eventually(t, "it is free", func() bool { return !held(t, e, "a") })
		}
	})
}

// endsAtLook has ended once it was looked at so often.
type endsAtLook struct {
	context.Context
	left atomic.Int32
}

func (c *endsAtLook) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// afterReply is a hook that does something when a reply has come.
type afterReply struct{ do atomic.Pointer[func()] }

func (a *afterReply) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (a *afterReply) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer a.came()
		return next(ctx, cmd)
	}
}

func (a *afterReply) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		defer a.came()
		return next(ctx, cmds)
	}
}

func (a *afterReply) came() {
	if do := a.do.Load(); do != nil {
		(*do)()
	}
}

// TestDrainDeadline: the deadline of a session's context does not lie about its end.
func TestDrainDeadline(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithDrain(time.Minute))
		at := time.Now().Add(time.Second)
		ctx, cancel := context.WithDeadlineCause(context.Background(), at, errShutdown)
		defer cancel()
		s := e.acquireWith(ctx, l.Mutex("a"))
		if got, ok := s.Context().Deadline(); !ok || !got.Equal(at.Add(time.Minute)) {
			t.Errorf("the deadline is %v, %v", got, ok)
		}
		inner := e.acquireWith(s.Context(), l.Mutex("inner"))
		if got, ok := inner.Context().Deadline(); !ok || !got.Equal(at.Add(time.Minute)) {
			t.Errorf("the deadline of an inner one is %v, %v", got, ok)
		}
		<-inner.Done()
		if !time.Now().Equal(at.Add(time.Minute)) || !errors.Is(s.Err(), errShutdown) {
			t.Errorf("it ended %v after the caller's deadline with %v", time.Since(at), s.Err())
		}
		e.must(errors.Join(inner.Release(e.ctx()), s.Release(e.ctx())))
		none := e.acquireWith(context.Background(), l.Mutex("a"))
		if got, ok := none.Context().Deadline(); ok {
			t.Errorf("a deadline of nobody's: %v", got)
		}
		e.must(none.Release(e.ctx()))
	})
}

// TestWaitContext: a context for the wait ends the wait, and not the hold.
func TestWaitContext(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		helper := func(ctx context.Context) (*holdfast.Session, error) {
			wait, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			return mu.Acquire(ctx, holdfast.WithWaitContext(wait))
		}
		caller, shutdown := context.WithCancelCause(context.WithValue(e.ctx(), callKey{}, "value"))
		s, err := helper(caller)
		e.must(err)
		time.Sleep(150 * time.Millisecond)
		if s.Err() != nil || s.Context().Value(callKey{}) != "value" {
			t.Errorf("the helper's session: %v", s.Err())
		}
		_, err = helper(e.ctx())
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("a wait whose time was over: %v", err)
		}
		wait, stop := context.WithCancelCause(e.ctx())
		stop(errShutdown)
		for name, call := range map[string]func(...holdfast.Option) error{
			"Acquire":    func(o ...holdfast.Option) error { _, err := mu.Acquire(e.ctx(), o...); return err },
			"TryAcquire": func(o ...holdfast.Option) error { _, err := mu.TryAcquire(e.ctx(), o...); return err },
			"Resume":     func(o ...holdfast.Option) error { _, err := mu.Resume(e.ctx(), "x", o...); return err },
			"Lock":       func(o ...holdfast.Option) error { _, release := mu.Lock(e.ctx(), o...); return release() },
		} {
			if err := call(holdfast.WithWaitContext(wait)); !errors.Is(err, errShutdown) || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		shutdown(errShutdown)
		if s.Err() != errShutdown {
			t.Errorf("after the caller's end: %v", s.Err())
		}
		e.must(s.Release(e.ctx()))
		defer func() {
			if recover() == nil {
				t.Error("a nil context for the wait is no panic")
			}
		}()
		var none context.Context
		holdfast.WithWaitContext(none)
	})
}

type callKey struct{}
