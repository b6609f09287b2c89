// Package rig has what one test of Lockers runs against, miniredis on fake time or a real server, for the
// tests of the package holdfast and those in internal/e2e.
package rig

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Env is what one test runs against: miniredis on fake time in a bubble, or a real
// server. Each client, and so each Locker, has a link of its own whose faults the test
// controls.
type Env struct {
	T      *testing.T
	Link   func() (redistest.Link, *redis.Client)
	Direct *redis.Client // not through any link, for looking at keys
	Fake   *redistest.Fake
	Server *redistest.Server
}

// Each runs the test on both: on the fake at once, and on the real server, where it mostly
// waits, together with the other parallel tests. Pauses are as short as real time bears.
func Each(t *testing.T, test func(e *Env)) {
	t.Run("fake", func(t *testing.T) { OnFake(t, test) })
	t.Parallel()
	t.Run("real", func(t *testing.T) { OnReal(t, test) })
}

// OnFake runs the test in a bubble, on miniredis.
func OnFake(t *testing.T, test func(e *Env)) {
	t.Helper()
	redistest.NeedsServer(t)
	synctest.Test(t, func(t *testing.T) {
		// Runs last: what is stuck in go-redis ends with its own time-outs, a dial that is
		// repeated five times for one.
		t.Cleanup(func() { time.Sleep(30 * time.Second) })
		f := redistest.NewFake(t)
		test(&Env{
			T: t, Fake: f, Direct: f.NewLink().Client(),
			Link: func() (redistest.Link, *redis.Client) {
				l := f.NewLink()
				return l, l.Client()
			},
		})
	})
}

// OnReal runs the test on a server that is started with these arguments.
func OnReal(t *testing.T, test func(e *Env), args ...string) {
	s := redistest.Start(t, args...)
	test(&Env{
		T: t, Server: s, Direct: s.Client(),
		Link: func() (redistest.Link, *redis.Client) {
			p := s.Proxy(t)
			return p, p.Client()
		},
	})
}

// Short returns d, which is short for a lease, or on a real server five times as long: a busy
// machine must find the time to renew it.
func (e *Env) Short(d time.Duration) time.Duration {
	if e.Server != nil {
		return 5 * d
	}
	return d
}

// Locker returns a Locker with a client of its own: another process, as far as Redis
// can tell. It is closed at the end of the test.
func (e *Env) Locker(opts ...holdfast.Option) *holdfast.Locker {
	l, _ := e.Linked(opts...)
	return l
}

// Linked is Locker with the link.
func (e *Env) Linked(opts ...holdfast.Option) (*holdfast.Locker, redistest.Link) {
	link, client := e.Link()
	l := holdfast.New(client, opts...)
	e.T.Cleanup(func() { _ = l.Close() })
	return l, link
}

// Ctx returns a context that ends with the test, or when the test hangs.
func (e *Env) Ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	e.T.Cleanup(cancel)
	return ctx
}

// Acquire is Acquire that must succeed.
func (e *Env) Acquire(mu *holdfast.Mutex, opts ...holdfast.Option) *holdfast.Session {
	e.T.Helper()
	s, err := mu.Acquire(e.Ctx(), opts...)
	if err != nil {
		e.T.Fatal(err)
	}
	return s
}

// Keys returns every key in Redis.
func (e *Env) Keys() []string {
	e.T.Helper()
	keys, err := e.Direct.Keys(e.Ctx(), "*").Result()
	if err != nil {
		e.T.Fatal(err)
	}
	return keys
}

// Must demands that there was no error.
func (e *Env) Must(err error) {
	e.T.Helper()
	if err != nil {
		e.T.Fatal(err)
	}
}
