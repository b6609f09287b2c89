package holdfast_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

func TestMain(m *testing.M) {
	if locktest.AsPermits() {
		holdfast.MutexesAreSemaphores()
		if err := flag.Set("test.skip", notOfPermits); err != nil {
			panic(err)
		}
	}
	locktest.Main(m)
}

// notOfPermits are the tests that don't concern a semaphore of one permit: of what it does not have, and of
// what is in Redis for a mutex.
const notOfPermits = `^(TestAll|TestDoAll|TestLeadRefused|TestRest)|` + // locks taken together, and at rest
	`^(TestStrangers|TestOtherType|TestAnnounce$|TestResumeWithoutExpiry$|TestMinHold$|TestMinHoldEveryWay$|TestSince$|TestDrainStartsNone$)|` + // strangers and their tokens
	`^(TestForeignReplyToWaiter|TestHostile|TestHostileWaiting|TestScaleLateTouch|TestScaleTouchAfterResume|TestScaleHeld|TestOptionsShared)$|` + // the form of requests
	`^Example`

// env is rig.Env, and what only these tests do with it.
type env struct {
	*rig.Env
	t      *testing.T
	link   func() (redistest.Link, *redis.Client)
	direct *redis.Client
	fake   *redistest.Fake
	server *redistest.Server
}

func wrap(e *rig.Env) *env {
	return &env{Env: e, t: e.T, link: e.Link, direct: e.Direct, fake: e.Fake, server: e.Server}
}

func (e *env) ctx() context.Context                { return e.Ctx() }
func (e *env) short(d time.Duration) time.Duration { return e.Short(d) }
func (e *env) keys() []string                      { return e.Keys() }
func (e *env) waiting(name string) int             { return e.Waiting(name) }

func (e *env) must(err error) {
	e.t.Helper()
	e.Must(err)
}

func (e *env) acquire(mu *holdfast.Mutex, opts ...holdfast.Option) *holdfast.Session {
	e.t.Helper()
	return e.Acquire(mu, opts...)
}

func (e *env) locker(opts ...holdfast.Option) *holdfast.Locker { return e.Locker(opts...) }

func (e *env) linked(opts ...holdfast.Option) (*holdfast.Locker, redistest.Link) {
	return e.Linked(opts...)
}

// each is rig.Each.
func each(t *testing.T, test func(t *testing.T, e *env)) {
	rig.Each(t, func(e *rig.Env) { test(e.T, wrap(e)) })
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

// noise is what a busy machine may add to a measurement.
func (e *env) noise() time.Duration {
	if e.server != nil {
		return realNoise
	}
	return time.Millisecond
}

// atMost returns d, and on a real server also what a machine that stalls may add to it.
func (e *env) atMost(d time.Duration) time.Duration {
	if e.server != nil {
		return d + 5*time.Second
	}
	return d
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
	rig.OnFake(t, func(e *rig.Env) { test(e.T, wrap(e)) })
}

// onReal runs the test on a server that is started with these arguments.
func onReal(t *testing.T, test func(t *testing.T, e *env), args ...string) {
	rig.OnReal(t, func(e *rig.Env) { test(e.T, wrap(e)) }, args...)
}

// eventually waits, in steps, until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	locktest.Eventually(t, what, cond)
}
