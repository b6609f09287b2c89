package holdfast_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Waiters whose messages, requests or patience fail them.

// How often the races are run, and how many waits and names are left behind. More find
// more; these take some seconds.
const (
	races     = 10_000
	leftovers = 10_000
)

// The first waiter asks every third of the claim, and those behind it every two thirds:
// what nobody is told of is found after the claim and such a pause at the latest.
const (
	claimOf10s  = 3 * time.Second // at the default TTL
	longestIdle = claimOf10s + claimOf10s*2/3
)

// queueOf is the third key of a lock whose name has no hash tag.
func queueOf(name string) string { return "holdfast:1:q:{" + name + "}" }

// reception decides about the nth piece that comes on a connection that has subscribed:
// whether it is heard. It may also keep the piece back for a while.
type reception func(nth int, piece []byte) bool

func nothing(int, []byte) bool             { return false }
func onlyConfirmed(nth int, _ []byte) bool { return nth == 1 }
func noMessages(_ int, piece []byte) bool  { return !isMessage(piece) }
func isMessage(piece []byte) bool          { return bytes.Contains(piece, []byte("\r\nmessage\r\n")) }
func late(lag func() time.Duration) reception {
	return func(_ int, piece []byte) bool {
		if isMessage(piece) {
			time.Sleep(lag())
		}
		return true
	}
}

// radio is a client's dialer, and what becomes of the client's messages: only the
// connections that subscribe are concerned.
type radio struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	refuse bool                      // subscribing fails
	hears  atomic.Pointer[reception] // nil: everything
}

func (r *radio) set(how reception) { r.hears.Store(&how) }

// tuned returns a Locker with such a client, whose requests pass the tap if there is one.
func (e *env) tuned(r *radio, p *tap, opts ...holdfast.Option) (*holdfast.Locker, redistest.Link) {
	tune := func(o *redis.Options) {
		o.PoolSize = 1000 // see crowded
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := r.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &ear{Conn: conn, r: r}, nil
		}
	}
	var link redistest.Link
	var client *redis.Client
	if e.fake != nil {
		l := e.fake.NewLink()
		r.dial = l.Dial
		link, client = l, l.Client(tune)
	} else {
		l := e.server.Proxy(e.t)
		r.dial = new(net.Dialer).DialContext
		link, client = l, l.Client(tune)
	}
	if p != nil {
		client.AddHook(p)
	}
	l := holdfast.New(client, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, link
}

// ear is one connection of such a client.
type ear struct {
	net.Conn
	r          *radio
	subscribed atomic.Bool
	pieces     int
}

func (c *ear) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\r\nsubscribe\r\n")) {
		if c.r.refuse {
			return 0, syscall.ECONNRESET
		}
		c.subscribed.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *ear) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n == 0 || err != nil || !c.subscribed.Load() {
			return n, err
		}
		c.pieces++
		if hears := c.r.hears.Load(); hears == nil || (*hears)(c.pieces, p[:n]) {
			return n, nil
		}
	}
}

// turns notes who has the lock when.
type turns struct {
	mu   sync.Mutex
	n    int
	last *holdfast.Session
	free time.Time     // since then
	idle time.Duration // the longest between two holds
}

// freed notes that the lock is free from now on.
func (ts *turns) freed() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.free = time.Now()
}

// take notes that s has it, and reports two owners and a fence that does not grow.
func (ts *turns) take(s *holdfast.Session) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	last := ts.last
	if ts.n++; !ts.free.IsZero() {
		ts.idle = max(ts.idle, time.Since(ts.free))
	}
	ts.last = s
	switch {
	case last == nil:
	case last.Err() == nil && s.Err() == nil:
		return fmt.Errorf("two owners: %v and %v", last, s)
	case s.Fence() <= last.Fence():
		return fmt.Errorf("the fence went from %d to %d", last.Fence(), s.Fence())
	}
	return nil
}

// hold acquires the lock, holds it for a while and gives it back.
func (ts *turns) hold(ctx context.Context, mu *holdfast.Mutex, d time.Duration) error {
	s, err := mu.Acquire(ctx)
	if err != nil {
		return err
	}
	err = ts.take(s)
	time.Sleep(d)
	ts.freed()
	return errors.Join(err, s.Release(ctx))
}

// TestWaitingWithoutMessages: nothing but time depends on messages. If none arrives, for
// whatever reason, everybody gets the lock in turn, and it never lies idle for longer
// than a claim and the pause of a waiter that asks.
func TestWaitingWithoutMessages(t *testing.T) {
	for _, how := range []struct {
		name   string
		refuse bool
		hears  reception
	}{
		{"subscribing fails", true, nil},
		{"subscribing is not answered", false, nothing},
		{"only the confirmation comes", false, onlyConfirmed},
		{"only the messages are lost", false, noMessages},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, e *env) {
				e.untold(func() *holdfast.Locker {
					r := &radio{refuse: how.refuse}
					if how.hears != nil {
						r.set(how.hears)
					}
					l, _ := e.tuned(r, nil)
					return l
				})
			})
		})
	}
	t.Run("no right to the channel", func(t *testing.T) {
		t.Parallel()
		onReal(t, func(t *testing.T, e *env) {
			e.untold(func() *holdfast.Locker {
				l := holdfast.New(e.as("~*", "+@all", "resetchannels"))
				t.Cleanup(func() { _ = l.Close() })
				return l
			})
		})
	})
}

// untold lets five processes of three goroutines each hold a lock several times.
func (e *env) untold(locker func() *holdfast.Locker) {
	const processes, goroutines, holds = 5, 3, 3
	var ts turns
	var runs []func() error
	for range processes {
		mu := locker().Mutex("untold")
		for range goroutines {
			runs = append(runs, func() error {
				for range holds {
					if err := ts.hold(e.ctx(), mu, 10*time.Millisecond); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	start := time.Now()
	atOnce(e.t, runs)
	e.t.Logf("%d holds within %v, idle for %v at most", ts.n, time.Since(start), ts.idle)
	if ts.n != len(runs)*holds {
		e.t.Errorf("%d holds, not %d", ts.n, len(runs)*holds)
	}
	if ts.idle > longestIdle {
		e.t.Errorf("the lock lay idle for %v", ts.idle)
	}
}

// race is one waiter that gives up at about the time at which the holder gives the lock
// back, again and again. All requests and messages take a random time.
type race struct {
	*chaos
	holders, waiters, thirds *holdfast.Locker
	// wait waits for the lock for d, and then fails with want.
	wait func(mu *holdfast.Mutex, d time.Duration) (s *holdfast.Session, cancel func(), err error)
	want error
	got  int
}

const (
	spread  = 8 * time.Millisecond // in which all of it happens
	latency = 3 * time.Millisecond // each way, at most
	// settled is when it is all over: far less than the claim's TTL.
	settled = 200 * time.Millisecond
)

func (e *env) race(seed uint64) *race {
	r := &race{chaos: &chaos{e: e, rng: rand.New(rand.NewPCG(seed, 2))}}
	locker := func() *holdfast.Locker {
		p, ears := &tap{}, &radio{}
		p.setDeliver(func(_ call, send func() error) error {
			time.Sleep(r.upTo(latency))
			defer func() { time.Sleep(r.upTo(latency)) }()
			return send()
		})
		ears.set(late(func() time.Duration { return r.upTo(latency) }))
		l, _ := e.tuned(ears, p)
		return l
	}
	r.holders, r.waiters, r.thirds = locker(), locker(), locker()
	e.load()
	return r
}

// hold is a call that is not given up: it must get the lock, and gives it back.
func (r *race) hold(l *holdfast.Locker, name string) error {
	s, err := l.Mutex(name).Acquire(r.e.ctx())
	if err != nil {
		return err
	}
	return errors.Join(lease{name, s}.sound(r.e), s.Release(r.e.ctx()))
}

// giveUp is the call that may be given up.
func (r *race) giveUp(name string) error {
	s, cancel, err := r.wait(r.waiters.Mutex(name), r.upTo(spread))
	defer cancel()
	switch {
	case err == nil:
		r.mu.Lock()
		r.got++
		r.mu.Unlock()
		return errors.Join(lease{name, s}.sound(r.e), s.Release(r.e.ctx()))
	case !errors.Is(err, r.want):
		return fmt.Errorf("it was given up with %w", err)
	}
	return nil
}

// run runs one race. Some have a second goroutine in the waiter's process, which goes on
// in its place, and some another process in the queue.
func (r *race) run(name string) error {
	holder, err := r.holders.Mutex(name).Acquire(r.e.ctx())
	if err != nil {
		return err
	}
	runs := []func() error{func() error { return r.giveUp(name) }}
	for _, l := range []*holdfast.Locker{r.waiters, r.thirds} {
		if r.below(3) == 0 {
			runs = append(runs, func() error { return r.hold(l, name) })
		}
	}
	results := make(chan error, len(runs))
	for _, run := range runs {
		delay := r.upTo(spread / 4)
		go func() { time.Sleep(delay); results <- run() }()
	}
	time.Sleep(r.upTo(spread))
	if err := holder.Release(r.e.ctx()); err != nil {
		return err
	}
	start := time.Now()
	for range runs {
		if err := <-results; err != nil {
			return err
		}
	}
	for time.Since(start) < settled {
		s, err := r.thirds.Mutex(name).TryAcquire(r.e.ctx())
		if errors.Is(err, holdfast.ErrHeld) {
			time.Sleep(latency)
			continue
		}
		if err != nil {
			return err
		}
		if err := s.Release(r.e.ctx()); err != nil {
			return err
		}
		time.Sleep(4 * latency) // what was under way has arrived, and was taken back
		for _, key := range []string{name, queueOf(name)} {
			if r.e.fake.M.Exists(key) {
				return fmt.Errorf("%s is left behind", key)
			}
		}
		return nil
	}
	return fmt.Errorf("the lock was not free within %v: it took %v", settled, time.Since(start))
}

// raced runs all the races.
func raced(t *testing.T, prepare func(r *race)) {
	const bubbles = 8
	for seed := range uint64(bubbles) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, e *env) {
				r := e.race(seed)
				prepare(r)
				wrong := 0
				for i := range races / bubbles {
					if err := r.run(fmt.Sprint("race", i)); err != nil {
						t.Errorf("race %d: %v", i, err)
						if wrong++; wrong > 3 {
							return
						}
					}
				}
				t.Logf("%d of %d got the lock", r.got, races/bubbles)
				if r.got == 0 || r.got == races/bubbles {
					t.Error("it was no race")
				}
			})
		})
	}
}

// TestWaitingCancelled: a wait that is cancelled while the lock is being handed to it ends
// with the lock or without it, and if without, nothing is left: the next one gets the
// lock, long before a claim is over.
func TestWaitingCancelled(t *testing.T) {
	raced(t, func(r *race) {
		r.want = context.Canceled
		r.wait = func(mu *holdfast.Mutex, d time.Duration) (*holdfast.Session, func(), error) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(d, cancel)
			s, err := mu.Acquire(ctx)
			return s, cancel, err
		}
	})
}

// TestWaitingTimedOut: likewise with a wait timeout, and what is acquired then lasts.
func TestWaitingTimedOut(t *testing.T) {
	raced(t, func(r *race) {
		r.want = holdfast.ErrWaitTimeout
		r.wait = func(mu *holdfast.Mutex, d time.Duration) (*holdfast.Session, func(), error) {
			s, err := mu.Acquire(r.e.ctx(), holdfast.WithWaitTimeout(d))
			if err == nil && s.Err() != nil {
				err = fmt.Errorf("the session is over: %w", s.Err())
			}
			return s, func() {}, err
		}
	})
}

// TestWaitingLateGrant: a grant whose message arrives when the claim is nearly over, or
// over, never becomes a session that trusts a key which is not there for as long.
func TestWaitingLateGrant(t *testing.T) {
	for seed, ttl := range []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, e *env) {
				l := e.lateness(uint64(seed), ttl)
				var runs []func() error
				for range 4 {
					mu := l.locker().Mutex("late")
					runs = append(runs, func() error { return l.work(mu) }, func() error { return l.work(mu) })
				}
				atOnce(t, runs)
				t.Logf("%d acquisitions, %d soon after a message, idle for %v at most", l.n, l.heard.Load(), l.idle)
			})
		})
	}
}

// lateness is a network that is late with messages, and now and then with the rest.
type lateness struct {
	*chaos
	turns
	claim time.Duration
	heard atomic.Int64
	told  sync.Map // mutexes' last message
}

func (e *env) lateness(seed uint64, ttl time.Duration) *lateness {
	e.load()
	return &lateness{
		chaos: &chaos{e: e, ttl: ttl, rng: rand.New(rand.NewPCG(seed, 3))},
		claim: min(ttl, claimOf10s),
	}
}

func (l *lateness) locker() *holdfast.Locker {
	p, ears := &tap{}, &radio{}
	p.setDeliver(func(_ call, send func() error) error {
		there, back := l.upTo(latency), l.upTo(latency)
		switch l.below(6) {
		case 0:
			there = l.upTo(l.claim * 3 / 2)
		case 1:
			back = l.upTo(l.claim * 3 / 2)
		}
		time.Sleep(there)
		defer time.Sleep(back)
		return send()
	})
	ears.set(late(func() time.Duration {
		if l.below(2) == 0 {
			return l.claim*3/4 + l.upTo(l.claim/2) // around the claim
		}
		return l.upTo(l.claim)
	}))
	locks, _ := l.e.tuned(ears, p, holdfast.WithTTL(l.ttl))
	return locks
}

// work acquires the lock until it was acquired often enough in all.
func (l *lateness) work(mu *holdfast.Mutex) error {
	for {
		l.turns.mu.Lock()
		n := l.n
		l.turns.mu.Unlock()
		if n >= races/4 {
			return nil
		}
		ctx, cancel := context.WithCancel(l.e.ctx0())
		s, err := mu.Acquire(ctx)
		if err != nil {
			cancel()
			return err
		}
		err = errors.Join(lease{mu.Name(), s}.sound(l.e), l.take(s))
		time.Sleep(l.upTo(l.claim / 20))
		err = errors.Join(err, lease{mu.Name(), s}.sound(l.e))
		l.freed()
		if l.below(50) == 0 {
			cancel() // the holder dies: the lock expires
		} else {
			_ = s.Release(ctx) // it may have been lost meanwhile
			cancel()
		}
		if err != nil {
			return err
		}
	}
}

// ctx0 is a context without an end.
func (e *env) ctx0() context.Context { return context.Background() }

// disturbance is what happens to a Redis at which many wait.
type disturbance struct {
	name  string
	frees bool // the lock is lost by it
	do    func(e *env, ears []*radio, links []redistest.Link)
}

var disturbances = []disturbance{
	{name: "none", do: func(*env, []*radio, []redistest.Link) {}},
	{name: "CLIENT KILL TYPE pubsub", do: func(e *env, _ []*radio, _ []redistest.Link) {
		e.must(e.direct.Do(e.ctx(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	}},
	{name: "SCRIPT FLUSH", do: func(e *env, _ []*radio, _ []redistest.Link) {
		e.must(e.direct.ScriptFlush(e.ctx()).Err())
	}},
	{name: "FLUSHALL", frees: true, do: func(e *env, _ []*radio, _ []redistest.Link) {
		e.must(e.direct.FlushAll(e.ctx()).Err())
	}},
	{name: "restart without persistence", frees: true, do: func(e *env, _ []*radio, _ []redistest.Link) {
		e.server.Restart()
	}},
	{name: "subscriptions in a black hole", do: func(_ *env, ears []*radio, _ []redistest.Link) {
		for _, r := range ears {
			r.set(nothing)
		}
	}},
	{name: "first waiter in a black hole", do: func(_ *env, _ []*radio, links []redistest.Link) {
		links[0].Cut()
		time.AfterFunc(4*time.Second, links[0].Heal)
	}},
}

// TestWaitingDisturbed: whatever happens to connections, scripts and data while many wait,
// all of them get the lock once it is given back, or lost, and it does not lie idle.
func TestWaitingDisturbed(t *testing.T) {
	const waiters, most = 4, claimOf10s + 2*time.Second
	for _, d := range disturbances {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			onReal(t, func(t *testing.T, e *env) {
				var ts turns
				holders := e.locker()
				holder := e.acquire(holders.Mutex("disturbed"))
				var ears []*radio
				var links []redistest.Link
				results := make(chan error, waiters)
				for i := range waiters {
					r := &radio{}
					locks, link := e.tuned(r, nil)
					ears, links = append(ears, r), append(links, link)
					mu := locks.Mutex("disturbed")
					go func() { results <- ts.hold(e.ctx(), mu, 20*time.Millisecond) }()
					eventually(t, "one more waits", func() bool { return e.waiting("disturbed") == i+1 })
				}
				d.do(e, ears, links)
				ts.freed()
				if err := holder.Release(e.ctx()); err != nil && !(d.frees && errors.Is(err, holdfast.ErrLost)) {
					t.Error(err)
				}
				for range waiters {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				t.Logf("idle for %v at most", ts.idle)
				if ts.n != waiters || ts.idle > most {
					t.Errorf("%d of %d got the lock; it lay idle for %v", ts.n, waiters, ts.idle)
				}
				eventually(t, "nothing is left", func() bool {
					return e.direct.Exists(e.ctx(), "disturbed", queueOf("disturbed")).Val() == 0
				})
			})
		})
	}
}

// waiting returns how many processes wait for a lock.
func (e *env) waiting(name string) int {
	order := e.direct.HGet(e.ctx(), queueOf(name), "q").Val()
	return len(order) / 36
}

// TestWaitingLeftBehind: waits that were cancelled and names that were used once leave
// neither a goroutine nor, once the fence has expired, a key.
func TestWaitingLeftBehind(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const processes = 20
		e.load()
		holder := e.acquire(e.crowded().Mutex("held"))
		var lockers []*holdfast.Locker
		for range processes {
			l := e.crowded()
			e.must(use1(l.Mutex("warm-up"), e))
			lockers = append(lockers, l)
		}
		synctest.Wait()
		before := runtime.NumGoroutine()
		var runs []func() error
		for i, l := range lockers {
			runs = append(runs, func() error { return leave(l, e, i) })
		}
		atOnce(t, runs)
		if n := e.waiting("held"); n != 0 {
			time.Sleep(time.Second) // what is taken back is so in the background
			if n = e.waiting("held"); n != 0 {
				t.Errorf("%d wait for the lock after all have left", n)
			}
		}
		e.must(holder.Release(e.ctx()))
		time.Sleep(15 * time.Second)
		// Connections of the most that were under way at once may stay open in the pools.
		if n := runtime.NumGoroutine(); n > before+5*processes {
			t.Errorf("there were %d goroutines, and are %d", before, n)
		}
		for _, key := range e.fake.M.Keys() {
			if e.fake.M.TTL(key) <= 0 || e.fake.M.Type(key) == "string" || bytes.Contains([]byte(key), []byte(":q:")) {
				t.Fatalf("%q is left, of type %s, for %v", key, e.fake.M.Type(key), e.fake.M.TTL(key))
			}
		}
		for _, l := range lockers {
			_ = l.Close()
		}
		if stacks := running(); stacks != "" {
			t.Errorf("Close left goroutines:\n%s", stacks)
		}
		time.Sleep(25 * time.Hour)
		if keys := e.keys(); len(keys) > 0 {
			t.Errorf("%d keys are left after a day: %.10q", len(keys), keys)
		}
	})
}

// leave waits in vain and uses new names, many times.
func leave(l *holdfast.Locker, e *env, process int) error {
	const each = leftovers / 20
	for i := range each {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5+1)*time.Millisecond)
		s, err := l.Mutex("held").Acquire(ctx)
		cancel()
		if s != nil || !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("Acquire returned %v, %w", s, err)
		}
		if err := use1(l.Mutex(fmt.Sprint("once", process, "-", i)), e); err != nil {
			return err
		}
	}
	return nil
}

// use1 acquires and releases.
func use1(mu *holdfast.Mutex, e *env) error {
	s, err := mu.Acquire(context.Background())
	if err != nil {
		return err
	}
	return s.Release(context.Background())
}
