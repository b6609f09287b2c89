package failover_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

const stamp = "holdfast:2:h"

// TestFirst: the first that uses a deployment waits for a grace, and so does whoever comes before the
// stamp is a minute older than that. Then a new one pays a round trip.
func TestFirst(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	first := newMember(t, server.Addr())
	began := time.Now()
	first.refused("lock")
	only(t, first.wait("lock"), began, grace)
	newMember(t, server.Addr()).refused("another")

	age := func(d time.Duration) {
		now, err := admin.Time(ctx(t)).Result()
		must(t, err)
		must(t, admin.HSet(ctx(t), stamp, "t", now.Add(-d).UnixMicro()).Err())
	}
	age(grace + 50*time.Second)
	newMember(t, server.Addr()).refused("another")
	age(grace + time.Minute)
	later := newMember(t, server.Addr())
	before := calls(t, admin)
	must(t, later.try("another").Release(ctx(t))) // else it might be renewed meanwhile
	if n := calls(t, admin) - before; n != 3 {
		t.Errorf("%d script calls, not a look, an acquisition and a release", n)
	}
	for range 3 {
		must(t, later.try("a third").Release(ctx(t)))
	}
	if n := calls(t, admin) - before; n != 9 {
		t.Errorf("%d script calls, not a look and four acquisitions and releases", n)
	}
	for what, value := range map[string][]any{"another history": {"h", "0123456789abcdef"}, "the future": {"t", 1 << 52}} {
		must(t, admin.HSet(ctx(t), stamp, value...).Err())
		newMember(t, server.Addr()).refused("another")
		if t.Failed() {
			t.Fatal(what)
		}
		age(time.Hour)
	}
	must(t, admin.Del(ctx(t), stamp).Err())
	newMember(t, server.Addr()).refused("another")
}

// calls returns how many calls of scripts a server has run.
func calls(t *testing.T, admin *redis.Client) (n int) {
	t.Helper()
	// Each script that was loaded had been called in vain before. Redis 6 does not say which subcommand it was.
	loaded := count(t, admin, "commandstats", "cmdstat_script|load:calls=") + count(t, admin, "commandstats", "cmdstat_script:calls=")
	return count(t, admin, "commandstats", "cmdstat_evalsha:calls=") - loaded
}

// TestSettle: who waits learns soon that an operator has settled the history, and a later Locker at once.
func TestSettle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const long = time.Hour
	first := newMember(t, server.Addr(), holdfast.WithFailoverGrace(long))
	waits := first.wait("lock")
	queued(t, server, "lock", 1)
	settle(t, newMember(t, server.Addr()))
	only(t, waits, time.Now(), 0)
	newMember(t, server.Addr(), holdfast.WithFailoverGrace(long)).try("another")
}

// TestRestart: what comes back after a restart, from a file or from nothing, has another history, the
// stamp with it.
func TestRestart(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing": nil,
		"RDB":     {"--save", "3600", "1"},
		"AOF":     {"--appendonly", "yes", "--appendfsync", "always"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, args...)
			x, v := newMember(t, server.Addr()), newMember(t, server.Addr())
			settle(t, x)
			v.try("other")
			kept := x.try("kept")
			if name == "RDB" {
				must(t, server.Client().Save(ctx(t)).Err())
			}
			lost := x.try("lost")
			x.cutOff()
			server.Restart()
			began := time.Now()
			v.refused("lost")
			newMember(t, server.Addr()).refused("lost")
			only(t, v.wait("lost"), began, grace, lost)
			s := newMember(t, server.Addr())
			s.refused("kept") // the stamp is that of the new history
			only(t, v.wait("kept"), began, grace, kept)
		})
	}
}

// TestRestartHolder: who holds a lock that comes back with the server goes on.
func TestRestartHolder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	x := newMember(t, server.Addr())
	settle(t, x)
	held := x.try("lock")
	server.Restart()
	locktest.Eventually(t, "it was asked after the restart", func() bool { return held.Check(ctx(t)) == nil })
	time.Sleep(2 * ttl)
	must(t, held.Check(ctx(t)))
	must(t, held.Release(ctx(t)))
}

// TestLookUnanswered: a look that has no answer, since its connection was cut off without a word, holds
// up nobody for the client's time-out.
func TestLookUnanswered(t *testing.T) {
	r := newRig(t)
	u := newClient(t, r.a.Addr(), &redis.Options{ReadTimeout: time.Minute}, holdfast.WithFailoverGrace(time.Minute))
	settle(t, u)
	link := r.a.Proxy(t)
	u.turn(link.Addr())
	u.try("other")
	r.b.Kill()
	locktest.Eventually(t, "the master has no replica", func() bool { return replicas(t, r.a) == 0 })
	u.refused("lock")
	time.Sleep(1100 * time.Millisecond) // so long after the last question that a look comes before the next
	link.Lose()
	began := time.Now()
	u.refused("lock")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}
