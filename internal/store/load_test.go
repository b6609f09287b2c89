package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// calls returns how often a server ran a command. A subcommand comes after a "|".
func calls(t *testing.T, c redis.UniversalClient, command string) (n int) {
	t.Helper()
	info, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			_, _ = fmt.Sscanf(rest, "%d", &n)
		}
	}
	return n
}

// countsErrors skips a test on a server that does not count its errors by their codes.
func countsErrors(t *testing.T, admin *redis.Client) {
	t.Helper()
	if info := admin.Info(t.Context(), "errorstats").Val(); !strings.Contains(info, "rrorstat") {
		redistest.Lacks(t, admin, "INFO errorstats")
	}
}

// unknowns returns how often a server did not know a script.
func unknowns(t *testing.T, c redis.UniversalClient) (n int) {
	t.Helper()
	info, err := c.Info(t.Context(), "errorstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		_, _ = fmt.Sscanf(line, "errorstat_NOSCRIPT:count=%d", &n)
	}
	return n
}

// pair acquires and releases.
func pair(t *testing.T, s *Store, name string) {
	t.Helper()
	id := NewID(NewLock(Mutex, name), fmt.Sprintf("%036d", time.Now().UnixNano()), "")
	for _, call := range []Call{
		s.Acquire(Attempt{ID: id, TTL: time.Minute}, false), s.Release(id, 0, 0, nil),
	} {
		if s.Do(t.Context(), &call); call.Err != nil || call.Reply.Status != Held {
			t.Fatalf("%+v, %v", call.Reply, call.Err)
		}
	}
}

// TestScriptsStay: a server keeps the scripts also when others send it many of their own.
func TestScriptsStay(t *testing.T) {
	server := redistest.Start(t)
	c := server.Client()
	countsErrors(t, c)
	s := New(c)
	pair(t, s, "a")
	if n := unknowns(t, c); n != 2 {
		t.Errorf("%d scripts were unknown, not 2", n)
	}
	for i := range 600 {
		if err := c.Eval(t.Context(), fmt.Sprint("return ", i), nil).Err(); err != nil {
			t.Fatal(err)
		}
	}
	before := calls(t, c, "eval")
	pair(t, s, "a")
	if n := unknowns(t, c); n != 2 {
		t.Errorf("%d scripts were forgotten", n-2)
	}
	if n := calls(t, c, "eval"); n != before || before != 600 {
		t.Errorf("%d and then %d scripts were sent whole, not 0", before-600, n-before)
	}
}

// TestScriptsUnloadable: without the right to SCRIPT LOAD all works, and it is not asked for
// again.
func TestScriptsUnloadable(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	countsErrors(t, admin)
	err := admin.Do(t.Context(), "ACL", "SETUSER", "guest", "on", ">guest", "~*", "+@all", "-script").Err()
	if err != nil {
		t.Fatal(err)
	}
	s := New(server.Client(func(o *redis.Options) { o.Username, o.Password = "guest", "guest" }))
	pair(t, s, "a")
	if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	pair(t, s, "a")
	if n := calls(t, admin, "eval"); n != 4 {
		t.Errorf("%d scripts were sent whole, not 4", n)
	}
	info, err := admin.Info(t.Context(), "errorstats").Result()
	if err != nil || !strings.Contains(info, "errorstat_NOPERM:count=1") {
		t.Errorf("it asked other than once: %s, %v", info, err)
	}
}

// TestScriptsStayInCluster: each node is sent the scripts that its locks need, once.
func TestScriptsStayInCluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	loads := "script|load"
	if !redistest.Has(t, cluster.Nodes[0].Client(), loads) {
		loads = "script" // before Redis 7 subcommands are not counted
	}
	s := New(cluster.Client())
	for i := range 20 {
		pair(t, s, fmt.Sprint("lock", i))
	}
	for i, node := range cluster.Nodes {
		c := node.Client()
		if n := calls(t, c, "eval"); n != 0 {
			t.Errorf("node %d was sent %d scripts whole", i, n)
		}
		if n := calls(t, c, loads); n != 2 {
			t.Errorf("node %d was told %d scripts, not 2", i, n)
		}
	}
}
