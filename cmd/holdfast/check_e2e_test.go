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
	tl := newTool(t, addr, "check", "--json", "--name", "jobs:check")
	tl.cmd.Env = append(tl.cmd.Env, env...)
	tl.start().want(status, "")
	found := make(map[string]finding)
	for _, f := range decode[[]finding](t, tl.out()) {
		if f.Found == "" || f.Means == "" || !slices.Contains([]rating{good, warn, bad, unknown}, f.Verdict) {
			t.Errorf("%+v", f)
		}
		found[f.Check] = f
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
	wants(t, f, "version", good, "Redis ")
	wants(t, f, "rights", good, "all that are needed as user default")
	wants(t, f, "trial lock", good, "handed over in ")
	wants(t, f, "eviction", good, "maxmemory 100.00M, policy noeviction")
	wants(t, f, "persistence", warn, "none")
	wants(t, f, "replicas", good, "none")
	wants(t, f, "clocks", good, "ours, within ")
	wants(t, f, "notifications", good, "K")
	if keys := r.client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("it left %q", keys)
	}
	set("maxmemory-policy", "allkeys-lru", "save", "60 1", "notify-keyspace-events", "")
	f = checked(t, statusFailed, r.Addr())
	wants(t, f, "eviction", bad, "policy allkeys-lru")
	wants(t, f, "persistence", warn, "snapshots only: save 60 1")
	wants(t, f, "notifications", good, `""`)
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

// TestCheckRights: what is missing is named, and what is not is not.
func TestCheckRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	all := []any{"~jobs:*", "~holdfast:2:*", "&holdfast:2:w:*", "+evalsha", "+eval", "+get", "+mget", "+set", "+del", "+pttl", "+pexpire",
		"+persist", "+hget", "+hset", "+hdel", "+time", "+publish", "+pubsub", "+subscribe", "+unsubscribe", "+ping", "+scan"}
	user := func(without ...any) {
		rights := []any{"acl", "setuser", "worker", "reset", "on", ">secret", "resetchannels"}
		for _, right := range all {
			if !slices.Contains(without, right) {
				rights = append(rights, right)
			}
		}
		if err := r.client.Do(t.Context(), rights...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	look := func(status int) map[string]finding {
		t.Helper()
		return checked(t, status, "worker@"+r.Addr(), envPassword+"=secret")
	}
	user()
	f := look(0)
	wants(t, f, "rights", good, "all that are needed")
	wants(t, f, "trial lock", good, "")
	wants(t, f, "eviction", unknown, "NOPERM")
	wants(t, f, "notifications", unknown, "NOPERM")
	user("+hget", "+publish", "+scan", "~holdfast:2:*")
	wants(t, look(statusFailed), "rights", bad, "missing: +hget +publish +scan ~holdfast:2:*")
	user("~jobs:*")
	wants(t, look(statusFailed), "rights", bad, "missing: ~NAME")
	user("&holdfast:2:w:*")
	wants(t, look(0), "rights", warn, "missing: &holdfast:2:w:*")
	user("+subscribe")
	wants(t, look(0), "rights", warn, "missing: +subscribe")
	user("+scan")
	wants(t, look(0), "rights", warn, "missing: +scan")
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
