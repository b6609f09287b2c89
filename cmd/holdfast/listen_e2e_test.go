//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// listens waits until a command has said where it answers, and returns that.
func (tl *tool) listens() (addr string) {
	tl.t.Helper()
	said := regexp.MustCompile(`(?m)^holdfast: answers HTTP at (127\.0\.0\.1:\d+)$`)
	tl.until("it says where it answers", func() bool {
		if found := said.FindStringSubmatch(tl.err()); found != nil {
			addr = found[1]
		}
		return addr != ""
	})
	return addr
}

// says returns the status of /leader, and what it says.
func (tl *tool) says(addr string) (status int, answer leaderJSON) {
	tl.t.Helper()
	status, _, body := inquire(tl.t, "GET", addr, "/leader")
	if err := json.Unmarshal([]byte(body), &answer); err != nil && status != 0 {
		tl.t.Errorf("/leader: %d, %q: %v", status, body, err)
	}
	if answer.Leads != (status == 200) {
		tl.t.Errorf("/leader: %d, %q", status, body)
	}
	return status, answer
}

// answers waits for /leader to have a status.
func (tl *tool) answers(addr string, want int) {
	tl.t.Helper()
	tl.until(fmt.Sprintf("/leader is %d", want), func() bool {
		status, _ := tl.says(addr)
		return status == want
	})
}

// metric returns one of /metrics, such as `holdfast_losses_total{cause="gone"}`, of the lock a.
func (tl *tool) metric(addr, name string) float64 {
	tl.t.Helper()
	name, label, labelled := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	if name += `{lock="a"`; labelled {
		name += "," + label
	}
	_, _, body := inquire(tl.t, "GET", addr, "/metrics")
	for line := range strings.Lines(body) {
		if text, is := strings.CutPrefix(line, name+"} "); is {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				tl.t.Errorf("%q: %v", line, err)
			}
			return value
		}
	}
	tl.t.Errorf("there is no %s in %s", name, body)
	return -1
}

func (tl *tool) wantMetrics(addr string, want map[string]float64) {
	tl.t.Helper()
	for name, value := range want {
		if got := tl.metric(addr, name); got != value {
			tl.t.Errorf("%s is %v; want %v", name, got, value)
		}
	}
}

// TestListen: of two, one says that it leads, and the other who does; after a loss it is 503, and 200 again.
func TestListen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := func(label string) (*tool, string) {
		tl := newTool(t, r.Addr(), "lead", "--listen", "0", "--label", label, "a", "--", "sh", "-c", service).start()
		return tl, tl.listens()
	}
	first, one := start("pod-1")
	first.until("the program runs", func() bool { return begins(first) == 1 })
	second, two := start("pod-2")
	var seen leaderJSON
	second.until("the second knows who leads", func() bool { _, seen = second.says(two); return seen.Label != nil })
	status, mine := first.says(one)
	if status != 200 || *mine.Label != "pod-1" || *mine.Fence != *seen.Fence || *mine.Since != *seen.Since || mine.Name != "a" || *seen.Label != "pod-1" {
		t.Errorf("the first says %+v, the second %+v", mine, seen)
	}
	if since, err := time.Parse(time.RFC3339Nano, *mine.Since); err != nil || time.Since(since).Abs() > time.Minute {
		t.Errorf("since %q, %v", *mine.Since, err)
	}
	for tl, addr := range map[*tool]string{first: one, second: two} {
		if status, _, body := inquire(t, "GET", addr, "/healthz"); status != 200 || body != "ok\n" {
			t.Errorf("/healthz: %d, %q", status, body)
		}
		leads := 0.0
		if tl == first {
			leads = 1
		}
		tl.wantMetrics(addr, map[string]float64{
			"holdfast_leads": leads, "holdfast_waiting": 1 - leads, "holdfast_terms_total": leads,
			"holdfast_fence": leads * float64(*mine.Fence), "holdfast_program_starts_total": leads,
			`holdfast_losses_total{cause="force_released"}`: 0, `holdfast_program_exits_total{result="stopped"}`: 0,
		})
		if left := tl.metric(addr, "holdfast_lease_remaining_seconds"); left < 0 || left > 15 || (left > 0) != (leads > 0) {
			t.Errorf("%v s are left of the lease", left)
		}
	}
	first.until("it has renewed", func() bool { return first.metric(one, "holdfast_renewals_total") > 0 })

	if err := r.locks.Mutex("a").ForceRelease(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.answers(two, 200)
	first.answers(one, 503)
	first.until("the first knows who leads", func() bool { _, seen := first.says(one); return seen.Label != nil && *seen.Label == "pod-2" })
	first.wantMetrics(one, map[string]float64{
		"holdfast_leads": 0, "holdfast_waiting": 1, "holdfast_terms_total": 1, "holdfast_fence": 0, "holdfast_lease_remaining_seconds": 0,
		`holdfast_losses_total{cause="force_released"}`: 1, `holdfast_program_exits_total{result="stopped"}`: 1,
	})
	led := first.metric(one, "holdfast_led_seconds_total")
	if again := first.metric(one, "holdfast_led_seconds_total"); led <= 0 || again != led {
		t.Errorf("it has led for %v s, and then for %v s", led, again)
	}
	_ = second.cmd.Process.Signal(syscall.SIGTERM)
	second.want(7, "answers HTTP at")
	first.answers(one, 200)
	if more := first.metric(one, "holdfast_led_seconds_total"); more < led {
		t.Errorf("it had led for %v s, and now for %v s", led, more)
	}
}

// TestListenNeverBoth: while the lock goes from one to the other and back, never do two say that they lead, and
// the time for which one has led never goes back.
func TestListenNeverBoth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var tools [2]*tool
	var addrs [2]string
	for i := range tools {
		tools[i] = newTool(t, r.Addr(), "lead", "--listen", "0", "--max-hold", "200ms", "a", "--", "sh", "-c", service).start()
		addrs[i] = tools[i].listens()
	}
	var led [2]float64
	var said [2]int
	tools[0].until("each has said ten times that it leads", func() bool {
		for i := range tools {
			if now := tools[i].metric(addrs[i], "holdfast_led_seconds_total"); now < led[i] {
				t.Errorf("it had led for %v s, and now for %v s", led[i], now)
			} else {
				led[i] = now
			}
		}
		// One that is asked first may have ended since, so it is asked again: if it is the same term, the
		// other was asked within it.
		before, mine := tools[0].says(addrs[0])
		other, theirs := tools[1].says(addrs[1])
		after, again := tools[0].says(addrs[0])
		switch {
		case before == 200 && after == 200 && *mine.Fence == *again.Fence && other == 200:
			t.Errorf("both say that they lead: %d and %d", *mine.Fence, *theirs.Fence)
		case before == 200:
			said[0]++
		case other == 200:
			said[1]++
		}
		return t.Failed() || said[0] >= 10 && said[1] >= 10
	})
}

// TestListenWithoutRedis: 503 before the lease can be another's, 200 of /healthz all the time, and 200 of
// /leader when Redis is back.
func TestListenWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tl := newTool(t, server.Addr(), "lead", "--listen", "0", "--ttl", "2s", "--grace", "200ms", "a", "--", "sh", "-c", service).start()
	addr := tl.listens()
	tl.answers(addr, 200)
	server.Kill()
	tl.answers(addr, 503)
	if _, answer := tl.says(addr); answer.Label != nil || answer.Fence != nil || answer.Since != nil {
		t.Errorf("it says who leads: %+v", answer)
	}
	tl.until("it counts a try", func() bool { return tl.metric(addr, "holdfast_campaign_failures_total") > 0 })
	if status, _, body := inquire(t, "GET", addr, "/healthz"); status != 200 {
		t.Errorf("/healthz: %d, %q", status, body)
	}
	tl.wantMetrics(addr, map[string]float64{
		"holdfast_leads": 0, "holdfast_waiting": 1, "holdfast_terms_total": 1,
		`holdfast_losses_total{cause="expired"}`: 1, `holdfast_program_exits_total{result="stopped"}`: 1,
	})
	if n := tl.metric(addr, "holdfast_renewal_failures_total"); n < 1 {
		t.Errorf("%v renewals failed", n)
	}
	server.Restart()
	tl.until("the program runs again", func() bool { return tl.metric(addr, "holdfast_program_starts_total") == 2 })
	tl.answers(addr, 200)
	tl.wantMetrics(addr, map[string]float64{"holdfast_leads": 1, "holdfast_waiting": 0, "holdfast_terms_total": 2, "holdfast_program_starts_total": 2})
}

// TestListenUntilTheEnd: it answers while the program ends after SIGTERM, and leads as long; then the port is free.
func TestListenUntilTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "--listen", "0", "a", "--", "sh", "-c",
		`trap 'echo TERM; read line; exit 0' TERM; echo begin; while :; do sleep 0.01; done`).start()
	addr := tl.listens()
	tl.until("it leads", func() bool { return begins(tl) == 1 })
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	tl.until("the program is about to end", func() bool { return strings.Contains(tl.out(), "TERM") })
	if status, _ := tl.says(addr); status != 200 || !r.held(t, "a") {
		t.Errorf("/leader: %d; held %v", status, r.held(t, "a"))
	}
	tl.stdin.Close()
	tl.want(0, "answers HTTP at")
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// TestListenAfterTheProgram: while lead rests, it neither leads nor waits, and how the program ended is counted.
func TestListenAfterTheProgram(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "--listen", "0", "--backoff", "40s", "a", "--", "sh", "-c", "exit 3").start()
	addr := tl.listens()
	tl.until("it rests", func() bool { return strings.Contains(tl.err(), "campaigns again in ") })
	if status, answer := tl.says(addr); status != 503 || answer.Label != nil {
		t.Errorf("/leader: %d, %+v", status, answer)
	}
	tl.wantMetrics(addr, map[string]float64{
		"holdfast_leads": 0, "holdfast_waiting": 0, "holdfast_terms_total": 1, "holdfast_program_starts_total": 1,
		`holdfast_program_exits_total{result="failure"}`: 1, `holdfast_losses_total{cause="other"}`: 0,
	})
}

// TestListenNameOfAnyBytes: the name of a lock that is no UTF-8 is told whole.
func TestListenNameOfAnyBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "lead", "--listen", "0", "a\"\xff", "--", "sh", "-c", service).start()
	addr := tl.listens()
	tl.answers(addr, 200)
	if _, answer := tl.says(addr); answer.Name != "a\"�" || answer.NameBase64 != "YSL/" {
		t.Errorf("%+v", answer)
	}
	if _, _, body := inquire(t, "GET", addr, "/metrics"); !strings.Contains(body, "\nholdfast_leads{lock=\"a\\\"\\\\xff\"} 1\n") {
		t.Error(body)
	}
}

// TestListenRefused: where it can't listen, nothing is taken in Redis, and no program is started.
func TestListenRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, c := range []struct {
		listen, stderr string
		status         int
	}{
		{"", `--listen "" is neither HOST:PORT nor PORT`, statusUsage},
		{"no-port", `--listen "no-port" is neither HOST:PORT nor PORT`, statusUsage},
		{port, "--listen: no answers can be given at 127.0.0.1:" + port + ": bind: address already in use", statusFailed},
		{"192.0.2.1:0", "--listen: no answers can be given at 192.0.2.1:0: bind: ", statusFailed},
	} {
		tl := newTool(t, r.Addr(), "lead", "--listen", c.listen, "a", "--", "echo", "begin").start()
		tl.want(c.status, c.stderr)
		if tl.out() != "" {
			t.Errorf("--listen %q: it ran %q", c.listen, tl.out())
		}
	}
	if keys := r.client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("there are keys: %q", keys)
	}
}

// TestNotListening: without --listen nobody asks who leads, and nothing is told of it.
func TestNotListening(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "a", holdfast.WithTTL(time.Minute))
	tl := newTool(t, r.Addr(), "lead", "a", "--", "true").start()
	tl.until("it waits", func() bool { return waiters(t, r, "a") == 1 })
	_ = tl.cmd.Process.Signal(syscall.SIGTERM)
	tl.want(143, "")
}
