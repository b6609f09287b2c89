package main

import (
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTargets(t *testing.T) {
	for raw, want := range map[string]redis.Options{
		"redis://h":                       {Addr: "h:6379"},
		"redis://h:1/2":                   {Addr: "h:1", DB: 2},
		"redis://u:p%40%2F@h:1/2":         {Addr: "h:1", DB: 2, Username: "u", Password: "p@/"},
		"redis://u@h:1?password=p%26":     {Addr: "h:1", Username: "u", Password: "p&"},
		"redis://[::1]:7?db=3":            {Addr: "[::1]:7", DB: 3},
		"unix:///run/redis.sock?db=3":     {Addr: "/run/redis.sock", DB: 3, Network: "unix"},
		"unix://u:p@/run/redis.sock?db=3": {Addr: "/run/redis.sock", DB: 3, Network: "unix", Username: "u", Password: "p"},
	} {
		u, err := parseTarget(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		target, err := u.client("")
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		o := target.client.(*redis.Client).Options()
		if o.Addr != want.Addr || o.DB != want.DB || o.Username != want.Username || o.Password != want.Password || want.Network != "" && o.Network != want.Network {
			t.Errorf("%s: %+v", raw, o)
		}
		target.client.Close()
	}
}

func TestTargetsOfMany(t *testing.T) {
	u, err := parseTarget("rediss-cluster://u:p@a:1,b:2?read_timeout=7s")
	if err != nil {
		t.Fatal(err)
	}
	target, err := u.client("")
	if err != nil {
		t.Fatal(err)
	}
	defer target.client.Close()
	c := target.client.(*redis.ClusterClient).Options()
	if strings.Join(c.Addrs, " ") != "a:1 b:2" || c.Username != "u" || c.Password != "p" || c.TLSConfig == nil || c.ReadTimeout.Seconds() != 7 {
		t.Errorf("%+v", c)
	}
	u, err = parseTarget("redis-sentinel://u:p@a:1,b:2/main?db=4")
	if err != nil {
		t.Fatal(err)
	}
	target, err = u.client("s")
	if err != nil {
		t.Fatal(err)
	}
	defer target.client.Close()
	s := target.sentinels
	if strings.Join(s.SentinelAddrs, " ") != "a:1 b:2" || s.MasterName != "main" || s.DB != 4 || s.Username != "u" || s.Password != "p" ||
		s.SentinelPassword != "s" || s.TLSConfig != nil || target.addr != "a:1,b:2 (master main)" {
		t.Errorf("%+v, %s", s, target.addr)
	}
}

func TestTargetsRefused(t *testing.T) {
	for _, raw := range []string{
		"", "h:1", "http://u:secret@h", "redis-:secret://h", "redis-ring://:secret@h", "redis-://secret", "unix-cluster://secret", "redis://:secret@a:1,b:2",
		"redis://:secret@h:port", "redis://:secret%zz@h", "redis://:secret@h/db", "redis://:secret@h?x=%zz", "redis-sentinel://:secret@a:1",
		"redis-sentinel://:secret@a:1/x/y", "redis://:secret@h?bogus=1", "redis-cluster://:secret@h:1,nothing", "redis://:secret@h\x7f",
	} {
		u, err := parseTarget(raw)
		if err == nil {
			_, err = u.client("")
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
