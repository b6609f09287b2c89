package redistest

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RequireEnv, set to 1, makes tests fail instead of skip where a program they
// need is missing.
const RequireEnv = "HOLDFAST_REQUIRE_REDIS"

// ServerEnv names the redis-server that tests start, or another that speaks its protocol, such as
// Valkey's. By default it is the one on PATH.
const ServerEnv = "HOLDFAST_REDIS_SERVER"

// ErrNoRedis is returned by StartShared where redis-server is not installed.
var ErrNoRedis = errors.New("redis-server is not on PATH")

// Program is the path of the redis-server that tests start, or ErrNoRedis.
func Program() (string, error) {
	if path := os.Getenv(ServerEnv); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", ErrNoRedis
	}
	return path, nil
}

// Server is a real redis-server of its own on 127.0.0.1.
type Server struct {
	p *process
	t testing.TB // nil if shared
}

// Start starts a server that keeps nothing on disk unless args say so. It ends
// with the test, and also when the test process is killed.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return startFor(t, "", args, nil)
}

// StartEnv is Start with something added to the environment, as "NAME=value".
func StartEnv(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	return startFor(t, "", args, env)
}

func startFor(t testing.TB, conf string, args, env []string) *Server {
	t.Helper()
	bin, err := Program()
	if err != nil {
		missing(t, err.Error())
	}
	p, err := start(bin, conf, args, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.remove)
	return &Server{p: p, t: t}
}

// StartShared starts a server for many tests, for use in TestMain; the caller
// calls the returned function at the end. Tests take it by For.
func StartShared(args ...string) (*Server, func(), error) {
	bin, err := Program()
	if err != nil {
		return nil, nil, err
	}
	p, err := start(bin, "", args, nil)
	if err != nil {
		return nil, nil, err
	}
	return &Server{p: p}, p.remove, nil
}

// missing skips the test, or fails it where everything must be there.
func missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireEnv) == "1" {
		t.Fatalf("%s, but %s=1", reason, RequireEnv)
	}
	t.Skip(reason)
}

// For returns the same server for use by one test: clients are closed at its
// end.
func (s *Server) For(t testing.TB) *Server { return &Server{p: s.p, t: t} }

// Addr is the server's host:port, the same after Restart.
func (s *Server) Addr() string { return s.p.addr() }

// Dir is the directory of what the server keeps on disk.
func (s *Server) Dir() string { return s.p.dir }

// Pid is the process id of the server started last.
func (s *Server) Pid() int {
	cmd, _ := s.p.current()
	return cmd.Process.Pid
}

// Client returns a client with go-redis's defaults, changed by opts. It is
// closed at the end of the test; that of a shared server by the caller.
func (s *Server) Client(opts ...func(*redis.Options)) *redis.Client {
	return newClient(s.t, &redis.Options{Addr: s.Addr()}, opts)
}

// Stop freezes the server by SIGSTOP: its kernel still accepts connections and
// takes bytes. It returns when the process stands still.
func (s *Server) Stop() { s.check("stop", s.p.pause()) }

// Cont lets a stopped server go on.
func (s *Server) Cont() { s.check("continue", s.p.resume()) }

// Kill ends the server by SIGKILL and waits for it.
func (s *Server) Kill() { s.check("kill", s.p.kill()) }

// Restart starts the server again, killing it first if it runs, on the same
// port and with the same arguments, and waits until it answers.
func (s *Server) Restart() { s.check("restart", s.p.restart()) }

// check fails the test, but lets it run on: the caller may be a goroutine that
// the test has started, which must not call FailNow.
func (s *Server) check(what string, err error) {
	switch {
	case err == nil:
	case s.t == nil:
		panic("redistest: " + what + ": " + err.Error())
	default:
		s.t.Helper()
		s.t.Errorf("redistest: %s: %v", what, err)
	}
}
