package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestProxyLink(t *testing.T) {
	for _, tt := range linkTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			p := s.Proxy(t)
			tt.run(t, &rig{
				link: p, client: p.Client(quick), direct: s.Client(),
				dial: func() (net.Conn, error) { return net.Dial("tcp", p.Addr()) },
			})
		})
	}
}

// TestProxyServerDown: through a proxy one sees that the server has gone, but
// not through a black hole.
func TestProxyServerDown(t *testing.T) {
	s := Start(t)
	p := s.Proxy(t)
	c := p.Client(quick)
	ctx := context.Background()
	p.Cut()
	errc := make(chan error, 1)
	go func() { errc <- c.Ping(ctx).Err() }()
	s.Kill()
	if err := <-errc; !isTimeout(err) {
		t.Fatalf("want a timeout, got %v", err)
	}
	p.Heal()
	if err := c.Ping(ctx).Err(); err == nil || isTimeout(err) {
		t.Fatalf("want a broken connection, got %v", err)
	}
	s.Restart()
	eventually(t, "back", func() bool { return c.Ping(ctx).Err() == nil })
}

// TestProxyLead: connections that are open stay with the server that they led to, new ones lead to the
// other.
func TestProxyLead(t *testing.T) {
	t.Parallel()
	ctx, a, b := context.Background(), Start(t), Start(t)
	for at, name := range map[*Server]string{a: "a", b: "b"} {
		if err := at.Client().Set(ctx, "name", name, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	p := a.Proxy(t)
	open := p.Client()
	if got := get(open, "name"); got != "a" {
		t.Fatalf("before: %q", got)
	}
	p.Lead(b)
	if got := get(open, "name"); got != "a" {
		t.Errorf("an open connection leads to %q", got)
	}
	if got := get(p.Client(), "name"); got != "b" {
		t.Errorf("a new connection leads to %q", got)
	}
}

func TestServer(t *testing.T) {
	s := Start(t)
	ctx := context.Background()
	c := s.Client(quick)
	if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := c.Ping(ctx).Err(); !isTimeout(err) {
		t.Fatalf("stopped: want a timeout, got %v", err)
	}
	s.Cont()
	eventually(t, "goes on", func() bool { return get(c, "k") == "v" })

	addr, pid := s.Addr(), s.Pid()
	s.Stop()
	s.Kill() // also a stopped one
	s.Kill() // twice is fine
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("killed, but it answers")
	}
	s.Restart()
	if s.Addr() != addr || s.Pid() == pid {
		t.Fatal(s.Addr(), s.Pid())
	}
	eventually(t, "restarted", func() bool { return c.Ping(ctx).Err() == nil })
	if get(c, "k") != "" {
		t.Fatal("it kept data")
	}
	s.Restart() // a running one
	eventually(t, "restarted", func() bool { return c.Ping(ctx).Err() == nil })
}

func TestServerArgs(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "secret")
	ctx := context.Background()
	auth := func(o *redis.Options) { o.Password = "secret" }
	if err := s.Client(auth).Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if got := get(s.Client(auth), "k"); got != "v" {
		t.Fatalf("restart lost the data: %q", got)
	}
}

func TestServerBadArgs(t *testing.T) {
	Start(t).Kill() // skips without redis-server
	_, _, err := StartShared("--no-such-option", "x")
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Fatalf("want the server's message, got %v", err)
	}
}

// TestPortTaken: another server that answers on the port is not taken for ours.
func TestPortTaken(t *testing.T) {
	s := Start(t)
	p := &process{bin: s.p.bin, port: s.p.port, dir: t.TempDir()}
	if err := p.launch(); err != errPortTaken {
		t.Fatalf("want %v, got %v", errPortTaken, err)
	}
}

func TestShared(t *testing.T) {
	s, stop, err := StartShared()
	if err != nil {
		missing(t, err.Error())
	}
	defer stop()
	if err := s.For(t).Client().Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := os.Stat(s.p.dir); !os.IsNotExist(err) {
		t.Fatalf("directory left behind: %v", err)
	}
}

// TestServerOutlivesThread: the parent-death signal must not come when the
// thread that called Start ends.
func TestServerOutlivesThread(t *testing.T) {
	Start(t).Kill() // skips without redis-server
	// Several, because one may be on the main thread, which never ends.
	var servers [3]*Server
	var starts sync.WaitGroup
	for i := range servers {
		starts.Go(func() {
			runtime.LockOSThread() // without unlocking: the thread ends with us
			servers[i] = Start(t)
		})
	}
	starts.Wait()
	time.Sleep(100 * time.Millisecond)
	for _, s := range servers {
		if err := s.Client().Ping(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

const childEnv = "REDISTEST_CHILD"

// TestChild is the program that TestServerDiesWithTest kills.
func TestChild(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("runs only as a child process")
	}
	running, stopped := Start(t), Start(t)
	stopped.Stop()
	fmt.Printf("child %s %s\n", running.Addr(), stopped.Addr())
	time.Sleep(time.Minute)
}

func TestServerDiesWithTest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	Start(t).Kill() // skips without redis-server
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	// A killed child leaves its directories.
	cmd.Env = append(os.Environ(), childEnv+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var addrs []string
	for lines := bufio.NewScanner(out); addrs == nil && lines.Scan(); {
		if list, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			addrs = strings.Fields(list)
		}
	}
	if len(addrs) != 2 {
		t.Fatalf("child started %q", addrs)
	}
	cmd.Process.Kill()
	for _, addr := range addrs {
		eventually(t, "server gone", func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(ServerEnv, "")
	t.Setenv(RequireEnv, "")
	var inner testing.TB
	t.Run("skip", func(t *testing.T) {
		inner = t
		Start(t)
	})
	if !inner.Skipped() {
		t.Fatal("did not skip")
	}
	if _, _, err := StartShared(); err != ErrNoRedis {
		t.Fatal(err)
	}
}

func TestPython(t *testing.T) {
	out, err := exec.Command(Python(t), "-c", "import redis; print('ok')").CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Fatalf("%s: %v", out, err)
	}
}
