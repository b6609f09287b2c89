//go:build unix

package main

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// tlsRig is a server with a plain port and one for TLS, which wants a certificate of its clients.
type tlsRig struct {
	plain, tls string // addresses, by the name localhost
	cert, key  string
}

func newTLSRig(t *testing.T, args ...string) *tlsRig {
	t.Helper()
	dir := t.TempDir()
	r := &tlsRig{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	certify(t, r.cert, r.key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	server := redistest.Start(t, append([]string{"--tls-port", port, "--tls-cert-file", r.cert, "--tls-key-file", r.key,
		"--tls-ca-cert-file", r.cert, "--tls-auth-clients", "yes"}, args...)...)
	_, plain, _ := net.SplitHostPort(server.Addr())
	r.plain, r.tls = "localhost:"+plain, "localhost:"+port
	return r
}

// TestClientCertificate: a server that wants a certificate of its clients is given one.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--tls-protocols", "TLSv1.2"}} {
		r := newTLSRig(t, args...)
		url := "rediss://" + r.tls
		ca, pair := []string{"--tls-ca", r.cert}, []string{"--tls-cert", r.cert, "--tls-key", r.key}
		run := func(flags ...[]string) *tool {
			all := []string{"run", "--redis", url}
			for _, f := range flags {
				all = append(all, f...)
			}
			return newTool(t, "-", append(all, "a", "--", "true")...)
		}
		run(ca, pair).start().want(0, "")
		newTool(t, "-", append(append([]string{"ls", "--redis", url}, ca...), pair...)...).start().want(0, "no such lock")
		byEnvironment := newTool(t, "-", "run", "--redis", url, "a", "--", "env")
		byEnvironment.cmd.Env = append(byEnvironment.cmd.Env, envTLSCA+"="+r.cert, envTLSCert+"="+r.cert, envTLSKey+"="+r.key)
		byEnvironment.start().want(0, "")
		if strings.Contains(byEnvironment.out(), "HOLDFAST_TLS") {
			t.Errorf("the program's environment: %s", byEnvironment.out())
		}

		// The server's alert may be lost, if it closes the connection while something is being written.
		run(ca).start().want(statusUnavailable, "--tls-cert")
		run(pair).start().want(statusUnavailable, "--tls-ca FILE says which authority vouches for its certificate")
		strange := newTLSRig(t)
		run(ca, []string{"--tls-cert", strange.cert, "--tls-key", strange.key}).start().want(statusUnavailable, "does not accept the client's certificate")
		url = strings.Replace(url, "localhost", "127.0.0.1", 1)
		run(ca, pair).start().want(statusUnavailable, "the host in the URL must be one that its certificate names")
	}
}

// TestWrongProtocol: TLS to a port without, and none to a port with TLS, are told as such, on each
// kind of deployment.
func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	r := newTLSRig(t)
	for url, want := range map[string]string{
		"rediss://" + r.plain:                 "it does not speak TLS there",
		"rediss-sentinel://" + r.plain + "/m": "it does not speak TLS there",
		"rediss-cluster://" + r.plain:         "it does not speak TLS there",
		"redis://" + r.tls:                    "it speaks TLS: the URL's scheme must be rediss",
		"redis-sentinel://" + r.tls + "/m":    "it speaks TLS: the URL's scheme must be rediss",
		"redis-cluster://" + r.tls:            "it speaks TLS: the URL's scheme must be rediss",
	} {
		start := time.Now()
		tl := newTool(t, "-", "run", "--redis", url, "a", "--", "true").start()
		tl.want(statusUnavailable, want)
		if strings.Contains(tl.err(), "start it") {
			t.Errorf("%s: %s", url, tl.err())
		}
		if took := time.Since(start); took > pingTimeout+3*time.Second {
			t.Errorf("%s: told after %v", url, took)
		}
	}
}

// TestLeadSaysHandshake: lead goes on trying, and says what is wrong.
func TestLeadSaysHandshake(t *testing.T) {
	t.Parallel()
	r := newTLSRig(t)
	tl := newTool(t, "-", "lead", "--redis", "rediss://"+r.tls, "a", "--", "true").start()
	tl.until("it says what to do", func() bool {
		return strings.Contains(tl.err(), "--tls-ca FILE says which authority") && strings.Contains(tl.err(), "it goes on trying")
	})
}

// TestTLSFlagsRefused: files that can't be used are told before anything is tried.
func TestTLSFlagsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, other := filepath.Join(dir, "c"), filepath.Join(dir, "k"), filepath.Join(dir, "o")
	certify(t, cert, key)
	certify(t, filepath.Join(dir, "c2"), other)
	for want, args := range map[string][]string{
		"its scheme must begin with rediss":         {"--redis", "redis://localhost:1", "--tls-ca", cert},
		"belong together: one is missing":           {"--redis", "rediss://localhost:1", "--tls-cert", cert},
		"private key does not match":                {"--redis", "rediss://localhost:1", "--tls-cert", cert, "--tls-key", other},
		"no such file":                              {"--redis", "rediss-cluster://localhost:1", "--tls-cert", cert, "--tls-key", key + "x"},
		"has none in PEM":                           {"--redis", "rediss-sentinel://localhost:1/m", "--tls-ca", key},
		"reading the authorities' certificates: op": {"--redis", "rediss://localhost:1", "--tls-ca", cert + "x"},
	} {
		newTool(t, "-", append(append([]string{"run"}, args...), "a", "--", "true")...).start().want(statusUsage, want)
	}
}

// TestWaitInSeconds: a bare number is seconds, as for flock.
func TestWaitInSeconds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "a")
	start := time.Now()
	newTool(t, r.Addr(), "run", "--wait", "1", "a", "--", "true").start().want(statusConflict, "not acquired within 1s")
	if took := time.Since(start); took < time.Second || took > 10*time.Second {
		t.Errorf("it waited for %v", took)
	}
}
