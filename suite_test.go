package holdfast_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) {
	runChild()
	redis.SetLogger(quiet{}) // it reports every fault that the tests make
	goleak.VerifyTestMain(m)
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// env is what one test runs against: miniredis on fake time in a bubble, or a real
// server. Each client, and so each Locker, has a link of its own whose faults the test
// controls.
type env struct {
	t      *testing.T
	link   func() (redistest.Link, *redis.Client)
	direct *redis.Client // not through any link, for looking at keys
	fake   *redistest.Fake
	server *redistest.Server
}

// each runs the test on both. Pauses are as short as real time bears.
func each(t *testing.T, test func(t *testing.T, e *env)) {
	t.Run("fake", func(t *testing.T) { onFake(t, test) })
	t.Run("real", func(t *testing.T) { onReal(t, test) })
}

func onFake(t *testing.T, test func(t *testing.T, e *env)) {
	synctest.Test(t, func(t *testing.T) {
		// Runs last: what is stuck in go-redis ends with its own time-outs, a dial that is
		// repeated five times for one.
		t.Cleanup(func() { time.Sleep(30 * time.Second) })
		f := redistest.NewFake(t)
		test(t, &env{
			t: t, fake: f, direct: f.NewLink().Client(),
			link: func() (redistest.Link, *redis.Client) {
				l := f.NewLink()
				return l, l.Client()
			},
		})
	})
}

// onReal runs the test on a server that is started with these arguments.
func onReal(t *testing.T, test func(t *testing.T, e *env), args ...string) {
	s := redistest.Start(t, args...)
	test(t, &env{
		t: t, server: s, direct: s.Client(),
		link: func() (redistest.Link, *redis.Client) {
			p := s.Proxy(t)
			return p, p.Client()
		},
	})
}

// locker returns a Locker with a client of its own: another process, as far as Redis
// can tell. It is closed at the end of the test.
func (e *env) locker(opts ...holdfast.Option) *holdfast.Locker {
	l, _ := e.linked(opts...)
	return l
}

// linked is locker with the link.
func (e *env) linked(opts ...holdfast.Option) (*holdfast.Locker, redistest.Link) {
	link, client := e.link()
	l := holdfast.New(client, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, link
}

// ctx returns a context that ends with the test, or when the test hangs.
func (e *env) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	e.t.Cleanup(cancel)
	return ctx
}

// acquire is Acquire that must succeed.
func (e *env) acquire(mu *holdfast.Mutex, opts ...holdfast.Option) *holdfast.Session {
	e.t.Helper()
	s, err := mu.Acquire(e.ctx(), opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// keys returns every key in Redis.
func (e *env) keys() []string {
	e.t.Helper()
	keys, err := e.direct.Keys(e.ctx(), "*").Result()
	if err != nil {
		e.t.Fatal(err)
	}
	return keys
}

// eventually waits, in steps, until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 2000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("it did not come to pass that %s", what)
}
