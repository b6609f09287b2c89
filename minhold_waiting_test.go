package holdfast_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// arrivals are the waiters of a test, who write down in which order they get the lock, and when.
type arrivals struct {
	e   *env
	got chan arrival
}

type arrival struct {
	who string
	at  time.Time
	// fence tells the order of the turns, which may begin at the same time.
	fence int64
}

// wait begins to wait for the lock, from that Locker.
func (w *arrivals) wait(l *holdfast.Locker, who string, opts ...holdfast.Option) {
	ctx := w.e.ctx()
	go func() { // ends when it has had its turn; the test waits for that
		s, err := l.Mutex("a").Acquire(ctx, opts...)
		if err != nil {
			w.got <- arrival{who: err.Error()}
			return
		}
		turn := arrival{who, time.Now(), s.Fence()}
		if err := s.Release(ctx); err != nil {
			turn.who = err.Error()
		}
		w.got <- turn
	}()
	time.Sleep(50 * time.Millisecond) // it stands in line
}

// want checks who gets it, in order, and that the first does so when the minimum hold ends.
func (w *arrivals) want(end time.Time, who ...string) {
	w.e.t.Helper()
	turns := make([]arrival, len(who))
	for i := range turns {
		turns[i] = <-w.got // after its release, which may be later than the next one's turn
	}
	slices.SortFunc(turns, func(a, b arrival) int { return cmp.Compare(a.fence, b.fence) })
	for i, name := range who {
		got := turns[i]
		if got.who != name {
			w.e.t.Errorf("turn %d is %s's, want %s's", i+1, got.who, name)
		}
		if late := got.at.Sub(end); i == 0 && (late < -time.Millisecond || late > w.e.lateness()) {
			w.e.t.Errorf("granted %v after the end of the minimum hold", late)
		}
	}
}

// TestMinHoldWaiters: who waits, here or in another process, is granted the lock when the minimum
// hold ends, not before and not much later, first come, first served.
func TestMinHoldWaiters(t *testing.T) {
	t.Parallel()
	const least = 700 * time.Millisecond
	for name, who := range map[string][]string{
		"here": {"h1", "h2"}, "elsewhere": {"e1", "f1"}, "both": {"e1", "h1", "h2"},
		"before the release and behind it": {"e1", "later e2"}, "behind the release": {"later e1", "later h1"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				locks := map[byte]*holdfast.Locker{'h': e.locker(), 'e': e.locker(), 'f': e.locker()}
				for _, l := range locks { // connected, and listening
					if err := e.acquire(l.Mutex("warm")).Release(e.ctx()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(100 * time.Millisecond)
				w := &arrivals{e: e, got: make(chan arrival, len(who))}
				s := e.acquire(locks['h'].Mutex("a"), holdfast.WithMinHold(least))
				end := time.Now().Add(least)
				released := false
				release := func() {
					if released {
						return
					}
					released = true
					if err := s.Release(e.ctx()); err != nil {
						t.Fatal(err)
					}
				}
				var names []string
				for _, name := range who {
					if rest, later := name[:1], len(name) > 2; later {
						release()
						rest = name[6:7]
						w.wait(locks[rest[0]], name)
					} else {
						w.wait(locks[rest[0]], name)
					}
					names = append(names, name)
				}
				release()
				if took := time.Since(end); took > -50*time.Millisecond {
					t.Skip("too slow a machine: the minimum hold was over at the release")
				}
				w.want(end, names...)
			})
		})
	}
}

// TestMinHoldIsTold: who waits elsewhere, and was told of a long TTL, is told of the shorter one.
func TestMinHoldIsTold(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const least = 300 * time.Millisecond
		here, there := e.locker(holdfast.WithTTL(time.Minute)), e.locker(holdfast.WithTTL(time.Minute))
		_ = e.acquire(there.Mutex("warm"))
		time.Sleep(100 * time.Millisecond)
		w := &arrivals{e: e, got: make(chan arrival, 1)}
		s := e.acquire(here.Mutex("a"), holdfast.WithMinHold(least))
		end := time.Now().Add(least)
		w.wait(there, "it")
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		w.want(end, "it")
	})
}

// TestMinHoldPassedOn: a minimum hold is the session's own. A lease is passed on when that of the
// session before is over, and to a call with another one, which counts from then.
func TestMinHoldPassedOn(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const least = time.Second
		l := e.locker()
		mu := l.Mutex("a")
		if err := e.acquire(mu).Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // it listens
		first := e.acquire(mu, holdfast.WithMinHold(200*time.Millisecond))
		second := make(chan *holdfast.Session)
		go func() {
			s, _ := mu.Acquire(e.ctx(), holdfast.WithMinHold(least))
			second <- s
		}()
		time.Sleep(300 * time.Millisecond)
		if err := first.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s := <-second
		if token := e.tokenIn("a"); token != s.Token() || time.Since(began) > 0 {
			t.Errorf("not passed on, within %v", time.Since(began))
		}
		if err := s.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		if info := e.inspect(mu); info.Fence != s.Fence() {
			t.Errorf("Redis knows of fence %d, want %d", info.Fence, s.Fence())
		}
		keptUntil(t, e, mu, began.Add(least))
	})
}

// TestMinHoldForceRelease: an operator ends it early, and who waits gets the lock.
func TestMinHoldForceRelease(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		mu := l.Mutex("a", holdfast.WithMinHold(time.Hour))
		for name, force := range map[string]func(*holdfast.Session) error{
			"ForceRelease":      func(*holdfast.Session) error { return mu.ForceRelease(e.ctx()) },
			"ForceReleaseFence": func(s *holdfast.Session) error { return mu.ForceReleaseFence(e.ctx(), s.Fence()) },
		} {
			s := e.acquire(mu)
			if err := s.Release(e.ctx()); err != nil {
				t.Fatal(err)
			}
			if err := mu.ForceReleaseFence(e.ctx(), s.Fence()-1); !errors.Is(err, holdfast.ErrOtherFence) {
				t.Errorf("another fence: %v", err)
			}
			if err := mu.ForceReleaseStranger(e.ctx()); !errors.Is(err, holdfast.ErrOtherFence) {
				t.Errorf("a stranger's: %v", err)
			}
			w := &arrivals{e: e, got: make(chan arrival, 1)}
			w.wait(e.locker(), "the next")
			if err := force(s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.want(time.Now(), "the next")
			if held(t, e, "a") {
				t.Errorf("%s: %+v", name, e.inspect(mu))
			}
		}
	})
}
