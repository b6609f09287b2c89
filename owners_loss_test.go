package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// What ends a session, and how soon, and what does not.

// atOnce runs the functions at the same time and reports their errors.
func atOnce(t *testing.T, runs []func() error) {
	t.Helper()
	if err := errorsOf(runs); err != nil {
		t.Error(err)
	}
}

// errorsOf runs the functions at the same time and returns their errors.
func errorsOf(runs []func() error) error {
	results := make(chan error)
	for _, run := range runs {
		go func() { results <- run() }()
	}
	var all []error
	for range runs {
		all = append(all, <-results)
	}
	return errors.Join(all...)
}

// failures is a logger that counts renewals that failed.
type failures struct {
	slog.Handler
	n atomic.Int64
}

func countFailures() *failures { return &failures{Handler: slog.DiscardHandler} }

func (f *failures) Enabled(context.Context, slog.Level) bool { return true }

func (f *failures) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelInfo {
		f.n.Add(1)
	}
	return nil
}

// TestOwnersTransient: faults that pass while there is time for one more try of the
// renewal don't end the session, whenever they come.
func TestOwnersTransient(t *testing.T) {
	const latency = 50 * time.Millisecond // each way: faults also hit what is under way
	reset := fault{name: "reset", cut: onLink(redistest.Link.Reset), restore: onLink(redistest.Link.Heal)}
	test := func(e *env, ttl, lasts time.Duration) error {
		interval := ttl / 2
		instants := redistest.Rounds(e.t, 40, 2)
		least := instants / 4
		if e.fake == nil { // most tries outlive a fault here: the dial that ends it is another of the same try
			instants, least = 20, 1
		}
		log := countFailures()
		var runs []func() error
		for _, f := range append([]fault{reset}, cutoffs...) {
			if f.all { // it would hit all the others too
				continue
			}
			for i := range instants {
				locks, link := e.linked(holdfast.WithTTL(ttl), holdfast.WithLogger(slog.New(log)))
				at := 2 * interval * time.Duration(2*i+1) / time.Duration(2*instants)
				mu := locks.Mutex(fmt.Sprint(f.name, i))
				runs = append(runs, func() error {
					s, err := mu.Acquire(context.Background())
					if err != nil {
						return err
					}
					link.Delay(latency)
					time.Sleep(at)
					f.cut(e, link)
					time.Sleep(lasts)
					f.restore(e, link)
					time.Sleep(ttl)
					if err := errors.Join(s.Check(e.ctx()), s.Release(e.ctx())); err != nil {
						return fmt.Errorf("%s for %v, %v after the acquisition: %w", f.name, lasts, at, err)
					}
					return nil
				})
			}
		}
		if err := errorsOf(runs); err != nil {
			return err
		}
		if n := int(log.n.Load()); n < least {
			return fmt.Errorf("of the renewals only %d failed: the faults hit nothing", n)
		}
		return nil
	}
	const ttl = 3 * time.Second
	// One or two of the four tries; the client's repeated dials, 100 ms apart, fail too.
	lasts := (ttl - marginOf(ttl) - ttl/2) / 2
	eachSteady(t, onRealCrowd, lasts, func(e *env, pace time.Duration) error { return test(e, ttl*pace, lasts*pace) })
}

// connections is a client's dialer. It gives each connection a link of its own.
type connections struct {
	mu    sync.Mutex
	links []redistest.Link
	fresh []redistest.Link // made beforehand
}

// byConnection returns a Locker on such a client.
func (e *env) byConnection(opts ...holdfast.Option) (*holdfast.Locker, *connections) {
	c := &connections{}
	for range 20 {
		link, _ := e.link()
		c.fresh = append(c.fresh, link)
	}
	dialer := func(o *redis.Options) {
		o.Dialer = c.dial
		o.ReadTimeout = 3 * time.Second // Close waits for it
	}
	var client *redis.Client
	if e.fake != nil {
		client = e.fake.NewLink().Client(dialer)
	} else {
		client = e.server.Client(dialer)
	}
	l := holdfast.New(client, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, c
}

func (c *connections) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	if len(c.fresh) == 0 {
		c.mu.Unlock()
		return nil, errors.New("the test has made too few links")
	}
	link := c.fresh[0]
	c.fresh, c.links = c.fresh[1:], append(c.links, link)
	c.mu.Unlock()
	if p, ok := link.(*redistest.Proxy); ok {
		return new(net.Dialer).DialContext(ctx, "tcp", p.Addr())
	}
	return link.(*redistest.FakeLink).Dial(ctx, network, addr)
}

// all returns the links of the connections so far.
func (c *connections) all() []redistest.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]redistest.Link(nil), c.links...)
}

// TestOwnersStuckConnection: connections that die without a word, as a firewall kills
// them, hold up neither later tries nor the session, which finds a new one each time.
func TestOwnersStuckConnection(t *testing.T) {
	eachSteady(t, onRealSteady, time.Second/2, func(e *env, pace time.Duration) error {
		ttl := time.Second
		if e.fake == nil {
			ttl = pace * 2 * time.Second // of which a busy machine takes a part
		}
		locks, connections := e.byConnection(holdfast.WithTTL(ttl))
		s := e.acquire(locks.Mutex("stuck"))
		for range 4 {
			time.Sleep(ttl * 7 / 10)
			for _, link := range connections.all() {
				link.Cut()
			}
		}
		time.Sleep(ttl)
		if n := len(connections.all()); n < 4 {
			return fmt.Errorf("there were only %d connections", n)
		}
		return errors.Join(s.Check(e.ctx()), s.Release(e.ctx()))
	})
}

// TestOwnersLateAnswer: an answer that comes after the end, good as it may be, changes
// nothing, whatever was asked.
func TestOwnersLateAnswer(t *testing.T) {
	ops := map[string]func(s *holdfast.Session, ctx context.Context) error{
		"renewal":   nil,
		"check":     (*holdfast.Session).Check,
		"reacquire": (*holdfast.Session).Reacquire,
		"extend": func(s *holdfast.Session, ctx context.Context) error {
			return s.Extend(ctx, time.Minute)
		},
		"set": func(s *holdfast.Session, ctx context.Context) error {
			return s.SetTTL(ctx, time.Minute)
		},
	}
	each(t, func(t *testing.T, e *env) {
		ttl := time.Second
		if e.fake == nil {
			ttl = 4 * time.Second // so that a busy machine finds the key within the margin
		}
		e.load()
		var runs []func() error
		for name, op := range ops {
			locks, link := e.linked(holdfast.WithTTL(ttl))
			runs = append(runs, func() error {
				s, err := locks.Mutex(name).Acquire(context.Background())
				if err != nil {
					return err
				}
				link.HoldReplies()
				answer := make(chan error, 1)
				if op != nil {
					go func() { answer <- op(s, context.Background()) }()
				} else {
					answer <- holdfast.ErrLost
				}
				<-s.Done()
				if token := e.tokenIn(name); token != s.Token() {
					return fmt.Errorf("%s: at the end the key holds %q", name, token)
				}
				link.Heal()
				if err := <-answer; !errors.Is(err, holdfast.ErrLost) {
					return fmt.Errorf("%s: the late answer was reported as %v", name, err)
				}
				time.Sleep(ttl / 5)
				if err := s.Err(); !errors.Is(err, holdfast.ErrExpired) {
					return fmt.Errorf("%s: after the late answer Err is %v", name, err)
				}
				if err := s.Check(e.ctx()); !errors.Is(err, holdfast.ErrExpired) {
					return fmt.Errorf("%s: after the late answer Check returns %v", name, err)
				}
				return nil
			})
		}
		atOnce(t, runs)
	})
}

// TestOwnersLateGrant: a waiter whose lock comes with an answer so late that the lease is
// nearly over, asks again before it has a session.
func TestOwnersLateGrant(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const ttl = 2 * time.Second
		e.load()
		holder := e.acquire(e.locker(holdfast.WithTTL(ttl)).Mutex("lock"))
		p := &tap{}
		next := e.wait(e.tapped(p, holdfast.WithTTL(ttl)).Mutex("lock"))
		late := ttl - marginOf(ttl) - 10*time.Millisecond
		var once atomic.Bool
		p.setDeliver(func(c call, send func() error) error {
			err := send()
			if e.fake.M.Exists("lock") && c.script == "acquire" && holder.Err() != nil && once.CompareAndSwap(false, true) {
				time.Sleep(late)
			}
			if c.script == "renew" {
				time.Sleep(20 * time.Millisecond) // longer than would be left
			}
			return err
		})
		e.must(e.direct.Del(e.ctx(), "lock").Err())
		if err := holder.Check(e.ctx()); !errors.Is(err, holdfast.ErrGone) {
			t.Fatal(err)
		}
		s := <-next
		if !once.Load() {
			t.Fatal("the answer was not late")
		}
		time.Sleep(2 * ttl)
		if err := s.Check(e.ctx()); err != nil {
			t.Error(err)
		}
	})
}
