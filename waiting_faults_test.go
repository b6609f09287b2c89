package holdfast_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// Waiters whose messages, requests or patience fail them.

// How often the races are run, and how many waits and names are left behind in the full
// set. More find more.
const (
	races     = 10_000
	leftovers = 10_000
	leavers   = 20 // processes
)

// rounds returns how many of n rounds are run: a tenth, or a twentieth under the race
// detector, and in the full set without it all.
func rounds(t testing.TB, n int) int {
	return redistest.Rounds(t, n/slowness(), 10/slowness())
}

// slowness is about what the race detector costs, and more.
func slowness() int {
	if redistest.UnderRace() {
		return 20
	}
	return 1
}

// The first waiter asks every third of the claim, and those behind it every two thirds:
// what nobody is told of is found after the claim and such a pause at the latest.
const (
	claimOf10s  = 3 * time.Second // at the default TTL
	longestIdle = claimOf10s + claimOf10s*2/3
)

// queueOf is the third key of a lock whose name has no hash tag.
func queueOf(name string) string { return locktest.QueueOf(name) }

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
	t.Parallel()
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
			if !redistest.KnowsChannels(t, e.direct) {
				redistest.Lacks(t, e.direct, "rights to channels")
			}
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
				wrong, races := 0, rounds(t, races)
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

// TestWaitingTimedOutHeir: a waiter that runs out of time does not take along the place of
// the goroutines that wait with it: the next of them has the lock as soon as it is free,
// before the processes that came later.
func TestWaitingTimedOutHeir(t *testing.T) {
	for _, way := range []string{"timed out", "cancelled"} {
		t.Run(way, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				holder := e.acquire(e.locker().Mutex("heir"))
				mu, later := e.locker().Mutex("heir"), e.locker().Mutex("heir")
				ctx, cancel := context.WithCancel(e.ctx())
				opts := []holdfast.Option{holdfast.WithWaitTimeout(100 * time.Millisecond)}
				if way == "cancelled" {
					opts = nil
					time.AfterFunc(100*time.Millisecond, cancel)
				}
				failed := make(chan error, 1)
				go func() { failed <- second(mu.Acquire(ctx, opts...)) }()
				order := make(chan string, 2)
				var ts turns
				for _, w := range []struct {
					name string
					mu   *holdfast.Mutex
				}{{"heir", mu}, {"later", later}} {
					time.Sleep(10 * time.Millisecond)
					go func() {
						if err := ts.hold(e.ctx(), w.mu, time.Millisecond); err != nil {
							t.Error(err)
						}
						order <- w.name
					}()
				}
				if err := <-failed; err == nil {
					t.Error("it did not fail")
				}
				time.Sleep(10 * time.Millisecond)
				ts.freed()
				e.must(holder.Release(e.ctx()))
				if first, next := <-order, <-order; first != "heir" {
					t.Errorf("%s had the lock before %s", first, next)
				}
				if ts.idle > 0 {
					t.Errorf("the lock lay idle for %v", ts.idle)
				}
				cancel()
			})
		})
	}
}

// TestWaitingLateGrant: a grant whose message arrives when the claim is nearly over, or
// over, never becomes a session that trusts a key which is not there for as long.
func TestWaitingLateGrant(t *testing.T) {
	var holds, byMessage atomic.Int64
	t.Cleanup(func() { // of all TTLs: in one there may be none by chance
		if byMessage.Load() < holds.Load()/100 {
			t.Errorf("hardly any message led to a session: %d of %d", byMessage.Load(), holds.Load())
		}
	})
	for seed, ttl := range []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, e *env) {
				e.load()
				l := &lateness{
					chaos: &chaos{e: e, ttl: ttl, rng: rand.New(rand.NewPCG(uint64(seed), 3))},
					claim: min(ttl, claimOf10s),
				}
				var runs []func() error
				for range 5 {
					w := &lateWorker{lateness: l}
					w.mu = w.locker().Mutex("late")
					runs = append(runs, w.work)
				}
				atOnce(t, runs)
				t.Logf("%d holds, %d by messages", l.n, l.byMessage.Load())
				holds.Add(int64(l.n))
				byMessage.Add(l.byMessage.Load())
			})
		})
	}
}

// lateness is a network that is late with messages, and now and then with the rest.
type lateness struct {
	*chaos
	turns
	claim     time.Duration
	byMessage atomic.Int64
}

// lateWorker is a process at such a network.
type lateWorker struct {
	*lateness
	mu       *holdfast.Mutex
	messages sync.Map // when they came, ns
}

func (w *lateWorker) locker() *holdfast.Locker {
	p, ears := &tap{}, &radio{}
	p.setDeliver(func(_ call, send func() error) error {
		there, back := w.upTo(latency), w.upTo(latency)
		switch w.below(6) {
		case 0:
			there = w.upTo(w.claim * 3 / 2)
		case 1:
			back = w.upTo(w.claim * 3 / 2)
		}
		time.Sleep(there)
		defer time.Sleep(back)
		return send()
	})
	ears.set(late(func() time.Duration {
		lag := w.upTo(w.claim)
		if w.below(2) == 0 {
			lag = w.claim*3/4 + w.upTo(w.claim/2) // around the claim's end
		}
		w.messages.Store(time.Now().Add(lag).UnixNano(), true)
		return lag
	}))
	locks, _ := w.e.tuned(ears, p, holdfast.WithTTL(w.ttl))
	return locks
}

// work holds the lock again and again, until all have held it often enough.
func (w *lateWorker) work() error {
	races := rounds(w.e.t, races)
	for range races {
		w.turns.mu.Lock()
		n := w.n
		w.turns.mu.Unlock()
		if n >= races/4 {
			return nil
		}
		if err := w.hold(); err != nil {
			return err
		}
	}
	return errors.New("too many first tries failed")
}

// hold holds it once. Some holders die: their lock expires.
func (w *lateWorker) hold() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := w.mu.Acquire(ctx)
	if err != nil {
		return nil // the answer to the first try came too late for what it granted
	}
	if _, now := w.messages.Load(time.Now().UnixNano()); now {
		w.byMessage.Add(1)
	}
	l := lease{w.mu.Name(), s}
	err = errors.Join(l.sound(w.e), w.take(s))
	for range 3 {
		time.Sleep(w.upTo(w.claim / 20))
		err = errors.Join(err, l.sound(w.e))
	}
	if w.below(50) > 0 {
		_ = s.Release(ctx) // it may be lost by now
	}
	return err
}

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
	t.Parallel()
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

// TestWaitingLeftBehind: waits that were cancelled and names that were used once leave
// neither a goroutine nor, once the fence has expired, a key.
func TestWaitingLeftBehind(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		lockers := []*holdfast.Locker{e.crowded()}
		holder := e.acquire(lockers[0].Mutex("held"))
		for range leavers {
			l := e.crowded()
			e.must(once(l.Mutex("warm-up")))
			lockers = append(lockers, l)
		}
		synctest.Wait()
		n, before := rounds(t, leftovers), runtime.NumGoroutine()
		var runs []func() error
		for i, l := range lockers[1:] {
			runs = append(runs, func() error { return leave(l, i, n/leavers) })
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
		if n := runtime.NumGoroutine(); n > before+5*leavers {
			t.Errorf("there were %d goroutines, and are %d", before, n)
		}
		for _, key := range e.fake.M.Keys() {
			if ttl := e.fake.M.TTL(key); ttl <= 0 || !strings.HasPrefix(key, strings.TrimSuffix(auxOf(""), "{}")) {
				t.Fatalf("%q is left, for %v", key, ttl)
			}
		}
		for _, l := range lockers {
			_ = l.Close()
		}
		synctest.Wait() // the last of them are about to return
		if stacks := running(); stacks != "" {
			t.Errorf("Close left goroutines:\n%s", stacks)
		}
		time.Sleep(25 * time.Hour)
		if keys := e.keys(); len(keys) > 0 {
			t.Errorf("%d keys are left after a day: %.10q", len(keys), keys)
		}
	})
}

// leave waits in vain and uses new names, so many times.
func leave(l *holdfast.Locker, process, times int) error {
	for i := range times {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5+1)*time.Millisecond)
		s, err := l.Mutex("held").Acquire(ctx)
		cancel()
		if s != nil || !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("Acquire returned %v, %w", s, err)
		}
		if err := once(l.Mutex(fmt.Sprint("once", process, "-", i))); err != nil {
			return err
		}
	}
	return nil
}

func once(mu *holdfast.Mutex) error { return rig.Once(mu) }
