package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

// TestLateAttemptAfterResume: a copy of a request for permits that arrives when another attempt has taken them
// up by their token takes nothing.
func TestLateAttemptAfterResume(t *testing.T) {
	eachServer(t, func(s *several) {
		lock := NewLock(Permits, "{late}")
		attempt := func(uid, token string) Attempt {
			return Attempt{ID: NewID(lock, strings.Repeat(uid, 36), token), TTL: time.Minute, Want: Want(1, 3)}
		}
		first := attempt("a", "")
		heir := attempt("b", first.Token())
		for what, queue := range map[string]bool{"asks": false, "waits": true} {
			if r, err := do(s.s, s.s.Acquire(first, false)); err != nil || r.Status != Held {
				s.Fatalf("acquire: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Resume(heir)); err != nil || r.Status != Held {
				s.Fatalf("resume: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Acquire(first, queue)); err != nil || r.Status != Withdrawn {
				s.Errorf("the late copy, which %s: %+v, %v", what, r, err)
			}
			if r, err := do(s.s, s.s.Renew(heir.ID, time.Minute, 0, false, 0)); err != nil || r.Status != Held {
				s.Errorf("renew: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Release(heir.ID, 0, 0, nil)); err != nil || r.Status != Held {
				s.Errorf("release: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.InspectQueue(lock)); err != nil || r.Status != Gone || len(r.Queue) != 0 {
				s.Errorf("something is left: %+v, %v", r, err)
			}
		}
	})
}

// TestPlaceWhileUnsettled: a waiter that was given permits, did not hear of it until its lease was over, and asked
// again while the history was not settled, keeps its place before one that came later.
func TestPlaceWhileUnsettled(t *testing.T) {
	c := redistest.Start(t).Client()
	_, info, _ := strings.Cut(c.Info(context.Background(), "replication").Val(), "master_replid:")
	lock := NewLock(Permits, "a")
	ask := func(i int, ttl time.Duration, settled bool) int64 {
		a := Attempt{ID: NewID(lock, fmt.Sprintf("%036d", i), ""), TTL: ttl, Want: Want(1, 2)}
		call := New(c).Acquire(a, true)
		history, replicas := "", ""
		if settled {
			history, replicas = info[:30], "connected_slaves:0"
		}
		args := append(append([]any{}, call.args...), a.owner, history, replicas)
		keys := []string{lock.keys[0].(string), lock.keys[1].(string), lock.keys[2].(string)}
		r, err := c.Eval(context.Background(), scripts.GracedPermits.Acquire.Source, keys, args...).Slice()
		if err != nil {
			t.Fatal(err)
		}
		return r[0].(int64)
	}
	const holder, first, second = 1, 2, 3
	if ask(holder, time.Minute, true) != 1 || ask(first, 50*time.Millisecond, true) != 1 {
		t.Fatal("permits that were free were not given")
	}
	time.Sleep(60 * time.Millisecond)
	if ask(first, time.Minute, false) == 1 || ask(second, time.Minute, false) == 1 {
		t.Fatal("permits were given in a history that is not settled")
	}
	if ask(second, time.Minute, true) == 1 {
		t.Error("the second was given the permits of the first")
	}
	if ask(first, time.Minute, true) != 1 {
		t.Error("the first was not given them")
	}
}
