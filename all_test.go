package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// sent counts round trips for callers, and for how many locks they were.
type sent struct{ trips, locks atomic.Int64 }

func (s *sent) observer() holdfast.Option {
	return holdfast.WithObserver(&holdfast.Observer{Sent: func(what holdfast.Traffic, locks int, _ time.Duration) {
		if what == holdfast.Calls {
			s.trips.Add(1)
			s.locks.Add(int64(locks))
		}
	}})
}

func (s *sent) expect(t *testing.T, what string, trips, locks int64) {
	t.Helper()
	if n, of := s.trips.Swap(0), s.locks.Swap(0); n != trips || of != locks {
		t.Errorf("%s: %d round trips for %d locks, not %d for %d", what, n, of, trips, locks)
	}
}

// acquireAll is AcquireAll that must succeed.
func (e *env) acquireAll(l *holdfast.Locker, names []string, opts ...holdfast.Option) *holdfast.Sessions {
	e.t.Helper()
	held, err := l.AcquireAll(e.ctx(), names, opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	return held
}

// ends waits until the context is done, by its channel.
func (e *env) ends(held *holdfast.Sessions) {
	e.t.Helper()
	select {
	case <-held.Done():
	case <-time.After(time.Minute):
		e.t.Fatal("the context goes on")
	}
}

// locks returns the names that are held in Redis.
func (e *env) locks() []string {
	e.t.Helper()
	names := slices.DeleteFunc(e.keys(), func(key string) bool { return strings.HasPrefix(key, "holdfast:") })
	slices.Sort(names)
	return names
}

// TestAll: free locks are taken in one round trip and given back in one; each is a lock like any other.
func TestAll(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		var n sent
		l, other := e.locker(n.observer()), e.locker()
		for range 3 { // at first, and with what the rounds before have left
			held := e.acquireAll(l, []string{"c", "a", "d", "b", "a"})
			n.expect(t, "acquire", 1, 4)
			if got := e.locks(); fmt.Sprint(got) != "[a b c d]" {
				t.Errorf("held: %q", got)
			}
			var names []string
			for name, s := range held.All() {
				names = append(names, name)
				if held.Session(name) != s || held.Fence(name) != s.Fence() || s.Fence() == 0 || s.Err() != nil {
					t.Errorf("%s: fence %d, %d, %v", name, held.Fence(name), s.Fence(), s.Err())
				}
				if _, err := other.Mutex(name).TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
					t.Errorf("%s for another: %v", name, err)
				}
				if _, err := l.Mutex(name).Acquire(held.Context()); !errors.Is(err, holdfast.ErrNested) {
					t.Errorf("%s within: %v", name, err)
				}
			}
			if fmt.Sprint(names) != "[a b c d]" || held.Session("e") != nil || held.Fence("e") != 0 {
				t.Errorf("names: %q", names)
			}
			if _, err := l.AcquireAll(held.Context(), []string{"0", "c"}); !errors.Is(err, holdfast.ErrNested) || !strings.Contains(err.Error(), `"c"`) {
				t.Errorf("within: %v", err)
			}
			if s, ok := holdfast.FromContext(held.Context()); !ok || s != held.Session("d") {
				t.Errorf("from the context: %v", s)
			}
			if left := time.Until(held.ValidUntil()); left < 5*time.Second || left > 10*time.Second {
				t.Errorf("valid for %v", left)
			}
			e.must(held.Check(e.ctx()))
			n.expect(t, "check", 1, 4)
			e.must(held.Err())
			e.must(held.Release(e.ctx()))
			n.expect(t, "release", 1, 4)
			if err := held.Err(); !errors.Is(err, holdfast.ErrReleased) || held.Context().Err() == nil {
				t.Errorf("after: %v", err)
			}
			if got := e.locks(); len(got) > 0 {
				t.Errorf("left behind: %q", got)
			}
			e.must(held.Release(e.ctx()))
		}
	})
}

// TestAllFences: each name has a fence of its own, which grows.
func TestAllFences(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		var a, b int64
		for i := range 20 {
			if i%3 == 0 {
				s := e.acquire(l.Mutex("a"))
				if s.Fence() <= a {
					t.Errorf("alone: %d after %d", s.Fence(), a)
				}
				a = s.Fence()
				e.must(s.Release(e.ctx()))
			}
			held := e.acquireAll(l, []string{"a", "b"})
			if held.Fence("a") <= a || held.Fence("b") <= b {
				t.Errorf("%d after %d, %d after %d", held.Fence("a"), a, held.Fence("b"), b)
			}
			a, b = held.Fence("a"), held.Fence("b")
			e.must(held.Release(e.ctx()))
		}
	})
}

// TestAllTry: a single try takes all or none, and nobody sees anything of it.
func TestAllTry(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		var n sent
		l, other := e.locker(n.observer()), e.locker()
		for _, busy := range []string{"a", "b", "c"} {
			s := e.acquire(other.Mutex(busy))
			before := e.keys()
			for what, try := range map[string]func() (*holdfast.Sessions, error){
				"TryAcquireAll": func() (*holdfast.Sessions, error) { return l.TryAcquireAll(e.ctx(), []string{"a", "b", "c"}) },
				"WithWaitTimeout(0)": func() (*holdfast.Sessions, error) {
					return l.AcquireAll(e.ctx(), []string{"a", "b", "c"}, holdfast.WithWaitTimeout(0))
				},
			} {
				held, err := try()
				if held != nil || !errors.Is(err, holdfast.ErrHeld) || !errors.Is(err, holdfast.ErrWaitTimeout) || !strings.Contains(err.Error(), fmt.Sprintf("%q", busy)) {
					t.Errorf("%s with %s held: %v", what, busy, err)
				}
				n.expect(t, what, 1, 3)
			}
			after := e.keys()
			slices.Sort(before)
			slices.Sort(after)
			if !slices.Equal(before, after) {
				t.Errorf("keys: %q, before %q", after, before)
			}
			e.must(s.Release(e.ctx()))
		}
		held, err := l.TryAcquireAll(e.ctx(), []string{"a", "b", "c"})
		e.must(err)
		e.must(held.Release(e.ctx()))
	})
}

// TestAllInvalid: what is refused is refused before anything is sent, and names its lock.
func TestAllInvalid(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		var n sent
		l := e.locker(n.observer())
		many := make([]string, holdfast.MaxLocks+1)
		for i := range many {
			many[i] = fmt.Sprint("lock", i)
		}
		for text, c := range map[string]struct {
			names []string
			opt   holdfast.Option
		}{
			"no names":                           {nil, holdfast.WithLabel("")},
			"257 names are given, more than 256": {many, holdfast.WithLabel("")},
			"the name is empty":                  {[]string{"a", ""}, holdfast.WithLabel("")},
			`"holdfast:2:x": invalid`:            {[]string{"a", "holdfast:2:x"}, holdfast.WithLabel("")},
			"TTL":                                {[]string{"a", "b"}, holdfast.WithTTL(time.Millisecond)},
		} {
			held, err := l.AcquireAll(e.ctx(), c.names, c.opt)
			if held != nil || !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v", text, err)
			}
		}
		n.expect(t, "refused", 0, 0)
		held := e.acquireAll(l, many[1:])
		n.expect(t, "most", 1, 256)
		e.must(held.Release(e.ctx()))
		e.must(l.Close())
		if _, err := l.AcquireAll(e.ctx(), []string{"a"}); !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestAllWaits: who waits for one holds those before it, and no other.
func TestAllWaits(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, other := e.locker(), e.locker()
		s := e.acquire(other.Mutex("c"))
		got := make(chan *holdfast.Sessions)
		go func() { got <- e.acquireAll(l, []string{"d", "c", "b", "a"}) }()
		eventually(t, "it waits", func() bool {
			return e.waiting("c") == 1
		})
		if names := e.locks(); fmt.Sprint(names) != "[a b c]" {
			t.Errorf("held while it waits: %q", names)
		}
		e.must(s.Release(e.ctx()))
		held := <-got
		if held == nil {
			return
		}
		if names := e.locks(); fmt.Sprint(names) != "[a b c d]" || held.Err() != nil {
			t.Errorf("held: %q, %v", names, held.Err())
		}
		e.must(held.Release(e.ctx()))
		if names := e.locks(); len(names) > 0 {
			t.Errorf("left behind: %q", names)
		}
	})
}

// TestAllGivenUp: however a wait ends, nothing is left behind.
func TestAllGivenUp(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		cause := errors.New("enough")
		for busy, others := range map[string]string{"a": "[a]", "b": "[b]", "c": "[c]"} {
			for what, c := range map[string]struct {
				give func(context.CancelCauseFunc, *holdfast.Locker)
				want error
				opts []holdfast.Option
			}{
				"cancelled": {func(cancel context.CancelCauseFunc, _ *holdfast.Locker) { cancel(cause) }, cause, nil},
				"closed":    {func(_ context.CancelCauseFunc, l *holdfast.Locker) { go l.Close() }, holdfast.ErrClosed, nil},
				"timed out": {func(context.CancelCauseFunc, *holdfast.Locker) {}, holdfast.ErrWaitTimeout,
					[]holdfast.Option{holdfast.WithWaitTimeout(300 * time.Millisecond)}},
			} {
				l, other := e.locker(), e.locker()
				s := e.acquire(other.Mutex(busy))
				ctx, cancel := context.WithCancelCause(e.ctx())
				failed := make(chan error)
				began := time.Now()
				go func() {
					_, err := l.AcquireAll(ctx, []string{"a", "b", "c"}, c.opts...)
					failed <- err
				}()
				eventually(t, "it waits", func() bool {
					return e.waiting(busy) == 1
				})
				c.give(cancel, l)
				if err := <-failed; !errors.Is(err, c.want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", busy)) {
					t.Errorf("%s, %s held: %v", what, busy, err)
				} else if c.opts != nil && !strings.Contains(err.Error(), "within 300ms") {
					t.Errorf("%s after %v: %v", what, time.Since(began), err)
				}
				eventually(t, "nothing of it is left", func() bool {
					return e.waiting(busy) == 0 && fmt.Sprint(e.locks()) == others
				})
				e.must(s.Release(e.ctx()))
				cancel(nil)
			}
		}
	})
}

// TestAllTimeout: the wait timeout bounds the whole wait, not the wait for each lock.
func TestAllTimeout(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, other := e.locker(), e.locker()
		b, c := e.acquire(other.Mutex("b")), e.acquire(other.Mutex("c"))
		failed := make(chan error)
		began := time.Now()
		go func() {
			_, err := l.AcquireAll(e.ctx(), []string{"a", "b", "c"}, holdfast.WithWaitTimeout(time.Second))
			failed <- err
		}()
		time.Sleep(700 * time.Millisecond)
		e.must(b.Release(e.ctx()))
		if err := <-failed; !errors.Is(err, holdfast.ErrWaitTimeout) || !strings.Contains(err.Error(), `"c"`) {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Second || e.fake != nil && took > 1100*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
		e.must(c.Release(e.ctx()))
		eventually(t, "nothing is left", func() bool { return len(e.locks()) == 0 })
	})
}

// TestAllLost: the context ends with the first loss and names its lock; the others are held, and
// renewed, until Release.
func TestAllLost(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		for _, lost := range []string{"a", "b", "c"} {
			ttl := e.short(500 * time.Millisecond)
			l := e.locker(holdfast.WithTTL(ttl))
			held := e.acquireAll(l, []string{"a", "b", "c"})
			e.must(e.direct.Del(e.ctx(), lost).Err())
			e.ends(held)
			if err := held.Err(); !errors.Is(err, holdfast.ErrGone) || !strings.Contains(err.Error(), fmt.Sprintf("%q", lost)) {
				t.Errorf("%s lost: %v", lost, err)
			}
			if cause := context.Cause(held.Context()); cause != held.Err() || held.Err() != held.Session(lost).Err() {
				t.Errorf("%s lost: %v and %v", lost, cause, held.Session(lost).Err())
			}
			time.Sleep(2 * ttl)
			if got := e.locks(); len(got) != 2 || slices.Contains(got, lost) {
				t.Errorf("%s lost: %q are held", lost, got)
			}
			if err := held.Release(e.ctx()); !errors.Is(err, holdfast.ErrGone) || strings.Count(err.Error(), "lost") != 1 {
				t.Errorf("%s lost: Release: %v", lost, err)
			}
			if got := e.locks(); len(got) > 0 {
				t.Errorf("%s lost: left behind: %q", lost, got)
			}
			e.must(l.Close())
		}
	})
}

// TestAllLostWhileWaiting: the loss of a lock ends the wait for another.
func TestAllLostWhileWaiting(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, other := e.locker(holdfast.WithTTL(e.short(500*time.Millisecond))), e.locker()
		s := e.acquire(other.Mutex("b"))
		failed := make(chan error)
		go func() {
			_, err := l.AcquireAll(e.ctx(), []string{"a", "b"})
			failed <- err
		}()
		eventually(t, "it has the first", func() bool { return fmt.Sprint(e.locks()) == "[a b]" })
		e.must(e.direct.Del(e.ctx(), "a").Err())
		if err := <-failed; !errors.Is(err, holdfast.ErrGone) || errors.Is(err, context.Canceled) ||
			!strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), `"b"`) {
			t.Error(err)
		}
		e.must(s.Release(e.ctx()))
		eventually(t, "nothing is left", func() bool { return len(e.locks()) == 0 })
	})
}

// TestAllCutOff: a holder whose connection is dead finds its context done before the first key ends.
func TestAllCutOff(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := e.short(time.Second)
		l, link := e.linked(holdfast.WithTTL(ttl))
		held := e.acquireAll(l, []string{"a", "b"})
		e.must(held.Session("b").SetTTL(e.ctx(), ttl*3/4)) // the first to end
		first := held.ValidUntil()
		if got := held.Session("b").ValidUntil(); got.Sub(first).Abs() > e.noise() {
			t.Errorf("valid until %v, and the first until %v", first, got)
		}
		link.Cut()
		e.ends(held)
		if !errors.Is(held.Err(), holdfast.ErrExpired) || !strings.Contains(held.Err().Error(), `"b"`) {
			t.Error(held.Err())
		}
		if e.fake != nil && time.Now().After(first) {
			t.Errorf("%v late", time.Since(first))
		}
		n, err := e.direct.Exists(e.ctx(), "b").Result()
		if late := time.Since(first); late < 0 || late < marginOf(ttl*3/4) { // else this machine looked too late
			if err != nil || n != 1 {
				t.Errorf("the key is gone already, %v after the end: %v", late, err)
			}
		}
		link.Heal()
	})
}

// TestAllParent: the end of the caller's context ends all, and nothing is renewed any more.
func TestAllParent(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(e.ctx())
		l := e.locker(holdfast.WithTTL(e.short(300 * time.Millisecond)))
		held, err := l.AcquireAll(ctx, []string{"a", "b"})
		e.must(err)
		cancel(cause)
		if err := held.Err(); err != cause {
			t.Error(err)
		}
		eventually(t, "they expire", func() bool { return len(e.locks()) == 0 })
		_ = held.Release(e.ctx())
	})
}

// TestAllDrain: with WithDrain the hold of all outlives its caller's context, but waiting doesn't; a context for the
// wait ends only that.
func TestAllDrain(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l, other := e.locker(holdfast.WithTTL(e.short(300*time.Millisecond)), holdfast.WithDrain(time.Hour)), e.locker()
		ctx, shutdown := context.WithCancelCause(e.ctx())
		waitCtx, stop := context.WithCancelCause(e.ctx())
		held, err := l.AcquireAll(ctx, []string{"a", "b"}, holdfast.WithWaitContext(waitCtx))
		e.must(err)
		s := e.acquire(other.Mutex("d"))
		for _, c := range []struct {
			end  func()
			opts []holdfast.Option
		}{
			{func() { stop(errShutdown) }, []holdfast.Option{holdfast.WithWaitContext(waitCtx)}},
			{func() { shutdown(errShutdown) }, nil},
		} {
			failed := make(chan error)
			go func() {
				_, err := l.AcquireAll(ctx, []string{"c", "d"}, c.opts...)
				failed <- err
			}()
			eventually(t, "it waits", func() bool { return e.waiting("d") == 1 })
			c.end()
			if err := <-failed; !errors.Is(err, errShutdown) || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		e.must(s.Release(e.ctx()))
		time.Sleep(2 * e.short(300*time.Millisecond))
		if got := e.locks(); fmt.Sprint(got) != "[a b]" || held.Err() != nil {
			t.Errorf("while it drains: %q, %v", got, held.Err())
		}
		e.must(held.Release(e.ctx()))
		if got := e.locks(); len(got) > 0 {
			t.Errorf("left behind: %q", got)
		}
	})
}

// TestDoAll: what fn returns and why the hold ended are both reported.
func TestDoAll(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		failed := errors.New("failed")
		err := l.DoAll(e.ctx(), []string{"a", "b"}, func(ctx context.Context, held *holdfast.Sessions) error {
			if ctx != held.Context() || ctx.Err() != nil || held.Fence("b") == 0 {
				t.Error(ctx, held)
			}
			e.must(l.Mutex("a").ForceRelease(e.ctx()))
			<-ctx.Done()
			return failed
		})
		if !errors.Is(err, failed) || !errors.Is(err, holdfast.ErrForceReleased) {
			t.Error(err)
		}
		if got := e.locks(); len(got) > 0 {
			t.Errorf("left behind: %q", got)
		}
		e.must(l.DoAll(e.ctx(), []string{"b", "a"}, func(context.Context, *holdfast.Sessions) error { return nil }))
	})
}

// TestAllTogether: many take random subsets, wait or try. No lock ever has two holders, its fences grow, and
// all who wait get theirs.
func TestAllTogether(t *testing.T) {
	rounds := redistest.Rounds(t, 300, 15)
	each(t, func(t *testing.T, e *env) {
		names := []string{"a", "b", "c", "d", "e", "f"}
		var holders [6]atomic.Int32
		var fences [6]atomic.Int64
		var all sync.WaitGroup
		take := func(l *holdfast.Locker, r *rand.Rand) error {
			var want []string
			for _, at := range r.Perm(len(names))[:1+r.IntN(4)] {
				want = append(want, names[at])
			}
			acquire := l.AcquireAll
			if r.IntN(4) == 0 {
				acquire = l.TryAcquireAll
			}
			held, err := acquire(e.ctx(), want)
			if errors.Is(err, holdfast.ErrHeld) {
				return nil
			} else if err != nil {
				return err
			}
			for at, name := range names {
				if fence := held.Fence(name); fence != 0 {
					if n := holders[at].Add(1); n != 1 {
						t.Errorf("%s has %d holders", name, n)
					}
					if last := fences[at].Swap(fence); last >= fence {
						t.Errorf("%s: fence %d after %d", name, fence, last)
					}
				}
			}
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
			for at, name := range names {
				if held.Fence(name) != 0 {
					holders[at].Add(-1)
				}
			}
			return held.Release(e.ctx())
		}
		for i := range 4 {
			l := e.locker()
			for g := range 3 {
				r := rand.New(rand.NewPCG(uint64(i), uint64(g)))
				all.Go(func() {
					for range rounds {
						if err := take(l, r); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		all.Wait()
		if got := e.locks(); len(got) > 0 {
			t.Errorf("left behind: %q", got)
		}
	})
}
