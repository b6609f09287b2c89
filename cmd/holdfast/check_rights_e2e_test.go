//go:build unix

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// enough is what a user needs for everything, by docs/acl.md, at some places.
func enough(t *testing.T, places ...string) (rights []string) {
	t.Helper()
	all := redistest.Rights(t)
	for _, place := range append([]string{"everywhere", "recommended", "WithReplicas", "Locker.List", "Semaphore, RWMutex"}, places...) {
		if len(all[place]) == 0 {
			t.Fatalf("docs/acl.md has no rights for %q", place)
		}
		rights = append(rights, all[place]...)
	}
	for i, right := range rights {
		if right == "~NAME" {
			rights[i] = "~jobs:*"
		}
	}
	return rights
}

// without returns the rights but for some.
func without(rights []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(rights), func(right string) bool { return slices.Contains(some, right) })
}

// TestCheckRights: what is missing is named, and what may not be looked at is unknown.
func TestCheckRights(t *testing.T) {
	t.Parallel()
	r, all := newRig(t), enough(t)
	look := func(status int) map[string]finding {
		t.Helper()
		return checked(t, status, "worker@"+r.Addr(), envPassword+"=secret")
	}
	r.SetUser(t, "worker", all...)
	f := look(0)
	wants(t, f, "rights", good, "all that are needed")
	wants(t, f, "trial lock", good, "")
	wants(t, f, "eviction", good, "maxmemory")
	wants(t, f, "notifications", unknown, "NOPERM")
	if means := f["notifications"].Means; !strings.Contains(means, "it needs +config|get for that") {
		t.Errorf("notifications: %s", means)
	}
	r.SetUser(t, "worker", without(all, "+info")...)
	f = look(0)
	wants(t, f, "eviction", unknown, "NOPERM")
	if means := f["eviction"].Means; !strings.Contains(means, "it needs +info for that") {
		t.Errorf("eviction: %s", means)
	}
	r.SetUser(t, "worker", without(all, "+hget", "+publish", "+scan", "~holdfast:2:*")...)
	wants(t, look(statusFailed), "rights", bad, "missing: +hget +publish +scan ~holdfast:2:*")
}

// TestCheckRightsEach: of each right that is missing, it names just that.
func TestCheckRightsEach(t *testing.T) {
	t.Parallel()
	all := enough(t)
	waits := []string{"&holdfast:2:w:*", "+publish", "+pubsub|numsub", "+subscribe", "+unsubscribe", "+ping", "+info", "+eval", "+script|load", "+scan", "+hgetall", "+wait"}
	means := map[string]string{
		"+scan": "ls and top can't list locks. All else works.", "+wait": "WithReplicas does not work. All else works.",
		"+hgetall": "Semaphores and read-write locks do not work. All else works.",
	}
	look := func(t *testing.T, right string, missing ...string) {
		t.Parallel()
		r := newRig(t)
		verdict, status := bad, statusFailed
		if slices.Contains(waits, right) {
			verdict, status = warn, 0
		}
		if right == "&holdfast:2:w:*" && !redistest.KnowsChannels(t, r.client) {
			redistest.Lacks(t, r.client, "rights to channels")
		}
		r.SetUser(t, "worker", without(all, missing...)...)
		f := checked(t, status, "worker@"+r.Addr(), envPassword+"=secret")
		if want := "missing: " + strings.ReplaceAll(strings.Join(missing, " "), "jobs:*", "NAME"); f["rights"].Verdict != verdict || f["rights"].Found != want {
			t.Errorf("rights: %+v, want %s, %q", f["rights"], verdict, want)
		}
		if want := means[right]; want != "" && f["rights"].Means != want {
			t.Errorf("rights: %q, want %q", f["rights"].Means, want)
		}
		if f, there := f["commands"]; there {
			t.Errorf("commands: %+v", f)
		}
		if keys := r.client.Keys(t.Context(), "*").Val(); len(keys) > 0 && right != "+del" {
			t.Errorf("it left %q", keys)
		}
	}
	for _, right := range all {
		t.Run(right, func(t *testing.T) { look(t, right, right) })
	}
	t.Run("no way to load scripts", func(t *testing.T) { look(t, "", "+eval", "+script|load") })
}

// TestCheckSlowHandOver: a hand-over that is found by polling is a warning of its own, whether
// the waiter hears nothing or can't listen.
func TestCheckSlowHandOver(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"+publish", "+subscribe"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			// Polling takes up to a second. On a machine that stalls, the rest takes as long.
			redistest.Steady(t, 400*time.Millisecond, func(t *testing.T, _ time.Duration) error {
				r, all := newRig(t), enough(t)
				r.SetUser(t, "worker", without(all, right)...)
				f := checked(t, 0, "worker@"+r.Addr(), envPassword+"=secret")["trial lock"]
				if f.Verdict != warn || !strings.Contains(f.Found, "handed over in ") || !strings.Contains(f.Means, "the waiter polled") {
					return fmt.Errorf("trial lock: %+v", f)
				}
				return nil
			})
		})
	}
}

// TestCheckNotificationsDenied: notifications that the user may not hear.
func TestCheckNotificationsDenied(t *testing.T) {
	t.Parallel()
	r := newRig(t, "--notify-keyspace-events", "Kg$x")
	if !redistest.KnowsChannels(t, r.client) {
		redistest.Lacks(t, r.client, "rights to channels")
	}
	all := append(enough(t, "keyspace notifications"), "+config|get")
	r.SetUser(t, "worker", all...)
	wants(t, checked(t, 0, "worker@"+r.Addr(), envPassword+"=secret"), "notifications", good, "x")
	r.SetUser(t, "worker", without(all, "&__keyspace@*__:*")...)
	f := checked(t, 0, "worker@"+r.Addr(), envPassword+"=secret")
	wants(t, f, "notifications", warn, "x")
	if means := f["notifications"].Means; !strings.Contains(means, "it needs &__keyspace@*__:*.") {
		t.Errorf("notifications: %s", means)
	}
}

// TestCheckDatabase: what a connection can't be set up without is all that is named.
func TestCheckDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	look := func(status int, db string) map[string]finding {
		t.Helper()
		return checked(t, status, "worker@"+r.Addr()+"/"+db, envPassword+"=secret")
	}
	r.SetUser(t, "worker", enough(t, "database other than 0")...)
	wants(t, look(0, "5"), "rights", good, "all that are needed")
	r.SetUser(t, "worker", without(enough(t), "+scan")...)
	f := look(statusFailed, "5")
	if f := f["rights"]; f.Verdict != bad || f.Found != "missing: +select" || !strings.Contains(f.Means, "nothing else could be tried") {
		t.Errorf("rights: %+v", f)
	}
	if means := f["version"].Means; means != "Nothing can be asked without +select." {
		t.Errorf("version: %s", means)
	}
	// The rest is about rights to databases, which Valkey has from 9.1 on.
	everything := []string{"~*", "&*", "+@all"}
	if err := r.client.Do(t.Context(), "acl", "setuser", "worker", "reset", "resetdbs", "db=0").Err(); err != nil {
		t.Logf("no rights to databases here: %v", err)
		return
	}
	r.SetUser(t, "worker", append([]string{"resetdbs", "db=0"}, everything...)...)
	wants(t, look(0, "0"), "rights", good, "all that are needed")
	f = look(statusFailed, "5")
	if f := f["rights"]; f.Verdict != bad || f.Found != "missing: db=5" {
		t.Errorf("rights: %+v", f)
	}
	r.SetUser(t, "worker", append([]string{"resetdbs", "db=5"}, everything...)...)
	wants(t, look(0, "5"), "rights", good, "all that are needed")
	if f := look(statusFailed, "0")["rights"]; f.Verdict != bad || f.Found != "missing as user worker: db=0" {
		t.Errorf("rights: %+v", f)
	}
}

// TestCheckCommands: a command that the server does not have is no missing right.
func TestCheckCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		gone    string
		verdict rating
		trial   rating
	}{
		{"EVAL", warn, good}, {"EVALSHA", bad, bad}, {"TIME", bad, bad}, {"HGET", bad, bad},
		{"PUBLISH", warn, warn}, {"SUBSCRIBE", warn, warn}, {"PUBSUB", warn, good}, {"SCAN", warn, good},
	} {
		t.Run(c.gone, func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t, "--rename-command", c.gone, "hidden")
			status := 0
			if c.verdict == bad {
				status = statusFailed
			}
			f := checked(t, status, r.Addr())
			wants(t, f, "commands", c.verdict, "not on this server: "+c.gone)
			wants(t, f, "rights", good, "all that are needed")
			wants(t, f, "trial lock", c.trial, "")
		})
	}
	t.Run("to connect", func(t *testing.T) {
		t.Parallel()
		r := redistest.Start(t, "--rename-command", "SELECT", "hidden")
		wants(t, checked(t, statusFailed, r.Addr()+"/5"), "commands", bad, "not on this server: SELECT")
	})
	t.Run("to look", func(t *testing.T) {
		t.Parallel()
		r := redistest.Start(t, "--rename-command", "CONFIG", "hidden1", "--rename-command", "TIME", "hidden2")
		f := checked(t, statusFailed, r.Addr())
		for check, command := range map[string]string{"clocks": "TIME", "notifications": "CONFIG"} {
			wants(t, f, check, unknown, "unknown command")
			if want := command + " does not exist on this server"; !strings.HasPrefix(f[check].Means, want) {
				t.Errorf("%s: %s, want %s", check, f[check].Means, want)
			}
		}
	})
}

// TestCheckClusterRights: on a Cluster, each master has users of its own.
func TestCheckClusterRights(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	all := enough(t, "Cluster")
	set := func(nodes []*redistest.Server, some ...string) {
		for _, n := range nodes {
			n.SetUser(t, "worker", without(all, some...)...)
		}
	}
	look := func(status int) map[string]finding {
		t.Helper()
		return checked(t, status, "", envURL+"=redis-cluster://worker@"+strings.Join(c.Addrs(), ","), envPassword+"=secret")
	}
	set(c.Nodes)
	wants(t, look(0), "rights", good, "all that are needed (on each of 3 masters)")
	set(c.Nodes, "+command", "+asking")
	wants(t, look(0), "rights", warn, "missing: +asking +command (on each of 3 masters)")
	set(c.Nodes, "+cluster|slots", "+scan")
	if f := look(statusFailed)["rights"]; f.Verdict != bad || f.Found != "missing: +cluster|slots" {
		t.Errorf("rights: %+v", f)
	}
	set(c.Nodes)
	set(c.Nodes[1:2], "+hget", "~holdfast:2:*")
	found := checkedAll(t, statusFailed, envURL+"=redis-cluster://worker@"+strings.Join(c.Addrs(), ","), envPassword+"=secret")
	for i, n := range c.Nodes {
		want := finding{"rights", good, n.Addr() + ": all that are needed", ""}
		if i == 1 {
			want = finding{"rights", bad, n.Addr() + ": missing: +hget ~holdfast:2:*", ""}
		}
		if !slices.ContainsFunc(found, func(f finding) bool {
			return f.Check == want.Check && f.Verdict == want.Verdict && f.Found == want.Found
		}) {
			t.Errorf("no %+v in %+v", want, found)
		}
	}
}

// TestCheckSentinelRights: what may not be asked of the Sentinels is unknown, and no lack of a quorum.
func TestCheckSentinelRights(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	if !redistest.KnowsChannels(t, s.Servers[0].Client()) {
		redistest.Lacks(t, s.Servers[0].Client(), "users of the Sentinels")
	}
	look := func(rights ...any) finding {
		t.Helper()
		for _, sentinel := range s.Sentinels {
			if err := sentinel.Client().Do(t.Context(), append([]any{"acl", "setuser", "default"}, rights...)...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		f := checked(t, 0, "", envURL+"=redis-sentinel://"+strings.Join(s.Addrs(), ",")+"/"+redistest.MasterName)
		wants(t, f, "trial lock", good, "")
		return f["sentinel"]
	}
	f := look()
	wants(t, map[string]finding{f.Check: f}, "sentinel", good, "3 of 3 Sentinels answer, master "+s.Servers[0].Addr()+", 2 replicas")
	f = look("-sentinel|ckquorum")
	if wants(t, map[string]finding{f.Check: f}, "sentinel", unknown, "3 of 3 Sentinels answer"); !strings.Contains(f.Means, "it needs +sentinel|ckquorum there") {
		t.Errorf("%+v", f)
	}
	f = look("-sentinel|master")
	if wants(t, map[string]finding{f.Check: f}, "sentinel", unknown, "0 of 3 Sentinels answer"); !strings.Contains(f.Means, "it needs +sentinel|master there") {
		t.Errorf("%+v", f)
	}
}
