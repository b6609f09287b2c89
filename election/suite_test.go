package election_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// env is what a test runs against: an embedded Redis on fake time, or a server.
type env struct {
	t      *testing.T
	link   func() (redistest.Link, *redis.Client)
	direct *redis.Client
	real   bool
}

func each(t *testing.T, test func(t *testing.T, e *env)) {
	t.Run("fake", func(t *testing.T) { onFake(t, test) })
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		test(t, &env{t: t, direct: s.Client(), real: true, link: func() (redistest.Link, *redis.Client) {
			p := s.Proxy(t)
			return p, p.Client()
		}})
	})
}

func onFake(t *testing.T, test func(t *testing.T, e *env)) {
	redistest.NeedsServer(t)
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // what is stuck in go-redis ends by itself
		f := redistest.NewFake(t)
		test(t, &env{t: t, direct: f.NewLink().Client(), link: func() (redistest.Link, *redis.Client) {
			l := f.NewLink()
			return l, l.Client()
		}})
	})
}

// candidate is one process.
type candidate struct {
	*election.Elector
	mu     *holdfast.Mutex
	link   redistest.Link
	client *redis.Client
	stop   context.CancelFunc // ends its Run
	err    chan error         // what Run returned

	lock sync.Mutex
	seen []election.Leader
}

// candidate returns a process of that label that is ready to run. It observes, if every is not 0.
func (e *env) candidate(label string, every time.Duration, opts ...holdfast.Option) *candidate {
	link, client := e.link()
	ttl := 300 * time.Millisecond
	if e.real {
		ttl *= 3
	}
	locks := holdfast.New(client, append(opts, holdfast.WithLabel(label), holdfast.WithTTL(ttl))...)
	e.t.Cleanup(func() { _ = locks.Close() })
	c := &candidate{mu: locks.Mutex("a"), link: link, client: client, err: make(chan error, 1)}
	conf := election.Config{Interval: every}
	if every != 0 {
		conf.OnNewLeader = c.see
	}
	c.Elector = election.New(c.mu, conf)
	return c
}

func (c *candidate) see(l election.Leader) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.seen = append(c.seen, l)
}

// saw returns the leaders that were reported.
func (c *candidate) saw() []election.Leader {
	c.lock.Lock()
	defer c.lock.Unlock()
	return append([]election.Leader(nil), c.seen...)
}

// run runs it in the background until the test ends.
func (e *env) run(c *candidate, fn func(context.Context) error, opts ...holdfast.Option) {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.err <- c.Run(ctx, fn, opts...)
	}()
	e.t.Cleanup(func() { cancel(); <-done })
}

// lead is a leader's work.
func lead(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}
