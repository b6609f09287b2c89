package store

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// TestBatches: calls of one script with equal arguments go together, up to a number of them; others
// don't.
func TestBatches(t *testing.T) {
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	id := func(name string) ID { return NewID(NewLock(Mutex, name), "x", "") }
	renew := func(name string, ttl time.Duration) Call { return s.Renew(id(name), ttl, 0, false, 0) }
	calls := []Call{
		renew("a", time.Second), s.Check(id("b")), renew("c", time.Minute), renew("d", time.Second),
		s.Release(id("e"), 0, 0, nil), s.Check(id("f")), s.Release(id("g"), time.Second, 0, nil), renew("h", time.Second),
	}
	for most, want := range map[int]string{
		1: "[[a] [b] [c] [d] [e] [f] [g] [h]]",
		2: "[[a d] [b f] [c] [e] [g] [h]]",
		9: "[[a d h] [b f] [c] [e] [g]]",
	} {
		var all []*Call
		for i := range calls {
			all = append(all, &calls[i])
		}
		var got [][]string
		for _, b := range batchesOf(all, most) {
			var names []string
			for _, c := range b.calls {
				names = append(names, c.Lock.Name())
			}
			got = append(got, names)
			if keys := b.line[2]; keys != len(names)*b.script.Keys {
				t.Errorf("%v keys for %q", keys, names)
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("up to %d: %v, want %s", most, got, want)
		}
	}
}

// TestLine: the keys of all locks come first, NAMEs before AUXs, then what is the same for all, then
// the owners.
func TestLine(t *testing.T) {
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	a, b := s.Renew(NewID(NewLock(Mutex, "a"), "x", ""), time.Second, 7, true, 5), s.Renew(NewID(NewLock(Mutex, "{b}"), "y", "t"), time.Second, 7, true, 5)
	got := batchesOf([]*Call{&a, &b}, 2)[0].line
	want := []any{nil, nil, 4, "a", "{b}", "holdfast:2:n:{a}", "holdfast:2:t:{b}", int64(1000), uint32(7), "1", int64(5), "x", "yt"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestKind: a lock is taken, held and given back by the scripts of its own kind.
func TestKind(t *testing.T) {
	other := kind{Set: new(scripts.Set)}
	own := make(map[*scripts.Script]bool)
	for _, s := range []**scripts.Script{
		&other.Acquire, &other.AcquireAll, &other.Resume, &other.Renew, &other.Extend, &other.Check, &other.Announce,
		&other.Release, &other.Free, &other.Drop, &other.Inspect, &other.Force,
	} {
		*s = &scripts.Script{}
		own[*s] = true
	}
	if n := reflect.TypeFor[scripts.Set]().NumField(); n != len(own) {
		t.Errorf("a kind has %d scripts, not %d", n, len(own))
	}
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	lock := &Lock{&other, NewLock(Mutex, "a").keys}
	id := NewID(lock, "x", "")
	a := Attempt{ID: id, TTL: time.Second}
	used := make(map[*scripts.Script]bool)
	for i, c := range []Call{
		s.Acquire(a, true), s.AcquireAll([]Attempt{a}, true), s.Resume(a), s.Renew(id, time.Second, 0, false, 0), s.Extend(id, time.Second, true, 1), s.Check(id),
		s.Announce(a), s.Release(id, 0, 0, nil), s.Release(id, time.Second, 0, &a), s.Keep(id, 0, 0, time.Second), s.Free(id, 0, 0),
		s.Drop(id), s.Withdraw(id, time.Second), s.Inspect(lock), s.InspectQueue(lock), s.Force(lock, 0), s.ForceStranger(lock),
	} {
		if !own[c.script] {
			t.Errorf("call %d is of a script of another kind", i)
		}
		used[c.script] = true
	}
	if len(used) != len(own) {
		t.Errorf("%d scripts are called, of %d", len(used), len(own))
	}
}
