package holdfast_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) {
	runChild()
	locktest.Main(m)
}

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

// each runs the test on both: on the fake at once, and on the real server, where it mostly
// waits, together with the other parallel tests. Pauses are as short as real time bears.
func each(t *testing.T, test func(t *testing.T, e *env)) {
	t.Run("fake", func(t *testing.T) { onFake(t, test) })
	t.Parallel()
	t.Run("real", func(t *testing.T) { onReal(t, test) })
}

// eachAlone is each for a test that looks at all goroutines of the process.
func eachAlone(t *testing.T, test func(t *testing.T, e *env)) {
	t.Run("fake", func(t *testing.T) { onFake(t, test) })
	t.Parallel()
	t.Run("real", func(t *testing.T) { onRealAlone(t, test) })
}

// onRealAlone is onReal in a process of its own, so that it can be beside other tests.
func onRealAlone(t *testing.T, test func(t *testing.T, e *env)) {
	const env = "HOLDFAST_TEST_ALONE"
	if os.Getenv(env) == t.Name() {
		onReal(t, test)
		return
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", pattern, "-test.v", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), env+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Fatalf("it did not run:\n%s", out)
	}
}

// short returns d, which is short for a lease, or on a real server five times as long: a busy
// machine must find the time to renew it.
func (e *env) short(d time.Duration) time.Duration {
	if e.server != nil {
		return 5 * d
	}
	return d
}

// noise is what a busy machine may add to a measurement.
func (e *env) noise() time.Duration {
	if e.server != nil {
		return realNoise
	}
	return time.Millisecond
}

// eachSteady is each for a test whose real half, run by onRealSteady or onRealCrowd, would fail if
// the machine stalled. It returns what is wrong.
func eachSteady(t *testing.T, real func(*testing.T, time.Duration, steadyTest), slack time.Duration, test steadyTest) {
	t.Run("fake", func(t *testing.T) {
		onFake(t, func(t *testing.T, e *env) { e.must(test(e, 1)) })
	})
	t.Parallel()
	t.Run("real", func(t *testing.T) { real(t, slack, test) })
}

type steadyTest = func(e *env, pace time.Duration) (wrong error)

// onRealSteady is onReal for such a test. It must bear a machine that is late by slack, and is
// repeated, slower, if that was late: see redistest.Steady.
func onRealSteady(t *testing.T, slack time.Duration, test steadyTest) {
	redistest.Steady(t, slack, func(t *testing.T, pace time.Duration) (wrong error) {
		onReal(t, func(t *testing.T, e *env) { wrong = test(e, pace) })
		return wrong
	})
}

// crowd is held by a test that has many sessions with short leases on a real server, or that
// keeps the processors busy, while others wait: two of these at once would lose leases for want
// of processor time.
var crowd sync.Mutex

// onRealCrowd is onRealSteady for such a test.
func onRealCrowd(t *testing.T, slack time.Duration, test steadyTest) {
	crowd.Lock()
	defer crowd.Unlock()
	onRealSteady(t, slack, test)
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
	locktest.Eventually(t, what, cond)
}
