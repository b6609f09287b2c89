package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestAllUnknown: a request for several locks that is given up leaves nothing behind, whether it has run,
// runs later, or never.
func TestAllUnknown(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		for what, hold := range map[string]func(redistest.Link){
			"it runs later": redistest.Link.HoldRequests,
			"it has run":    redistest.Link.HoldReplies,
		} {
			for _, once := range []bool{false, true} {
				l, link := e.linked()
				other := e.locker()
				e.must(e.acquireAll(l, []string{"x", "y"}).Release(e.ctx())) // connected
				s := e.acquire(other.Mutex("c"))
				ctx, cancel := context.WithCancelCause(e.ctx())
				hold(link)
				failed := make(chan error)
				go func() {
					try := l.AcquireAll
					if once {
						try = l.TryAcquireAll
					}
					_, err := try(ctx, []string{"a", "b", "c", "d"})
					failed <- err
				}()
				time.Sleep(100 * time.Millisecond)
				cancel(errShutdown)
				if err := <-failed; !errors.Is(err, errShutdown) {
					t.Errorf("%s: %v", what, err)
				}
				link.Heal()
				eventually(t, "nothing of it is left", func() bool { return fmt.Sprint(e.locks()) == "[c]" && e.waiting("c") == 0 })
				e.must(s.Release(e.ctx()))
				e.must(l.Close())
				if got := e.locks(); len(got) > 0 {
					t.Errorf("%s: left behind: %q", what, got)
				}
			}
		}
	})
}

// TestAllLateReply: a call whose first answers come late or never has its locks all the same, once.
func TestAllLateReply(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, link := e.linked()
		e.must(e.acquireAll(l, []string{"a", "b"}).Release(e.ctx()))
		link.HoldReplies()
		time.AfterFunc(300*time.Millisecond, link.ResetLate)
		time.AfterFunc(350*time.Millisecond, link.Heal)
		held := e.acquireAll(l, []string{"a", "b"})
		e.must(held.Check(e.ctx()))
		for name, s := range held.All() {
			if info, err := l.Mutex(name).Inspect(e.ctx()); err != nil || info.Fence != s.Fence() {
				t.Errorf("%s: %+v, %v; fence %d", name, info, err, s.Fence())
			}
		}
		e.must(held.Release(e.ctx()))
		if got := e.locks(); len(got) > 0 {
			t.Errorf("left behind: %q", got)
		}
	})
}

// TestAllSlept: the first look at the context of several finds it done after a sleep, though only one of
// them had so short a lease.
func TestAllSlept(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer clock.Replace(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		l := e.locker(holdfast.WithTTL(10 * time.Second))
		for _, short := range []string{"a", "b", "c"} {
			for what, look := range map[string]func(*holdfast.Sessions) bool{
				"Err": func(held *holdfast.Sessions) bool { return held.Context().Err() != nil },
				"Done": func(held *holdfast.Sessions) bool {
					select {
					case <-held.Done():
						return true
					default:
						return false
					}
				},
			} {
				held := e.acquireAll(l, []string{"a", "b", "c"})
				e.must(held.Session(short).SetTTL(e.ctx(), 2*time.Second))
				slept.Add(int64(time.Second))
				if err := held.Err(); err != nil {
					t.Errorf("%s: after a nap: %v", short, err)
				}
				slept.Add(int64(time.Second))
				if !look(held) {
					t.Errorf("%s: %s found the context live", short, what)
				}
				if err := held.Err(); !errors.Is(err, holdfast.ErrSuspended) || !strings.Contains(err.Error(), fmt.Sprintf("%q", short)) {
					t.Errorf("%s: %v", short, err)
				}
				_ = held.Release(e.ctx())
			}
		}
	})
}

// TestAllOptions: options count for each lock.
func TestAllOptions(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithToken("of the Locker"))
		held := e.acquireAll(l, []string{"a", "b"}, holdfast.WithToken("given"), holdfast.WithLabel("x"), holdfast.WithoutExpiry())
		for _, name := range []string{"a", "b"} {
			info, err := l.Mutex(name).Inspect(e.ctx())
			if token := e.direct.Get(e.ctx(), name).Val(); err != nil || token != "given" || info.Label != "x" || !info.NoExpiry {
				t.Errorf("%s: token %q, %+v, %v", name, token, info, err)
			}
		}
		if !held.ValidUntil().IsZero() {
			t.Error(held.ValidUntil())
		}
		for _, text := range []string{fmt.Sprint(held), fmt.Sprintf("%#v", held), fmt.Sprint(held.Context())} {
			if strings.Contains(text, "given") || !strings.Contains(text, `"a", "b"`) {
				t.Error(text)
			}
		}
		e.must(held.Release(e.ctx()))

		began := time.Now()
		held = e.acquireAll(l, []string{"a", "b"}, holdfast.WithMinHold(300*time.Millisecond), holdfast.WithMaxHold(time.Minute))
		e.must(held.Release(e.ctx()))
		if got := e.locks(); fmt.Sprint(got) != "[a b]" && time.Since(began) < 200*time.Millisecond {
			t.Errorf("kept: %q", got)
		}
		eventually(t, "the minimum hold ends", func() bool { return len(e.locks()) == 0 })

		held = e.acquireAll(l, []string{"a", "b"}, holdfast.WithMaxHold(100*time.Millisecond))
		e.ends(held)
		if err := held.Err(); !errors.Is(err, holdfast.ErrMaxHold) {
			t.Error(err)
		}
		e.must(held.Release(e.ctx()))
	})
}

// TestAllOneReleased: a session that is released or detached alone ends the context of all.
func TestAllOneReleased(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		held := e.acquireAll(l, []string{"a", "b"})
		e.must(held.Session("a").Release(e.ctx()))
		if err := held.Err(); !errors.Is(err, holdfast.ErrReleased) || !strings.Contains(err.Error(), `"a"`) || held.Session("b").Err() != nil {
			t.Error(err, held.Session("b").Err())
		}
		e.must(held.Release(e.ctx()))
		held = e.acquireAll(l, []string{"a", "b"})
		token, err := held.Session("b").Detach(e.ctx())
		e.must(err)
		if err := held.Err(); !errors.Is(err, holdfast.ErrDetached) {
			t.Error(err)
		}
		e.must(held.Release(e.ctx()))
		if got := e.locks(); fmt.Sprint(got) != "[b]" {
			t.Errorf("held: %q", got)
		}
		s, err := l.Mutex("b").Resume(e.ctx(), token)
		e.must(err)
		e.must(s.Release(e.ctx()))
	})
}
