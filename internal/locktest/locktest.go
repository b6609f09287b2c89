// Package locktest has what the tests of locks share, those of the package holdfast and those in
// internal/e2e.
package locktest

import (
	"context"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Main runs the tests of a package and looks for goroutines that they have left.
func Main(m *testing.M) {
	redis.SetLogger(quiet{})                       // it reports every fault that the tests make
	slog.SetDefault(slog.New(slog.DiscardHandler)) // so do the losses
	// miniredis makes a Lua interpreter for each call of a script: garbage that is cheaper
	// to collect seldom. It is a quarter of the processor time.
	debug.SetGCPercent(400)
	// go-redis's look whether a server is there again ends up to a second after the client is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// BeginEnd ends ctx by end, and returns while the goroutine that does so is still telling what comes from ctx: all
// are many contexts that do, which takes it a while. wait waits for end.
func BeginEnd(ctx context.Context, end func()) (all []context.Context, wait func()) {
	var cancels []context.CancelFunc
	for range 20_000 {
		child, cancel := context.WithCancel(ctx)
		all, cancels = append(all, child), append(cancels, cancel)
	}
	ended := make(chan struct{})
	go func() { end(); close(ended) }() // waited for by wait
	for ctx.Err() == nil {
		runtime.Gosched()
	}
	return all, func() {
		<-ended
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// Eventually waits, in steps, until the condition holds.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 2000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("it did not come to pass that %s", what)
}

// AsPermits reports whether the mutexes of the tests are semaphores of one permit, as HOLDFAST_TEST_PERMITS
// says.
func AsPermits() bool { return os.Getenv("HOLDFAST_TEST_PERMITS") != "" }

// AuxOf is the second key of a lock whose name has no hash tag.
func AuxOf(name string) string { return keyOf("n", "s", name) }

// QueueOf is the third key of a lock whose name has no hash tag.
func QueueOf(name string) string { return keyOf("q", "p", name) }

func keyOf(mutex, permits, name string) string {
	if AsPermits() {
		mutex = permits
	}
	return "holdfast:2:" + mutex + ":{" + name + "}"
}

// Replicated starts a server with n replicas that acknowledge what it writes.
func Replicated(t *testing.T, n int) (master *redistest.Server, replicas []*redistest.Server) {
	t.Helper()
	master = redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr())
	for range n {
		replicas = append(replicas, redistest.Start(t, "--replicaof", host, port))
	}
	client := master.Client()
	Eventually(t, "the replicas are in sync", func() bool {
		info, _ := client.Info(t.Context(), "replication").Result()
		return strings.Count(info, "state=online") == n
	})
	Answering(t, client, n)
	return master, replicas
}

// Answering waits until so many replicas have acknowledged something.
func Answering(t *testing.T, client *redis.Client, n int) {
	t.Helper()
	conn := client.Conn()
	defer conn.Close()
	Eventually(t, "the replicas acknowledge a write", func() bool {
		_ = conn.Set(t.Context(), "warm", 1, time.Minute).Err()
		have, _ := conn.Wait(t.Context(), n, time.Second).Result()
		return int(have) >= n
	})
}
