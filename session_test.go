package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestNested(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		s := e.acquire(l.Mutex("a"))
		inner, err := l.Mutex("b").Acquire(s.Context())
		if err != nil {
			t.Fatal(err)
		}
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(inner.Context(), key{}, 1), time.Minute)
		defer cancel()
		for _, ctx := range []context.Context{s.Context(), ctx, context.WithoutCancel(ctx)} {
			for what, f := range map[string]func(context.Context) error{
				"Acquire":    func(ctx context.Context) error { _, err := l.Mutex("a").Acquire(ctx); return err },
				"TryAcquire": func(ctx context.Context) error { _, err := l.Mutex("a").TryAcquire(ctx); return err },
				"Resume":     func(ctx context.Context) error { _, err := l.Mutex("a").Resume(ctx, s.Token()); return err },
				"Do":         func(ctx context.Context) error { return l.Mutex("a").Do(ctx, nil) },
				"Lead":       func(ctx context.Context) error { return l.Mutex("a").Lead(ctx, nil) },
			} {
				if err := f(ctx); !errors.Is(err, holdfast.ErrNested) {
					t.Errorf("%s under its own session: %v", what, err)
				}
			}
		}
		// Another deployment's lock of the same name is another lock; here it is the same
		// Redis, so it is held.
		if _, err := e.locker().Mutex("a").TryAcquire(s.Context()); !errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("another Locker: %v", err)
		}
		if got, ok := holdfast.FromContext(ctx); !ok || got != inner {
			t.Error("FromContext does not give the innermost session")
		}
		_ = inner.Release(e.ctx())
		_ = s.Release(e.ctx())
		again, err := l.Mutex("a").Acquire(context.WithoutCancel(ctx))
		if err != nil {
			t.Fatalf("after the release: %v", err)
		}
		_ = again.Release(e.ctx())
		if _, ok := holdfast.FromContext(t.Context()); ok {
			t.Error("a session from nowhere")
		}
	})
}

func TestLockIdiom(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a", holdfast.WithWaitTimeout(50*time.Millisecond))
		ctx, release := mu.Lock(e.ctx())
		if ctx.Err() != nil || !held(t, e, "a") {
			t.Fatalf("Lock: %v", context.Cause(ctx))
		}
		failed, nothing := mu.Lock(context.WithoutCancel(e.ctx()))
		if failed.Err() == nil || !errors.Is(context.Cause(failed), holdfast.ErrWaitTimeout) {
			t.Errorf("Lock of a held lock: %v", context.Cause(failed))
		}
		if err := nothing(); !errors.Is(err, holdfast.ErrWaitTimeout) {
			t.Errorf("the failed Lock's release: %v", err)
		}
		if ctx.Err() != nil || !held(t, e, "a") {
			t.Error("the failed Lock's release released")
		}
		release()
		release()
		if ctx.Err() == nil || held(t, e, "a") {
			t.Error("release did not")
		}
	})
}

// TestLockRelease: what release returns is nil only if the lock was held to the end, also if
// nobody looked at the context.
func TestLockRelease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts       []holdfast.Option
		meanwhile  func(e *env, link redistest.Link)
		want       error // of release
		cause      error // of the context after release
		mayBeAgain bool  // a second release may return something else
	}{
		"given back": {cause: holdfast.ErrReleased},
		"a loss that the release finds": {
			meanwhile: func(e *env, _ redistest.Link) { e.must(e.direct.Del(e.ctx(), "a").Err()) },
			want:      holdfast.ErrGone, cause: holdfast.ErrReleased,
		},
		"a loss that a renewal has found": {
			meanwhile: func(e *env, _ redistest.Link) {
				e.must(e.direct.Set(e.ctx(), "a", "theirs", time.Minute).Err())
				time.Sleep(400 * time.Millisecond)
			},
			want: holdfast.ErrTaken, cause: holdfast.ErrTaken,
		},
		"expired": {
			opts:      opts(holdfast.WithoutRenewal()),
			meanwhile: func(*env, redistest.Link) { time.Sleep(700 * time.Millisecond) },
			want:      holdfast.ErrExpired, cause: holdfast.ErrExpired,
		},
		"maximum hold": {
			opts:      opts(holdfast.WithMaxHold(50 * time.Millisecond)),
			meanwhile: func(*env, redistest.Link) { time.Sleep(100 * time.Millisecond) },
			want:      holdfast.ErrMaxHold, cause: holdfast.ErrMaxHold, mayBeAgain: true,
		},
		"Redis is gone": {
			meanwhile:  func(_ *env, link redistest.Link) { link.Refuse() },
			want:       errAny,
			cause:      holdfast.ErrReleased,
			mayBeAgain: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, e *env) {
				l, link := e.linked(holdfast.WithTTL(600 * time.Millisecond))
				ctx, release := l.Mutex("a", c.opts...).Lock(e.ctx())
				if ctx.Err() != nil {
					t.Fatal(context.Cause(ctx))
				}
				if c.meanwhile != nil {
					c.meanwhile(e, link)
				}
				err := release()
				link.Heal()
				if c.want == errAny && err != nil && !errors.Is(err, holdfast.ErrLost) {
					err = errAny
				}
				if !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("release returned %v, want %v", err, c.want)
				}
				if cause := context.Cause(ctx); !errors.Is(cause, c.cause) {
					t.Errorf("the context's cause is %v, want %v", cause, c.cause)
				}
				if again := release(); !c.mayBeAgain && !errors.Is(again, c.want) {
					t.Errorf("a second release returned %v", again)
				}
			})
		})
	}
}

// errAny is an error that is not a loss.
var errAny = errors.New("an error")

// TestOneTry: a single try that finds the lock held is one event, whoever asked for it, and a
// wait that timed out is another.
func TestOneTry(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		e.acquire(e.locker().Mutex("ours"))
		e.must(e.direct.Set(e.ctx(), "theirs", "x", time.Minute).Err())
		try, acquire := (*holdfast.Mutex).TryAcquire, (*holdfast.Mutex).Acquire
		for _, c := range []struct {
			name          string
			call          func(*holdfast.Mutex, context.Context, ...holdfast.Option) (*holdfast.Session, error)
			opts          []holdfast.Option
			held, timeout bool
		}{
			{"TryAcquire", try, nil, true, true},
			{"TryAcquire, a wait timeout", try, opts(holdfast.WithWaitTimeout(time.Minute)), true, true},
			{"TryAcquire, a wait timeout of 0", try, opts(holdfast.WithWaitTimeout(0)), true, true},
			{"Acquire, a wait timeout of 0", acquire, opts(holdfast.WithWaitTimeout(0)), true, true},
			{"Acquire, a wait timeout", acquire, opts(holdfast.WithWaitTimeout(20 * time.Millisecond)), false, true},
		} {
			for _, lock := range []string{"ours", "theirs"} {
				_, err := c.call(l.Mutex(lock), e.ctx(), c.opts...)
				if errors.Is(err, holdfast.ErrHeld) != c.held || errors.Is(err, holdfast.ErrWaitTimeout) != c.timeout {
					t.Errorf("%s of %s: %v", c.name, lock, err)
				}
			}
		}
	})
}

func TestDo(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker(holdfast.WithTTL(300 * time.Millisecond)).Mutex("a")
		failed := errors.New("failed")
		if err := mu.Do(e.ctx(), func(ctx context.Context) error {
			if !held(t, e, "a") {
				t.Error("fn runs without the lock")
			}
			return failed
		}); err != failed {
			t.Errorf("Do = %v, want fn's error", err)
		}
		if err := mu.Do(e.ctx(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("Do = %v", err)
		}
		err := mu.Do(e.ctx(), func(ctx context.Context) error {
			_ = e.direct.Del(e.ctx(), "a").Err()
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, holdfast.ErrLost) || !errors.Is(err, holdfast.ErrGone) || !errors.Is(err, context.Canceled) {
			t.Errorf("Do that lost its lock: %v", err)
		}
		err = mu.Do(e.ctx(), func(ctx context.Context) error { // lost, and nobody looked
			_ = e.direct.Set(e.ctx(), "a", "x", 0).Err()
			return nil
		})
		if !errors.Is(err, holdfast.ErrTaken) {
			t.Errorf("Do that lost its lock unnoticed: %v", err)
		}
		_ = e.direct.Del(e.ctx(), "a").Err()
		func() {
			defer func() {
				if recover() != "oh" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = mu.Do(e.ctx(), func(context.Context) error { panic("oh") })
		}()
		if held(t, e, "a") {
			t.Error("held after a panic")
		}
	})
}

func TestMaxHold(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl, most := 300*time.Millisecond, 700*time.Millisecond
		if e.fake == nil {
			ttl, most = 10*time.Second, 2*time.Second
		}
		mu := e.locker(holdfast.WithTTL(ttl)).Mutex("a", holdfast.WithMaxHold(most))
		begin := time.Now()
		s := e.acquire(mu)
		<-s.Done()
		if took := time.Since(begin); took < most-50*time.Millisecond || took > e.atMost(most+50*time.Millisecond) {
			t.Errorf("ended after %v, want %v", took, most)
		}
		if err := s.Err(); !errors.Is(err, holdfast.ErrMaxHold) || errors.Is(err, holdfast.ErrLost) {
			t.Errorf("Err = %v", err)
		}
		if !held(t, e, "a") {
			t.Error("given back by itself")
		}
		if err := s.Release(e.ctx()); err != nil || held(t, e, "a") {
			t.Errorf("Release = %v", err)
		}
	})
}

func TestInspect(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a", holdfast.WithLabel("me \xff\n"))
		look := func() holdfast.Info {
			t.Helper()
			info, err := mu.Inspect(e.ctx())
			if err != nil {
				t.Fatal(err)
			}
			return info
		}
		if info := look(); info != (holdfast.Info{}) {
			t.Errorf("a free lock: %+v", info)
		}
		s := e.acquire(mu)
		if info := look(); !info.Held || info.Stranger || info.Label != "me \xff\n" || info.Fence != s.Fence() ||
			info.TTL > holdfast.DefaultTTL || info.TTL < holdfast.DefaultTTL-5*time.Second || info.NoExpiry {
			t.Errorf("ours: %+v", info)
		}
		for _, token := range []string{"stranger", ""} {
			_ = e.direct.Set(e.ctx(), "a", token, 0).Err()
			if info := look(); !info.Held || !info.Stranger || info.Label != "" || info.Fence != 0 || !info.NoExpiry || info.TTL != 0 {
				t.Errorf("a stranger's, by the token %q: %+v", token, info)
			}
		}
		if ok, err := mu.Locked(e.ctx()); !ok || err != nil {
			t.Errorf("Locked = %v, %v", ok, err)
		}
		if err := mu.ForceRelease(e.ctx()); err != nil {
			t.Error(err)
		}
		if ok, err := mu.Locked(e.ctx()); ok || err != nil {
			t.Errorf("Locked after ForceRelease = %v, %v", ok, err)
		}
		if err := s.Check(e.ctx()); !errors.Is(err, holdfast.ErrGone) {
			t.Errorf("Check: %v", err)
		}
		given := e.acquire(mu, holdfast.WithToken("t"))
		if info := look(); info.Stranger || info.Fence != given.Fence() {
			t.Errorf("ours with a given token: %+v", info)
		}
		if err := mu.ForceRelease(e.ctx()); err != nil {
			t.Error(err)
		}
		if ok, err := given.Owned(e.ctx()); ok || err != nil || !errors.Is(given.Err(), holdfast.ErrForceReleased) {
			t.Errorf("Owned = %v, %v; Err = %v", ok, err, given.Err())
		}
		if err := mu.ForceRelease(e.ctx()); err != nil {
			t.Errorf("ForceRelease of a free lock: %v", err)
		}
	})
}

func TestExtendKinds(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl, more, slack := e.short(2*time.Second), e.short(3*time.Second), e.short(500*time.Millisecond)
		s := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("a"))
		about := func(what string, want time.Duration) {
			t.Helper()
			left := e.direct.PTTL(e.ctx(), "a").Val()
			if left > want || left < want-slack {
				t.Errorf("%s: %v left, want %v", what, left, want)
			}
			valid := time.Until(s.ValidUntil())
			if valid >= left || valid < left-left/50-slack {
				t.Errorf("%s: trusted for %v of %v", what, valid, left)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		about("acquired", ttl)
		do(s.Extend(e.ctx(), more))
		about("extended", ttl+more)
		do(s.Extend(e.ctx(), 1500*time.Microsecond)) // the fraction is dropped
		time.Sleep(ttl/2 + 100*time.Millisecond)     // a renewal goes by
		about("renewed", ttl+more+time.Millisecond-ttl/2-100*time.Millisecond)
		do(s.SetTTL(e.ctx(), 10*ttl))
		about("set longer", 10*ttl)
		do(s.Reacquire(e.ctx()))
		about("reacquired", ttl)
		do(s.SetTTL(e.ctx(), ttl/3))
		about("set shorter", ttl/3)
		time.Sleep(ttl / 4)
		about("renewed before it ran out", ttl)
		do(s.Release(e.ctx()))
		for _, err := range []error{s.Extend(e.ctx(), time.Second), s.SetTTL(e.ctx(), time.Second), s.Reacquire(e.ctx()), s.Check(e.ctx())} {
			if !errors.Is(err, holdfast.ErrReleased) {
				t.Errorf("after Release: %v", err)
			}
		}
	})
}

func TestWithoutRenewal(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ttl := 400 * time.Millisecond
		if e.fake == nil {
			ttl = 5 * time.Second // so the margin is 120 ms: a busy machine may look late
		}
		l := e.locker(holdfast.WithTTL(ttl), holdfast.WithoutRenewal())
		for range 3 {
			s := e.acquire(l.Mutex("a"))
			time.Sleep(ttl / 4)
			if err := s.Reacquire(e.ctx()); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			<-s.Done()
			took, there := time.Since(begin), held(t, e, "a")
			if e.fake == nil && time.Since(begin) >= ttl {
				continue // the machine stalled
			}
			if !there {
				t.Error("the lock was gone before the context was done")
			}
			if took < ttl/2 || took > ttl {
				t.Errorf("the context was done %v after Reacquire", took)
			}
			if !errors.Is(s.Err(), holdfast.ErrExpired) {
				t.Errorf("Err = %v", s.Err())
			}
			return
		}
		t.Error("the machine stalled in each of three rounds")
	})
}

func TestWithoutExpiry(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker(holdfast.WithoutExpiry(), holdfast.WithRenewInterval(200*time.Millisecond))
		s := e.acquire(l.Mutex("a"))
		if ttl := e.direct.PTTL(e.ctx(), "a").Val(); ttl != -1 {
			t.Errorf("PTTL = %v", ttl)
		}
		if !s.ValidUntil().IsZero() {
			t.Errorf("ValidUntil = %v", s.ValidUntil())
		}
		for _, err := range []error{s.Extend(e.ctx(), time.Second), s.SetTTL(e.ctx(), time.Second), s.Reacquire(e.ctx())} {
			if !errors.Is(err, holdfast.ErrNoExpiry) {
				t.Errorf("%v, want ErrNoExpiry", err)
			}
		}
		time.Sleep(500 * time.Millisecond)
		if err := s.Check(e.ctx()); err != nil {
			t.Error(err)
		}
		token, err := s.Detach(e.ctx())
		if err != nil {
			t.Fatal(err)
		}
		next, err := l.Mutex("a").Resume(e.ctx(), token)
		if err != nil {
			t.Fatal(err)
		}
		if ttl := e.direct.PTTL(e.ctx(), "a").Val(); ttl != -1 {
			t.Errorf("PTTL after Resume = %v", ttl)
		}
		_ = e.direct.Del(e.ctx(), "a").Err()
		begin := time.Now()
		<-next.Done()
		if took := time.Since(begin); took > e.atMost(time.Second) || !errors.Is(next.Err(), holdfast.ErrGone) {
			t.Errorf("noticed after %v: %v", took, next.Err())
		}
		if _, err := next.Detach(e.ctx()); !errors.Is(err, holdfast.ErrGone) {
			t.Errorf("Detach of a lost lock: %v", err)
		}
		if err := next.Release(e.ctx()); !errors.Is(err, holdfast.ErrGone) {
			t.Errorf("Release of a lost lock: %v", err)
		}
	})
}

func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		s := e.acquire(e.locker().Mutex("a"))
		mu := e.locker().Mutex("a", holdfast.WithRetryInterval(20*time.Millisecond))
		const wait = 300 * time.Millisecond
		begin := time.Now()
		_, err := mu.Acquire(e.ctx(), holdfast.WithWaitTimeout(wait))
		if took := time.Since(begin); !errors.Is(err, holdfast.ErrWaitTimeout) || took < wait || took > e.atMost(wait+50*time.Millisecond) {
			t.Errorf("after %v: %v", took, err)
		}
		if _, err := mu.Acquire(e.ctx(), holdfast.WithWaitTimeout(0)); !errors.Is(err, holdfast.ErrWaitTimeout) {
			t.Errorf("one try: %v", err)
		}
		ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, errors.New("too long"))
		defer cancel()
		_, err = mu.Acquire(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "too long") {
			t.Errorf("at the end of ctx: %v", err)
		}
		time.AfterFunc(200*time.Millisecond, func() { _ = s.Release(context.Background()) })
		next := e.acquire(mu)
		if next.Fence() <= s.Fence() {
			t.Errorf("fence %d after %d", next.Fence(), s.Fence())
		}
		_ = next.Release(e.ctx())
		<-s.Done()
	})
}

func TestWaiterWakesWhenTheHolderExpires(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		begin := time.Now()
		_ = e.direct.Set(e.ctx(), "a", "stranger", 300*time.Millisecond).Err()
		s := e.acquire(e.locker().Mutex("a", holdfast.WithRetryInterval(time.Hour)))
		if took := time.Since(begin); took < 300*time.Millisecond || took > e.atMost(500*time.Millisecond) {
			t.Errorf("acquired after %v, want when the TTL of 300ms ran out", took)
		}
		_ = s.Release(e.ctx())
	})
}

// TestFence: strictly larger with every acquisition, whatever happens to Redis.
func TestFence(t *testing.T) {
	rounds := redistest.Rounds(t, 250, 5)
	each(t, func(t *testing.T, e *env) {
		const lockers = 4 // times two processes' worth of goroutines
		var last atomic.Int64
		var wg sync.WaitGroup
		for range lockers {
			mu := e.locker(holdfast.WithRetryInterval(time.Millisecond)).Mutex("a")
			wg.Go(func() {
				for range rounds {
					s, err := mu.Acquire(e.ctx())
					if err != nil {
						t.Error(err)
						return
					}
					if prev := last.Swap(s.Fence()); prev >= s.Fence() {
						t.Errorf("fence %d after %d", s.Fence(), prev)
					}
					if err := s.Release(e.ctx()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		mu := e.locker().Mutex("a")
		for _, lose := range []func(){
			func() { _ = e.direct.FlushAll(e.ctx()).Err() },
			func() {
				if e.server != nil { // without persistence: everything is gone
					e.server.Kill()
					e.server.Restart()
				}
			},
			// The last writes are lost, as after a failover: what is there is older.
			func() {
				aux := e.direct.Get(e.ctx(), auxOf("a")).Val()
				for range 50 {
					s := e.acquire(mu)
					last.Store(s.Fence())
					e.must(s.Release(e.ctx()))
				}
				e.must(e.direct.Set(e.ctx(), auxOf("a"), aux, time.Hour).Err())
				time.Sleep(time.Millisecond) // which a failover takes
			},
			// A fence ahead of the clock, as after a step back of it.
			func() {
				e.must(e.direct.SetRange(e.ctx(), auxOf("a"), 0, fmt.Sprintf("%016d", last.Add(1e12))).Err())
			},
		} {
			time.Sleep(10 * time.Millisecond) // in a bubble the acquisitions above took no time
			lose()
			for range 5 {
				s := e.acquire(mu)
				if s.Fence() <= last.Load() {
					t.Errorf("fence %d after %d", s.Fence(), last.Load())
				}
				last.Store(s.Fence())
				_ = s.Release(e.ctx())
			}
		}
	})
}
