package holdfast_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// Servers that refuse what goes together, and whose refusal concerns one lock or none.

// tryAll has a goroutine try each name, and returns the errors by the name.
func tryAll(e *env, l *holdfast.Locker, names []string) map[string]error {
	var mu sync.Mutex
	failed := make(map[string]error)
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			s, err := l.Mutex(name).TryAcquire(e.ctx())
			if err == nil {
				err = s.Release(e.ctx())
			}
			if err != nil {
				mu.Lock()
				failed[name] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

func names(n int, prefix string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

// TestScaleSlots: a server that checks slots behind a client that knows of none, as behind
// a proxy: it refuses keys of several slots, so that each call is for one lock.
func TestScaleSlots(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		e.serveSlots()
		const ttl = 3 * time.Second
		l := e.locker(holdfast.WithTTL(ttl))
		sessions := e.take(l, 100)
		time.Sleep(2 * ttl)
		allHeld(t, sessions)
		for name, err := range tryAll(e, l, names(100, "other")) {
			t.Errorf("%s: %v", name, err)
		}
	}, "--cluster-enabled", "yes")
}

// serveSlots makes the server a Cluster of its own.
func (e *env) serveSlots() {
	e.t.Helper()
	e.must(e.server.ServeSlots(e.ctx(), 0, 16383))
	eventually(e.t, "the slots are served", func() bool { return e.direct.Set(e.ctx(), "a", "", 0).Err() == nil })
}

// TestScaleRights: a user who has no right to one name has it to the others.
func TestScaleRights(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		e.server.SetUser(e.t, "u", "+@all", "&*", "~app*", "~holdfast:2:*app*")
		l := holdfast.New(e.server.Client(func(o *redis.Options) { o.Username, o.Password = "u", "secret" }))
		t.Cleanup(func() { _ = l.Close() })
		failed := tryAll(e, l, append(names(500, "app"), "forbidden"))
		if err := failed["forbidden"]; err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("forbidden: %v", err)
		}
		delete(failed, "forbidden")
		for name, err := range failed {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// TestScaleSlotGone: in a Cluster the locks of one slot, which nobody serves any more, are
// lost, and no others.
func TestScaleSlotGone(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		e.serveSlots()
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{e.server.Addr()}})
		t.Cleanup(func() { _ = client.Close() })
		const ttl = time.Second
		l := holdfast.New(client, holdfast.WithTTL(ttl))
		t.Cleanup(func() { _ = l.Close() })
		sessions := make(map[string]*holdfast.Session)
		for _, name := range append(names(100, "{gone}"), names(400, "stays")...) {
			sessions[name] = e.acquire(l.Mutex(name))
		}
		e.must(e.direct.Do(e.ctx(), "cluster", "delslots", e.direct.ClusterKeySlot(e.ctx(), "{gone}").Val()).Err())
		time.Sleep(3 * ttl)
		for name, s := range sessions {
			if gone := strings.HasPrefix(name, "{gone}"); gone != (s.Err() != nil) {
				t.Errorf("%s: %v", name, s.Err())
			}
		}
	}, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
}

// TestScaleReplica: a client connected to what has become a replica drops the connection,
// also if many calls went together.
func TestScaleReplica(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		client := e.server.Client()
		l := holdfast.New(client)
		t.Cleanup(func() { _ = l.Close() })
		if failed := tryAll(e, l, names(100, "lock")); len(failed) > 0 {
			t.Fatal(failed)
		}
		e.must(e.direct.Do(e.ctx(), "replicaof", "127.0.0.1", "1").Err())
		failed := tryAll(e, l, names(100, "lock"))
		if len(failed) != 100 {
			t.Errorf("%d calls failed on a replica", len(failed))
		}
		for name, err := range failed {
			if !redis.IsReadOnlyError(err) && !strings.Contains(err.Error(), "READONLY") {
				t.Errorf("%s: %v", name, err)
			}
		}
		e.must(e.direct.Do(e.ctx(), "replicaof", "no", "one").Err())
		if failed := tryAll(e, l, names(100, "lock")); len(failed) > 0 {
			t.Error(failed)
		}
	})
}

// TestAuxOutlivesName: what Holdfast knows of a lock expires 24 hours after the lock's own
// TTL at the earliest, however the lock was come by.
func TestAuxOutlivesName(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const ttl, day = 72 * time.Hour, 24 * time.Hour
		look := func(what string) {
			t.Helper()
			name, aux := e.direct.PTTL(e.ctx(), "lock").Val(), e.direct.PTTL(e.ctx(), auxOf("lock")).Val()
			if name < ttl-time.Minute || aux < name+day-time.Second {
				t.Errorf("%s: NAME expires in %v, aux in %v", what, name, aux)
			}
		}
		mu := e.locker(holdfast.WithTTL(ttl)).Mutex("lock")
		e.must(once(mu))
		e.must(e.direct.PExpire(e.ctx(), auxOf("lock"), time.Minute).Err()) // a day goes by
		s := e.acquire(mu)
		look("acquired again")
		next := e.wait(e.locker(holdfast.WithTTL(ttl)).Mutex("lock"))
		eventually(t, "another waits", func() bool { return e.waiting("lock") == 1 })
		e.must(s.Release(e.ctx()))
		s = <-next
		time.Sleep(time.Second) // the claim is renewed
		look("granted by a release")
		e.must(s.Release(e.ctx()))
	})
}

// TestAuxOutlivesShortOnes: likewise if the lock is taken again and again for little time,
// which sets anew each time when aux expires.
func TestAuxOutlivesShortOnes(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		aux, mu := auxOf("lock"), e.locker().Mutex("lock")
		for hours := range 6 {
			time.Sleep(time.Millisecond) // else the fence is ahead of the clock, which is no plain case
			e.must(once(mu))
			left := e.direct.PTTL(e.ctx(), aux).Val()
			if left < 24*time.Hour {
				t.Errorf("after %d hours: aux expires in %v", hours, left)
			}
			e.must(e.direct.PExpire(e.ctx(), aux, left-time.Hour).Err()) // goes by
		}
	})
}
