package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Many locks in one process: their requests and renewals go together, and yet each has its
// own outcome.

// locks returns how many locks a script call is for: it has that many owners, or tokens.
func (c call) locks() int {
	width := 3
	switch c.script {
	case "renew":
		width = 1 // its short form, which knows NAME alone
	case "check":
		width = 2
	}
	return c.args[2].(int) / width
}

// take acquires n locks at once.
func (e *env) take(l *holdfast.Locker, n int) []*holdfast.Session {
	e.t.Helper()
	sessions, errs := make([]*holdfast.Session, n), make([]error, n)
	ctx := e.ctx()
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() { sessions[i], errs[i] = l.Mutex(fmt.Sprint("lock", i)).Acquire(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			e.t.Fatal(err)
		}
	}
	return sessions
}

// allHeld checks that no session has ended.
func allHeld(t *testing.T, sessions []*holdfast.Session) {
	t.Helper()
	for i, s := range sessions {
		if err := s.Err(); err != nil {
			t.Fatalf("lock%d: %v", i, err)
		}
	}
}

// TestScaleHeld: ten thousand locks are held for a minute while others come and go: none
// is lost, few requests renew them, not all at once, and in the end nothing is left. By default, and
// under the race detector, it is a quarter of them, for half a minute.
func TestScaleHeld(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const ttl = 10 * time.Second
		n := redistest.Rounds(t, 10_000/min(slowness(), 4), 4/min(slowness(), 4))
		long := time.Duration(redistest.Rounds(t, 60/min(slowness(), 2), 2/min(slowness(), 2))) * time.Second
		e.load()
		p := &tap{}
		l := e.tapped(p, holdfast.WithTTL(ttl))
		sessions := e.take(l, n)
		if calls := p.count("acquire"); calls > n/10 {
			t.Errorf("%d calls acquired %d locks that were wanted at once", calls, n)
		}
		ctx, stop := context.WithTimeout(e.ctx(), long)
		defer stop()
		var others sync.WaitGroup
		for i := range 64 {
			mu := l.Mutex(fmt.Sprint("other", i))
			others.Go(func() {
				for ctx.Err() == nil {
					s, err := mu.Acquire(ctx)
					if err != nil {
						continue
					}
					time.Sleep(time.Duration(i+1) * 100 * time.Millisecond)
					if err := s.Release(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		// When, and how many leases at once, are renewed.
		var mu sync.Mutex
		at, renewed, largest := make(map[time.Time]int), 0, 0
		p.setDeliver(func(c call, send func() error) error {
			if c.script == "renew" && strings.HasPrefix(fmt.Sprint(c.args[3]), "lock") {
				mu.Lock()
				at[time.Now()] += c.locks()
				renewed += c.locks()
				largest = max(largest, c.locks())
				mu.Unlock()
			}
			return send()
		})
		before := p.count("renew")
		others.Wait()
		allHeld(t, sessions)
		calls := p.count("renew") - before
		turns := int(long / (ttl / 2)) // a renewal of each lock in half its TTL, up to an eighth early
		if renewed < n*(turns-1) || renewed > n*(turns+3) {
			t.Errorf("%d renewals of %d locks in %v, want about %d of each", renewed, n, long, turns)
		}
		if calls > renewed/50 || largest > 256 {
			t.Errorf("%d calls for %d renewals, the largest for %d", calls, renewed, largest)
		}
		for when, together := range at {
			if together > few+(n-few)*2/3 {
				t.Errorf("%d of %d were renewed at once, at %v", together, n, when)
			}
		}
		_ = l.Close()
		for _, s := range sessions {
			if !errors.Is(s.Err(), holdfast.ErrClosed) {
				t.Fatalf("after Close: %v", s.Err())
			}
		}
	})
}

// few is how many locks are renewed in one round trip.
const few = 2048

// TestScaleFew: locks that one round trip can renew are renewed in one if they were taken at
// once, and else in four an interval, as late as the interval allows.
func TestScaleFew(t *testing.T) {
	for name, test := range map[string]struct {
		over  time.Duration // from the first acquisition to the last
		trips int           // in an interval
	}{
		"at once":    {0, 1},
		"one by one": {10 * time.Second, 4},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				const interval, n = 5 * time.Second, 500
				var trips, renewed atomic.Int32
				l := e.locker(holdfast.WithTTL(2*interval), holdfast.WithObserver(&holdfast.Observer{
					Sent: func(what holdfast.Traffic, locks int, _ time.Duration) {
						if what == holdfast.Renewals {
							trips.Add(1)
							renewed.Add(int32(locks))
						}
					},
				}))
				var sessions []*holdfast.Session
				for i := range n {
					sessions = append(sessions, e.acquire(l.Mutex(fmt.Sprint("lock", i))))
					time.Sleep(test.over / n)
				}
				time.Sleep(2 * interval) // the first renewal is the one that finds its beat
				trips.Store(0)
				renewed.Store(0)
				time.Sleep(12 * interval)
				allHeld(t, sessions)
				if got, want := int(trips.Load()), 12*test.trips; got < want-test.trips || got > want+test.trips {
					t.Errorf("%d round trips in 12 intervals, want about %d", got, want)
				}
				if got := int(renewed.Load()); got < 11*n || got > 13*n {
					t.Errorf("%d renewals of %d locks in 12 intervals", got, n)
				}
			})
		})
	}
}

// TestScaleOneOfMany: what becomes of one lock of a batch does not concern the others.
func TestScaleOneOfMany(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const n, ttl = 100, time.Second
		sessions := e.take(e.crowded(holdfast.WithTTL(ttl)), n)
		time.Sleep(ttl / 10) // Redis has been told who listens: the renewals find what follows
		e.must(e.direct.Del(e.ctx(), "lock10").Err())
		e.must(e.direct.Set(e.ctx(), "lock20", "a stranger's", 0).Err())
		e.must(e.direct.Del(e.ctx(), "lock30").Err())
		e.must(e.direct.LPush(e.ctx(), "lock30", "not a lock").Err())
		e.must(e.locker().Mutex("lock40").ForceRelease(e.ctx()))
		time.Sleep(3 * ttl)
		lost := map[int]error{10: holdfast.ErrGone, 20: holdfast.ErrTaken, 30: holdfast.ErrTaken, 40: holdfast.ErrForceReleased}
		for i, s := range sessions {
			if err := s.Err(); !errors.Is(err, lost[i]) || lost[i] == nil && err != nil {
				t.Errorf("lock%d: %v, want %v", i, err, lost[i])
			}
		}
	})
}

// TestScaleOneRefused: of locks that are wanted, and given back, at once some can't be.
func TestScaleOneRefused(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const n = 200
		refused := func(i int) bool { return i == 7 }
		spoilt := func(i int) bool { return i%10 == 5 } // of whichever go together, some
		spoil := func(i int) {
			aux := auxOf(fmt.Sprint("lock", i))
			// At once, or a renewal in between finds that the lock is a stranger's.
			e.must(e.direct.Eval(e.ctx(), `redis.call("DEL", KEYS[1]) return redis.call("LPUSH", KEYS[1], "not ours")`, []string{aux}).Err())
		}
		// check looks at the error of an operation on one lock, which fails or not.
		check := func(i int, fails bool, err error) {
			switch {
			case !fails && err != nil:
				t.Errorf("lock%d: %v", i, err)
			case fails && (err == nil || !strings.Contains(err.Error(), "is not Holdfast's")):
				t.Errorf("lock%d, whose other key is not ours: %v", i, err)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("a token in an error: %v", err)
			}
		}
		spoil(7)
		l := e.crowded()
		sessions := make([]*holdfast.Session, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var err error
				sessions[i], err = l.Mutex(fmt.Sprint("lock", i)).Acquire(e.ctx(), holdfast.WithToken(fmt.Sprint("secret", i)))
				check(i, refused(i), err)
			})
		}
		wg.Wait()
		if n := e.direct.Exists(e.ctx(), "lock7").Val(); n != 0 {
			t.Error("something was left behind for the one that was refused")
		}
		for i := range n {
			if spoilt(i) {
				spoil(i)
			}
		}
		for i, s := range sessions {
			if s != nil {
				wg.Go(func() { check(i, spoilt(i), s.Release(e.ctx())) })
			}
		}
		wg.Wait()
	})
}

// TestScaleSameName: calls for one lock that go together don't all get it.
func TestScaleSameName(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.crowded()
		for i := range 10 {
			e.must(once(l.Mutex(fmt.Sprint("lock", i)))) // what is known of the last holder is there
		}
		time.Sleep(time.Millisecond) // and its fence not ahead of the clock
		var got atomic.Int32
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				_, err := l.Mutex(fmt.Sprint("lock", i%10)).TryAcquire(e.ctx())
				if err == nil {
					got.Add(1)
				} else if !errors.Is(err, holdfast.ErrHeld) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 10 {
			t.Errorf("%d sessions of 10 locks", got.Load())
		}
	})
}

// TestScaleUnknownScripts: a server that has forgotten the scripts gets them again, whatever
// goes together.
func TestScaleUnknownScripts(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl = time.Second
		l := e.crowded(holdfast.WithTTL(ttl))
		sessions := e.take(l, 50)
		for round := range 5 {
			e.must(e.direct.ScriptFlush(e.ctx()).Err())
			time.Sleep(ttl / 2)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					s, err := l.Mutex(fmt.Sprint("other", round, i)).Acquire(e.ctx())
					if err == nil {
						err = s.Release(e.ctx())
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		allHeld(t, sessions)
	})
}

// TestScaleStuckBatch: a batch of renewals that is never answered costs no session, since
// the next try does not wait for it; and if none is answered every context ends in time.
func TestScaleStuckBatch(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const n, ttl = 1000, 10 * time.Second
		e.load()
		p := &tap{}
		l := e.tapped(p, holdfast.WithTTL(ttl))
		sessions := e.take(l, n)
		never := make(chan struct{})
		defer close(never)
		var stuck atomic.Int32
		p.setDeliver(func(c call, send func() error) error {
			if c.script == "renew" && stuck.Add(1)%2 == 1 { // of the tries every other
				<-never
				return context.Canceled
			}
			return send()
		})
		time.Sleep(5 * ttl)
		allHeld(t, sessions)
		if stuck.Load() < 10 {
			t.Errorf("only %d batches", stuck.Load())
		}
		p.setDeliver(func(call, func() error) error {
			<-never
			return context.Canceled
		})
		var late atomic.Int32
		var wg sync.WaitGroup
		for i, s := range sessions {
			wg.Go(func() {
				<-s.Done()
				if left := e.fake.M.TTL(fmt.Sprint("lock", i)); left <= 0 {
					late.Add(1)
				}
				if !errors.Is(s.Err(), holdfast.ErrExpired) {
					t.Errorf("lock%d: %v", i, s.Err())
				}
			})
		}
		wg.Wait()
		if late.Load() > 0 {
			t.Errorf("%d contexts ended after their keys", late.Load())
		}
	})
}

// TestScaleReleasedMeanwhile: sessions come and go while a batch with them is under way.
func TestScaleReleasedMeanwhile(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const n, ttl = 300, 10 * time.Second
		e.load()
		p := &tap{}
		l := e.tapped(p, holdfast.WithTTL(ttl))
		sessions := e.take(l, n)
		deliver := p.holdNext("renew")
		time.Sleep(ttl / 2)
		synctest.Wait()
		for _, s := range sessions[:n/2] {
			if err := s.Release(e.ctx()); err != nil {
				t.Error(err)
			}
		}
		for i := range n / 4 { // a part of those is taken again
			sessions[i] = e.acquire(l.Mutex(fmt.Sprint("lock", i)))
		}
		deliver()
		synctest.Wait()
		for i := n / 4; i < n/2; i++ {
			if held(t, e, fmt.Sprint("lock", i)) {
				t.Errorf("lock%d is there again", i)
			}
		}
		time.Sleep(3 * ttl)
		for i, s := range sessions {
			if err := s.Err(); (err != nil) != (n/4 <= i && i < n/2) {
				t.Errorf("lock%d: %v", i, err)
			}
		}
		deliver = p.holdNext("renew")
		defer deliver()
		time.Sleep(ttl / 2)
		go func() { _ = l.Close() }() // which waits for the batch
		synctest.Wait()
		for _, s := range sessions {
			if s.Err() == nil {
				t.Fatal("a session outlives Close")
			}
		}
	})
}

// TestScaleAlone: a call that comes alone does not wait for others, and one that comes while
// others hang does so for some milliseconds only.
func TestScaleAlone(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := &tap{}
		l := e.tapped(p)
		start := time.Now()
		for range 100 {
			if err := e.acquire(l.Mutex("alone")).Release(e.ctx()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("a hundred rounds took %v on a network that takes none", took)
		}
		// All that hang, each in a delivery of its own.
		never := make(chan struct{})
		defer close(never)
		p.setDeliver(func(c call, send func() error) error {
			if strings.HasPrefix(fmt.Sprint(c.args[3]), "hangs") {
				<-never
				return context.Canceled
			}
			return send()
		})
		ctx, cancel := context.WithCancel(e.ctx())
		defer cancel()
		for i := range 10 {
			go func() { _, _ = l.Mutex(fmt.Sprint("hangs", i)).Acquire(ctx) }()
			time.Sleep(10 * time.Millisecond)
			start := time.Now()
			e.acquire(l.Mutex(fmt.Sprint("beside", i)))
			if took := time.Since(start); took > 10*time.Millisecond {
				t.Errorf("with %d requests that hang, another took %v", i+1, took)
			}
		}
	})
}

// TestScaleDropped: a request that nobody waits for any more, and that has not left yet,
// does not leave.
func TestScaleDropped(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := &tap{}
		l := e.tapped(p)
		never := make(chan struct{})
		p.setDeliver(func(call, func() error) error {
			<-never
			return context.Canceled
		})
		ctx, cancel := context.WithCancel(e.ctx())
		var wg sync.WaitGroup
		for i := range 20_000 { // more than may be sent
			wg.Go(func() { _, _ = l.Mutex(fmt.Sprint("lock", i)).Acquire(ctx) })
		}
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		sent := 0
		for _, c := range p.sent() {
			if c.script == "acquire" {
				sent += c.locks()
			}
		}
		if sent > 16*1024 {
			t.Errorf("%d requests were sent while none was answered", sent)
		}
		if n := p.count("release"); n > sent {
			t.Errorf("%d were taken back, of %d that were sent", n, sent)
		}
		p.setDeliver(nil)
		close(never)
		time.Sleep(cleanUp)
		if keys := e.keys(); len(keys) > 0 {
			for _, k := range keys {
				if strings.HasPrefix(k, "lock") {
					t.Errorf("%s is left behind", k)
				}
			}
		}
	})
}

// TestScalePressure: twenty thousand calls at once, ten connections and a Redis that takes
// its time: everybody gets the lock, and nobody's context ends without cause.
func TestScalePressure(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		n := redistest.Rounds(t, 20_000/min(slowness(), 5), 5/min(slowness(), 5))
		e.load()
		link := e.fake.NewLink()
		l := holdfast.New(link.Client(func(o *redis.Options) { o.PoolSize = 10 }))
		t.Cleanup(func() { _ = l.Close() })
		link.Delay(250 * time.Millisecond)
		sessions := e.take(l, n)
		time.Sleep(30 * time.Second) // a few renewals
		allHeld(t, sessions)
		var wg sync.WaitGroup
		for _, s := range sessions {
			wg.Go(func() {
				start := time.Now()
				if err := s.Release(e.ctx()); err != nil {
					t.Error(err, time.Since(start))
				}
			})
		}
		wg.Wait()
	})
}

// heldTouch acquires a lock and returns when a renewal that looks at NAME alone is on its
// way, and how to deliver it.
func heldTouch(e *env, p *tap, mu *holdfast.Mutex) (*holdfast.Session, func()) {
	e.t.Helper()
	s := e.acquire(mu)
	deliver := p.holdNext("renew")
	n := p.count("renew")
	eventually(e.t, "it is renewed", func() bool { return p.count("renew") > n })
	if p.sent()[len(p.sent())-1].args[2] != 1 {
		e.t.Fatal("the renewal has more than one key")
	}
	return s, deliver
}

// TestScaleLateTouch: a renewal by NAME alone that comes late takes nothing back.
func TestScaleLateTouch(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl = time.Second
		e.load()
		p := &tap{}
		mu := e.tapped(p, holdfast.WithTTL(ttl)).Mutex("lock")
		s, deliver := heldTouch(e, p, mu)
		e.must(s.Extend(e.ctx(), time.Hour))
		deliver()
		time.Sleep(ttl / 4)
		if left, trusted := e.direct.PTTL(e.ctx(), "lock").Val(), time.Until(s.ValidUntil()); left < 59*time.Minute || trusted > left {
			t.Errorf("%v left after an Extend by an hour, and trusted for %v", left, trusted)
		}
	})
}

// TestScaleTouchAfterResume: a renewal by NAME alone does not tell that another session has
// taken up the token since; so it does not count once the token was handed out.
func TestScaleTouchAfterResume(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl = 10 * time.Second
		e.load()
		p := &tap{}
		l, _ := e.late(p, holdfast.WithTTL(ttl), holdfast.WithRenewInterval(ttl/20)) // and never listens
		s, deliver := heldTouch(e, p, l.Mutex("lock"))
		if aux := e.direct.Get(e.ctx(), auxOf("lock")).Val(); strings.Contains(aux, "holdfast:2:w:") {
			t.Errorf("it would be told of the Resume: %q", aux)
		}
		if _, err := e.locker(holdfast.WithTTL(ttl), holdfast.WithRenewInterval(ttl/3)).Mutex("lock").Resume(e.ctx(), s.Token()); err != nil {
			t.Fatal(err)
		}
		deliver()
		time.Sleep(ttl / 50)
		if !errors.Is(s.Err(), holdfast.ErrTaken) {
			t.Errorf("after the late renewal: %v", s.Err())
		}
	})
}
