//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// wait stands in the queue for a lock, under a label, until the test ends.
func (r *rig) wait(t *testing.T, name, label string, place int) {
	t.Helper()
	tl := newTool(t, r.Addr(), "run", "--label", label, name, "--", "true").start()
	tl.until(label+" waits", func() bool { return waiters(t, r, name) == place })
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	return v
}

func TestLsAndInspect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	newTool(t, r.Addr(), "ls").start().want(0, "holdfast: no such lock is held or waited for\n")
	a := r.hold(t, "jobs:a", holdfast.WithLabel("one\x1b[31m"), holdfast.WithTTL(time.Minute))
	r.hold(t, "jobs:\xff", holdfast.WithLabel("日本"), holdfast.WithoutExpiry())
	r.hold(t, "other", holdfast.WithToken("the-secret-token"))
	r.client.Set(t.Context(), "jobs:python", "a-stranger's-token", time.Minute)
	r.wait(t, "jobs:python", "p", 1)
	r.wait(t, "jobs:a", "first", 1)
	r.wait(t, "jobs:a", "second", 2)
	get := func(args ...string) string {
		tl := newTool(t, r.Addr(), args...).start()
		tl.want(0, "")
		if strings.Contains(tl.out(), "token") || strings.Contains(tl.out(), "\x1b") {
			t.Errorf("%q shows a token or an escape: %q", args, tl.out())
		}
		return tl.out()
	}
	table := regexp.MustCompile(`^NAME +HOLDER +FENCE +HELD +TTL  WAITERS\n` +
		`jobs:a +one\\x1b\[31m +\d{16} +\d+\.\ds  [3456]\d\.\ds        2\n` +
		`jobs:python +\(stranger\) +- +-  [3456]\d\.\ds        1\n` +
		`jobs:\\xff +日本 +\d{16} +\d+\.\ds   none        0\n$`)
	if out := get("ls", "jobs:*"); !table.MatchString(out) {
		t.Errorf("%s", out)
	}
	if out := get("ls"); strings.Count(out, "\n") != 5 {
		t.Errorf("%s", out)
	}
	list := decode[[]lockJSON](t, get("ls", "--json", "jobs:*"))
	if len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	if l := list[0]; l.Name != "jobs:a" || l.State != "held" || *l.Label != "one\x1b[31m" || *l.Fence != a.Fence() || *l.TTL < 30_000 || *l.Since != time.UnixMicro(a.Fence()).UTC().Format(time.RFC3339Nano) || *l.HeldFor <= 0 || l.Waiters != 2 || l.Queue != nil {
		t.Errorf("%+v", l)
	}
	if l := list[1]; l.State != "stranger" || l.Label != nil || l.Fence != nil || l.TTL == nil || l.Since != nil || l.HeldFor != nil {
		t.Errorf("%+v", l)
	}
	if l := list[2]; l.NameBase64 != "am9iczr/" || l.TTL != nil || l.Fence == nil {
		t.Errorf("%+v", l)
	}
	shown := regexp.MustCompile(`^name     jobs:a\nstate    held\nholder   one\\x1b\[31m\nfence    \d{16}\nsince    \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, for \d+\.\ds\nttl      \S+s\nwaiters  2\n +1 +first\n +2 +second\n$`)
	if out := get("inspect", "jobs:a"); !shown.MatchString(out) {
		t.Errorf("%s", out)
	}
	l := decode[lockJSON](t, get("inspect", "--json", "jobs:a"))
	if len(l.Queue) != 2 || l.Queue[0].Label != "first" || l.Queue[1].Label != "second" || l.Queue[0].Alive <= 0 {
		t.Errorf("%+v", l)
	}
	if l := decode[lockJSON](t, get("inspect", "--json", "free")); !reflect.DeepEqual(l, lockJSON{Name: "free", State: "free"}) {
		t.Errorf("%+v", l)
	}
	newTool(t, r.Addr(), "ls", "a", "b").start().want(statusUsage, "quote it from the shell")
	newTool(t, r.Addr(), "inspect").start().want(statusUsage, "holdfast inspect takes NAME, got []")
	newTool(t, "127.0.0.1:1", "ls").start().want(statusUnavailable, "no answer from Redis at 127.0.0.1:1")
}

// TestHeldFor: who has held a lock for so long?
func TestHeldFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hold(t, "jobs:old")
	r.client.Set(t.Context(), "jobs:python", "x", time.Minute)
	r.wait(t, "jobs:python", "p", 1)
	time.Sleep(2 * time.Second)
	r.hold(t, "jobs:new")
	names := func(args ...string) (names []string) {
		tl := newTool(t, r.Addr(), append([]string{"ls", "--json"}, args...)...).start()
		tl.want(0, "")
		for _, l := range decode[[]lockJSON](t, tl.out()) {
			names = append(names, l.Name)
		}
		return names
	}
	if got := names(); len(got) != 3 {
		t.Errorf("all: %q", got)
	}
	if got := names("--held-for", "2s"); !slices.Equal(got, []string{"jobs:old"}) {
		t.Errorf("held for 2s: %q", got)
	}
	if got := names("--held-for", "1h"); got != nil {
		t.Errorf("held for 1h: %q", got)
	}
	newTool(t, r.Addr(), "ls", "--held-for", "1h").start().want(0, "holdfast: no such lock has been held for 1h0m0s\n")
	newTool(t, r.Addr(), "ls", "--held-for", "-1s").start().want(statusUsage, "--held-for -1s is negative")
}

func TestHeldText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 99*time.Second + 940*time.Millisecond: "99.9s", 100 * time.Second: "1m40s", 99*time.Minute + 59*time.Second: "1h39m59s",
		100 * time.Minute: "1h40m", 99*time.Hour + 59*time.Minute: "99h59m", 101 * time.Hour: "4d5h", 1000 * 24 * time.Hour: "1000d0h",
	} {
		if got := heldText(holdfast.Info{Since: time.Unix(1, 0), HeldFor: d}); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := heldText(holdfast.Info{Held: true, Stranger: true}); got != "-" {
		t.Errorf("a stranger: %s", got)
	}
}

// TestJSONSchema: the fields that the help documents are those that are there.
func TestJSONSchema(t *testing.T) {
	for field := range reflect.TypeFor[lockJSON]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !regexp.MustCompile(`(?m)^  ` + name + ` `).MatchString(jsonHelp) {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, part := range []reflect.Type{reflect.TypeFor[waiterJSON](), reflect.TypeFor[holderJSON]()} {
		for field := range part.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !strings.Contains(jsonHelp, `"`+name+`"`) {
				t.Errorf("%s is not documented", name)
			}
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "watch", "--interval", "20ms", "a").start()
	objects := newTool(t, r.Addr(), "watch", "--interval", "20ms", "--json", "a").start()
	sees := func(what string, n int) {
		t.Helper()
		tl.until("it says "+what, func() bool { return strings.Contains(tl.out(), what) })
		objects.until("there is a line more", func() bool { return strings.Count(objects.out(), "\n") >= n })
	}
	sees("  free\n", 1)
	s := r.hold(t, "a", holdfast.WithLabel("one"))
	sees(fmt.Sprintf("  held by one, fence %d, ttl ", s.Fence()), 2)
	r.wait(t, "a", "two", 1)
	sees("; 1 waiting: two\n", 3)
	r.client.Del(t.Context(), "a")
	r.Stop()
	tl.until("it says that Redis does not answer", func() bool { return strings.Contains(tl.out(), "no answer from Redis") })
	r.Cont()
	for _, w := range []*tool{tl, objects} {
		_ = w.cmd.Process.Signal(syscall.SIGINT)
		if status := w.wait(); status != statusInterrupted {
			t.Errorf("status %d", status)
		}
	}
	first := decode[lockJSON](t, objects.out())
	if at, err := time.Parse(time.RFC3339, first.Time); err != nil || time.Since(at) > time.Minute || first.State != "free" {
		t.Errorf("%+v", first)
	}
	newTool(t, r.Addr(), "watch", "--interval", "1ms", "a").start().want(statusUsage, "--interval 1ms is less than 10ms")
}

func TestRelease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.hold(t, "a", holdfast.WithLabel("me"))
	fence := fmt.Sprint(s.Fence())
	for _, c := range []struct {
		status int
		stderr string
		args   []string
	}{
		{statusUsage, "from whom? --fence says it", []string{"a"}},
		{statusUsage, "from whom? --fence says it", []string{"--force", "a"}},
		{statusUsage, "--fence 0 is not positive", []string{"--fence", "0", "a"}},
		{statusUsage, "--fence and --stranger exclude each other", []string{"--fence", fence, "--stranger", "a"}},
		{statusUsage, "there is no terminal to ask at: --yes says", []string{"--fence", fence, "a"}},
		{statusUsage, "there is no terminal to ask at: --yes says", []string{"--stranger", "a"}},
		{statusConflict, "held under another fence: its fence is " + fence + ", not 12", []string{"--fence", "12", "--yes", "a"}},
		{statusConflict, "its fence is " + fence + ", and a stranger has none", []string{"--stranger", "--yes", "a"}},
	} {
		newTool(t, r.Addr(), append([]string{"release"}, c.args...)...).start().want(c.status, c.stderr)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	tl := newTool(t, r.Addr(), "release", "--fence", fence, "--yes", "a").start()
	tl.want(0, "")
	if tl.out() != "taken from me\n" || r.held(t, "a") {
		t.Errorf("%q, held %v", tl.out(), r.held(t, "a"))
	}
	again := newTool(t, r.Addr(), "release", "--force", "--fence", fence, "--yes", "a").start()
	again.want(0, "")
	if again.out() != "it was free already\n" {
		t.Errorf("%q", again.out())
	}
	r.client.Set(t.Context(), "a", "stranger", 0)
	newTool(t, r.Addr(), "release", "--fence", fence, "--yes", "a").start().want(statusConflict, "a stranger's, which has none")
	r.client.HSet(t.Context(), "users", "1", "ada")
	newTool(t, r.Addr(), "release", "--stranger", "--yes", "users").start().want(statusNotALock, `"users" is no lock: there is a key of that name that holds a hash`)
	if !r.held(t, "users") {
		t.Error("data was deleted")
	}
	stranger := newTool(t, r.Addr(), "release", "--stranger", "--yes", "a").start()
	stranger.want(0, "")
	if stranger.out() != "taken from (stranger)\n" || r.held(t, "a") {
		t.Errorf("%q, held %v", stranger.out(), r.held(t, "a"))
	}
}

func TestLookOnCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	url := "redis-cluster://" + strings.Join(c.Addrs(), ",")
	locks := holdfast.New(c.Client())
	defer locks.Close()
	for i := range 10 {
		if _, err := locks.Mutex(fmt.Sprint("c", i)).Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run := newTool(t, "-", "run", "--redis", url, "x", "--", "echo", "ran").start()
	run.want(0, "")
	if _, err := locks.Semaphore("p", 3).Acquire(t.Context(), holdfast.WithLabel("one")); err != nil {
		t.Fatal(err)
	}
	newTool(t, "-", "run", "--redis", url, "--permits", "3", "--weight", "2", "-n", "p", "--", "true").start().want(0, "")
	inspect := newTool(t, "-", "inspect", "--redis", url, "p").start()
	inspect.want(0, "")
	if !strings.Contains(strings.Join(strings.Fields(inspect.out()), " "), "permits 1 of 3 holders 1 1 one 1 permit fence ") {
		t.Errorf("%s", inspect.out())
	}
	ls := newTool(t, "-", "ls", "--redis", url).start()
	ls.want(0, "")
	if strings.Count(ls.out(), "\n") != 12 || run.out() != "ran\n" {
		t.Errorf("%s, %s", ls.out(), run.out())
	}
	check := newTool(t, "-", "check", "--redis", url).start()
	check.want(0, "")
	for _, want := range []string{"state ok, 16384 of 16384 slots served, 3 masters", "(on each of 3 masters)", "3 servers, "} {
		if !strings.Contains(strings.Join(strings.Fields(check.out()), " "), want) {
			t.Errorf("check says no %q:\n%s", want, check.out())
		}
	}
}

func TestLookOnSentinel(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	url := fmt.Sprintf("redis-sentinel://%s/%s?db=0", strings.Join(s.Addrs(), ","), redistest.MasterName)
	run := newTool(t, "-", "run", "--redis", url, "x", "--", "echo", "ran").start()
	run.want(0, "")
	check := newTool(t, "-", "check", "--redis", url).start()
	check.want(0, "")
	for _, want := range []string{"3 of 3 Sentinels answer, master 127.0.0.1:", "2 connected", "3 servers, "} {
		if !strings.Contains(strings.Join(strings.Fields(check.out()), " "), want) {
			t.Errorf("check says no %q:\n%s", want, check.out())
		}
	}
	if run.out() != "ran\n" {
		t.Errorf("%s", run.out())
	}
}
