package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

func TestListenAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"8080":           "127.0.0.1:8080",
		":8080":          "127.0.0.1:8080",
		"0":              "127.0.0.1:0",
		"127.0.0.1:8080": "127.0.0.1:8080",
		"localhost:8080": "localhost:8080",
		"0.0.0.0:8080":   "0.0.0.0:8080",
		"[::]:8080":      "[::]:8080",
		"[::1]:65535":    "[::1]:65535",
	} {
		if got, err := listenAddress(addr); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", addr, got, err, want)
		}
	}
	for _, addr := range []string{"", ":", "http", ":http", "-1", "65536", "localhost", "::1", "[::1]", "::1:8080", "a:b:1", "127.0.0.1:", "0.0.0.0"} {
		got, err := listenAddress(addr)
		var status *statusError
		if !errors.As(err, &status) || status.status != statusUsage || !strings.Contains(err.Error(), fmt.Sprintf("--listen %q is neither", addr)) {
			t.Errorf("%q: %q, %v", addr, got, err)
		}
	}
}

// listening is a listener of a monitor of this test.
func listening(t *testing.T, m *monitor) *listener {
	t.Helper()
	l, err := listen("127.0.0.1:0", m, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// asker keeps no connection: goleak would find it.
var asker = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// inquire returns what a listener at addr answers; status 0 if it does not.
func inquire(t *testing.T, method, addr, path string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := asker.Do(request)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, err.Error()
	}
	return response.StatusCode, response.Header, string(text)
}

func TestListenPathsAndMethods(t *testing.T) {
	l := listening(t, newMonitor("a"))
	for _, c := range []struct {
		method, path string
		status       int
		kind         string
	}{
		{"GET", "/leader", 503, "application/json"},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8"},
		{"GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"},
		{"GET", "/leader?verbose=1", 503, "application/json"},
		{"GET", "/", 404, ""},
		{"GET", "/leader/", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"POST", "/leader", 405, ""},
		{"PUT", "/healthz", 405, ""},
		{"DELETE", "/metrics", 405, ""},
		{"POST", "/", 404, ""},
	} {
		status, header, body := inquire(t, c.method, l.addr(), c.path)
		if status != c.status || c.kind != "" && (header.Get("Content-Type") != c.kind || body == "") {
			t.Errorf("%s %s: %d, %q, %q", c.method, c.path, status, header, body)
		}
		if status == 405 && header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s allows %q", c.method, c.path, header.Get("Allow"))
		}
		if c.method != "GET" || c.kind == "" {
			continue
		}
		if status, header, body := inquire(t, "HEAD", l.addr(), c.path); status != c.status || header.Get("Content-Type") != c.kind || body != "" {
			t.Errorf("HEAD %s: %d, %q, %q", c.path, status, header, body)
		}
	}
}

// TestListenSlowClients: those that say nothing, or one byte at a time, are cut off, and others are
// answered meanwhile.
func TestListenSlowClients(t *testing.T) {
	t.Parallel()
	l := listening(t, newMonitor("a"))
	began := time.Now()
	var slow []net.Conn
	for i := range 20 {
		conn, err := net.Dial("tcp", l.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			fmt.Fprint(conn, "GET /leader HTTP/1.1\r\nHost: a\r\nX-Slow: ")
		}
		slow = append(slow, conn)
	}
	if status, _, _ := inquire(t, "GET", l.addr(), "/healthz"); status != 200 {
		t.Errorf("status %d beside slow clients", status)
	}
	for _, conn := range slow {
		_ = conn.SetReadDeadline(began.Add(requestTime + 20*time.Second))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, io.ErrUnexpectedEOF) || err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("it is not cut off after %v: %v", time.Since(began), err)
		}
	}
	if took := time.Since(began); took < requestTime/2 {
		t.Errorf("cut off after %v, which is too soon for a slow network", took)
	}
}

// TestListenLargeRequest: a request whose head has no end is refused.
func TestListenLargeRequest(t *testing.T) {
	l := listening(t, newMonitor("a"))
	conn, err := net.Dial("tcp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET /leader HTTP/1.1\r\nHost: a\r\nX-Large: %s", strings.Repeat("x", mostHeader+(8<<10)))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", response, err)
	}
}

// TestListenMany: connections that are too many are closed, and when the others have gone it answers again.
func TestListenMany(t *testing.T) {
	l := listening(t, newMonitor("a"))
	var open []net.Conn
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	for range mostOpen {
		open = append(open, dial())
	}
	more := dial()
	_ = more.SetDeadline(time.Now().Add(requestTime / 2)) // sooner than what says nothing is closed
	if _, err := more.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more than %d is open: %v", mostOpen, err)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	locktest.Eventually(t, "it answers", func() bool {
		response, err := http.Get("http://" + l.addr() + "/healthz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestListenEnds: close ends idle connections, and leaves no goroutine: see TestMain.
func TestListenEnds(t *testing.T) {
	l := listening(t, newMonitor("a"))
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	response, err := kept.Get("http://" + l.addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	l.close()
	if conn, err := net.Dial("tcp", l.addr()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

// TestHealthOfWhatCantBeKilled: the program of a monitor was killed, and does not end.
func TestHealthOfWhatCantBeKilled(t *testing.T) {
	m := newMonitor("a")
	m.programStarts()
	m.programKilled()
	if status, body := m.health(); status != 200 {
		t.Errorf("at once: %d, %q", status, body)
	}
	m.change(func() { m.killed = m.killed.Add(-clearTime - 2*time.Second) })
	if status, body := m.health(); status != 503 || !strings.HasPrefix(body, "the program was killed 7s ago") {
		t.Errorf("after 7s: %d, %q", status, body)
	}
	m.programEnds(137, true)
	if status, body := m.health(); status != 200 {
		t.Errorf("when it has ended: %d, %q", status, body)
	}
}

// TestMetricText: names and values of any bytes, as the format has them.
func TestMetricText(t *testing.T) {
	var out bytes.Buffer
	for _, lock := range []string{"a", "a\"b\\c\nd", "é�\xff\xfe!"} {
		var text strings.Builder
		metric{"holdfast_x_total", counter, "A \\ and\na line.", []sample{{value: 1.5}, {"cause", "a\"b", 1e16}}}.write(&text, lock)
		out.WriteString(text.String())
	}
	head := "# HELP holdfast_x_total A \\\\ and\\na line.\n# TYPE holdfast_x_total counter\n"
	want := ""
	for _, lock := range []string{`a`, `a\"b\\c\nd`, `é�\\xff\\xfe!`} {
		want += head + `holdfast_x_total{lock="` + lock + "\"} 1.5\n" + `holdfast_x_total{lock="` + lock + `",cause="a\"b"} 1e+16` + "\n"
	}
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

// TestMetricsAreDocumented: docs/command.md lists the metrics and their kinds.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	found := func(pattern, text string) (all []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, match[1]+" "+match[2])
		}
		return all
	}
	_, body := newMonitor("a").metrics()
	have, documented := found(`(?m)^# TYPE (\w+) (\w+)$`, body), found("(?m)^\\| `(holdfast_\\w+)` \\| (\\w+) \\|", string(page))
	if !slices.Equal(have, documented) {
		t.Errorf("there are\n%q\nand documented are\n%q", have, documented)
	}
}

// TestLossCauses: each loss of the library is counted by a cause of its own.
func TestLossCauses(t *testing.T) {
	m := newMonitor("a")
	for _, err := range []error{holdfast.ErrExpired, holdfast.ErrTaken, holdfast.ErrGone, holdfast.ErrForceReleased, holdfast.ErrSuspended, holdfast.ErrLost, io.EOF} {
		m.ended(fmt.Errorf("hold: %w", err))
	}
	m.ended(holdfast.ErrMaxHold)
	m.ended(nil)
	_, body := m.metrics()
	for cause, n := range map[string]int{"expired": 1, "taken": 1, "gone": 1, "force_released": 1, "suspended": 1, "other": 2} {
		if want := fmt.Sprintf("holdfast_losses_total{lock=\"a\",cause=%q} %d\n", cause, n); !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
}
