//go:build unix

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// checked runs check --json and returns its findings by name.
func checked(t *testing.T, status int, addr string, env ...string) map[string]finding {
	t.Helper()
	found := make(map[string]finding)
	for _, f := range checkedAll(t, status, append([]string{envURL + "=redis://" + addr}, env...)...) {
		found[f.Check] = f
	}
	return found
}

// checkedAll runs check --json and returns its findings.
func checkedAll(t *testing.T, status int, env ...string) []finding {
	t.Helper()
	tl := newTool(t, "", "check", "--json", "--name", "jobs:check")
	tl.cmd.Env = append(tl.cmd.Env, env...)
	tl.start().want(status, "")
	found := decode[[]finding](t, tl.out())
	for _, f := range found {
		if f.Found == "" || f.Means == "" || !slices.Contains([]rating{good, warn, bad, unknown}, f.Verdict) {
			t.Errorf("%+v", f)
		}
	}
	return found
}

func wants(t *testing.T, findings map[string]finding, check string, verdict rating, found string) {
	t.Helper()
	if f := findings[check]; f.Verdict != verdict || !strings.Contains(f.Found, found) {
		t.Errorf("%s: %+v, want %s, %q", check, f, verdict, found)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t, "--maxmemory", "100mb", "--notify-keyspace-events", "Kg$x")
	set := func(pairs ...any) {
		for pair := range slices.Chunk(pairs, 2) {
			if err := r.client.Do(t.Context(), "config", "set", pair[0], pair[1]).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := checked(t, 0, r.Addr())
	wants(t, f, "version", good, r.version(t))
	wants(t, f, "rights", good, "all that are needed as user default")
	wants(t, f, "trial lock", good, "handed over in ")
	wants(t, f, "eviction", good, "maxmemory 100.00M, policy noeviction")
	wants(t, f, "persistence", warn, "none")
	wants(t, f, "replicas", good, "none")
	wants(t, f, "clocks", good, "ours, within ")
	wants(t, f, "notifications", good, "K")
	if _, there := f["commands"]; there {
		t.Errorf("it speaks of commands, and none is missing: %+v", f["commands"])
	}
	if keys := r.client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("it left %q", keys)
	}
	set("maxmemory-policy", "allkeys-lru", "save", "60 1", "notify-keyspace-events", "")
	f = checked(t, statusFailed, r.Addr())
	wants(t, f, "eviction", bad, "policy allkeys-lru")
	wants(t, f, "persistence", warn, "snapshots only: save 60 1")
	wants(t, f, "notifications", good, `""`)
	if means := f["notifications"].Means; !strings.Contains(means, `set it to "Kg$x"`) {
		t.Errorf("it does not say how waiters are told of a stranger's release: %s", means)
	}
	set("maxmemory-policy", "noeviction", "save", "", "appendonly", "yes", "appendfsync", "everysec")
	wants(t, checked(t, 0, r.Addr()), "persistence", warn, "AOF, appendfsync everysec")
	set("appendfsync", "always")
	wants(t, checked(t, 0, r.Addr()), "persistence", good, "AOF, appendfsync always")
	host, port, _ := strings.Cut(r.Addr(), ":")
	replica := redistest.Start(t, "--replicaof", host, port)
	f = checked(t, statusFailed, replica.Addr())
	wants(t, f, "replicas", bad, "this server is a replica of "+r.Addr())
	wants(t, f, "trial lock", bad, "READONLY")
}

// version is what the server is and its own version, as it says in answer to HELLO.
func (r *rig) version(t *testing.T) string {
	t.Helper()
	hello, err := r.client.Do(t.Context(), "hello", "3").Result()
	if err != nil {
		t.Fatal(err)
	}
	says := hello.(map[any]any)
	name := says["server"].(string)
	return strings.ToUpper(name[:1]) + name[1:] + " " + says["version"].(string)
}

func TestCheckForPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tl := newTool(t, r.Addr(), "check").start()
	tl.want(0, "")
	for line := range strings.Lines(tl.out()) {
		if len(line) > screenWidth+1 {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
	if !strings.HasPrefix(tl.out(), "Redis at "+r.Addr()+"\n\nok       version") {
		t.Errorf("%s", tl.out())
	}
}

// TestPassword: it comes from everywhere but the command line, and is nowhere shown.
func TestPassword(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "secret")
	admin := server.Client(func(o *redis.Options) { o.Password = "secret" })
	if err := admin.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/password"
	write(t, file, "secret\nmore\n")
	for _, c := range []struct {
		status int
		stderr string
		args   []string
		env    []string
	}{
		{0, "no such lock", nil, []string{"HOLDFAST_REDIS_PASSWORD=secret"}},
		{0, "no such lock", nil, []string{"REDISCLI_AUTH=secret"}},
		{0, "no such lock", nil, []string{"REDIS_URL=redis://:secret@" + server.Addr()}},
		{0, "no such lock", nil, []string{"HOLDFAST_REDIS_PASSWORD_FILE=" + file}},
		{0, "no such lock", []string{"--password-file", file}, []string{"HOLDFAST_REDIS_PASSWORD=wrong"}},
		{69, "refuses the password, or wants one (NOAUTH", nil, nil},
		{69, "refuses the password, or wants one (WRONGPASS", nil, []string{"HOLDFAST_REDIS_PASSWORD=notsecret"}},
		{64, "--redis holds a password, which ps shows to everybody", []string{"--redis", "redis://:secret@" + server.Addr()}, nil},
		{64, "--redis holds a password", []string{"--redis", "redis://" + server.Addr() + "?password=secret"}, nil},
		{64, "reading the password: open /no/such", []string{"--password-file", "/no/such"}, nil},
		{64, "the first line of /dev/null is empty", []string{"--password-file", "/dev/null"}, nil},
	} {
		tl := newTool(t, server.Addr(), append([]string{"ls"}, c.args...)...)
		tl.cmd.Env = append(tl.cmd.Env, c.env...)
		tl.start().want(c.status, c.stderr)
		if strings.Contains(tl.err()+tl.out(), "secret") {
			t.Errorf("it shows the password: %s", tl.err())
		}
	}
}
