package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

// TestTogether: on a Cluster, only names of one hash tag go together.
func TestTogether(t *testing.T) {
	one, cluster := New(redis.NewClient(&redis.Options{})), New(redis.NewClusterClient(&redis.ClusterOptions{}))
	defer one.client.Close()
	defer cluster.client.Close()
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("{x}%03d", i)
	}
	for _, c := range []struct {
		names   []string
		one, of int
	}{
		{[]string{"a"}, 1, 1},
		{[]string{"a", "b"}, 2, 1},
		{[]string{"a{x}", "b{x}", "c{y}"}, 3, 2},
		{[]string{"x", "y{x}", "{}x"}, 3, 2}, // an untagged name is its own tag
		{[]string{"{}x", "{}x{x}"}, 2, 1},
		{many, scriptLocks, scriptLocks},
	} {
		if n := one.Together(c.names); n != c.one {
			t.Errorf("%.60q on one server: %d", c.names, n)
		}
		if n := cluster.Together(c.names); n != c.of {
			t.Errorf("%.60q on a Cluster: %d", c.names, n)
		}
	}
}

// several is a test of the script for several locks.
type several struct {
	*testing.T
	c redis.UniversalClient
	s *Store
	n int // cases so far: each has names of its own
}

func eachServer(t *testing.T, test func(s *several)) {
	for what, c := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) { test(&several{T: t, c: c, s: New(c)}) })
	}
}

// attempts returns attempts for as many locks that are new.
func (s *several) attempts(n int) (as []Attempt) {
	s.n++
	for i := range n {
		lock := NewLock(Mutex, fmt.Sprintf("lock %d %d", s.n, i))
		as = append(as, Attempt{ID: NewID(lock, fmt.Sprintf("%036d", s.n*1000+i), ""), TTL: time.Minute})
	}
	return as
}

func (s *several) another(a Attempt) Attempt {
	a.ID = NewID(a.Lock, strings.Repeat("f", scripts.AttemptLen), "")
	return a
}

func (s *several) do(c Call) Reply {
	s.Helper()
	r, err := do(s.s, c)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// dump returns all that Redis holds of locks, but their TTLs.
func (s *several) dump(as []Attempt) (all []string) {
	for _, a := range as {
		for _, key := range a.Lock.keys {
			text := s.c.Dump(context.Background(), key.(string)).Val()
			all = append(all, fmt.Sprintf("%q: %q", key, text))
		}
	}
	return all
}

// TestAcquireAll: what can't be had and why, how many are before it, and that nothing of the rest is
// written.
func TestAcquireAll(t *testing.T) {
	eachServer(t, func(s *several) {
		for what, c := range map[string]struct {
			prepare func(a Attempt) // the third of four
			want    Status
		}{
			"free":     {func(Attempt) {}, Held},
			"held":     {func(a Attempt) { s.do(s.s.Acquire(s.another(a), false)) }, Busy},
			"its own":  {func(a Attempt) { s.do(s.s.Acquire(a, false)) }, Held},
			"stranger": {func(a Attempt) { s.c.Set(s.Context(), a.Lock.Name(), "x", 0) }, Stranger},
			"of another type": {func(a Attempt) {
				s.c.RPush(s.Context(), a.Lock.Name(), "x")
			}, Stranger},
			"used before": {func(a Attempt) {
				s.do(s.s.Acquire(s.another(a), false))
				s.do(s.s.Release(s.another(a).ID, 0, 0, nil))
			}, Held},
			"fence ahead": {func(a Attempt) {
				s.c.Set(s.Context(), auxOf(a.Lock.Name()), "8999999999999999-0: ", 0)
			}, Held},
			"withdrawn": {func(a Attempt) { s.do(s.s.Withdraw(a.ID, time.Minute)) }, Withdrawn},
			"another withdrawn": {func(a Attempt) {
				s.do(s.s.Withdraw(s.another(a).ID, time.Minute))
			}, Held},
			"waited for": {func(a Attempt) {
				holder := a
				holder.ID = NewID(a.Lock, strings.Repeat("e", scripts.AttemptLen), "")
				s.do(s.s.Acquire(holder, false))
				s.do(s.s.Acquire(s.another(a), true))
				s.c.Del(s.Context(), a.Lock.Name())
			}, Busy},
			"waited for by none alive": {func(a Attempt) {
				holder := a
				holder.ID = NewID(a.Lock, strings.Repeat("e", scripts.AttemptLen), "")
				s.do(s.s.Acquire(holder, false))
				s.do(s.s.Acquire(s.another(a), true))
				s.c.Del(s.Context(), a.Lock.Name(), queueOf(a.Lock.Name()))
			}, Held},
			"waited for by one that nobody hears": {func(a Attempt) {
				holder, deaf := a, s.another(a)
				holder.ID = NewID(a.Lock, strings.Repeat("e", scripts.AttemptLen), "")
				deaf.Channel = "nobody listens"
				s.do(s.s.Acquire(holder, false))
				s.do(s.s.Acquire(deaf, true))
				s.c.Del(s.Context(), a.Lock.Name())
			}, Held},
			"left to strangers": {func(a Attempt) {
				holder := a
				holder.ID = NewID(a.Lock, strings.Repeat("e", scripts.AttemptLen), "")
				s.do(s.s.Acquire(holder, false))
				s.do(s.s.Acquire(s.another(a), true))
				s.do(s.s.Release(holder.ID, 0, 0, nil).LeavingFree(0, time.Second))
			}, Busy},
		} {
			for _, some := range []bool{false, true} {
				as := s.attempts(4)
				c.prepare(as[2])
				before := s.dump(as)
				call := s.s.AcquireAll(as, some)
				r := s.do(call)
				want := 2 // how many it has
				if c.want == Held {
					want = 4
				} else if !some {
					want = 0
				}
				if r.Status != c.want || len(r.Each) != want || r.Place != 2 && (c.want != Held || r.Place != 4) {
					s.Errorf("%s (some: %v): %+v", what, some, r)
				}
				for i, a := range as {
					if own := s.c.Get(s.Context(), a.Lock.Name()).Val() == a.Token(); own != (i < want) {
						s.Errorf("%s (some: %v): it has lock %d: %v", what, some, i, own)
					}
				}
				if after := s.dump(as); !slices.Equal(after[3*want:], before[3*want:]) {
					s.Errorf("%s (some: %v): it has written\n%q\n%q", what, some, before[3*want:], after[3*want:])
				}
				// The same again.
				if again := s.do(call); again.Status != r.Status || again.Place != r.Place || len(again.Each) != len(r.Each) {
					s.Errorf("%s (some: %v): %+v, and again %+v", what, some, r, again)
				} else {
					for i, e := range again.Each {
						if e.Fence != r.Each[i].Fence {
							s.Errorf("%s: fence %d, and again %d", what, r.Each[i].Fence, e.Fence)
						}
					}
				}
			}
		}
	})
}

// TestAcquireAllAfterWrites: however many writes come before an error, none of the locks is held then.
func TestAcquireAllAfterWrites(t *testing.T) {
	eachServer(t, func(s *several) {
		failed := 0
		for i := range 2 * 10 {
			as := s.attempts(3)
			s.do(s.s.Withdraw(s.another(as[1]).ID, time.Minute)) // not the plain case
			if err := doFailing(s.c, i/2, i%2 == 1, s.s.AcquireAll(as, true)); err == nil {
				continue
			}
			failed++
			for n, a := range as {
				if held := s.c.Get(s.Context(), a.Lock.Name()).Val(); held != "" {
					s.Errorf("%d writes before one fails: lock %d is held by %q", i/2, n, held)
				}
			}
		}
		if failed < 8 {
			s.Errorf("%d calls failed", failed)
		}
	})
}

// TestAcquireAllReplies: what no script says is not taken for one's own.
func TestAcquireAllReplies(t *testing.T) {
	one := []any{int64(1), int64(1000), int64(1_700_000_000_000_000), int64(0)}
	say := func(n ...int64) (all []any) {
		for _, n := range n {
			all = append(all, n)
		}
		return all
	}
	for _, c := range []struct {
		reply []any
		ok    bool
	}{
		{slices.Concat(say(1, 0, 0, 2), one, one), true},
		{slices.Concat(say(0, 5, 0, 1), one), true},
		{say(0, 5, 0, 1), true},
		{say(0, 5, 0, 0), true},
		{say(1, 0, 0, 2), false},
		{slices.Concat(say(1, 0, 0, 1), one), false},
		{slices.Concat(say(1, 0, 0, 2), one), false},
		{slices.Concat(say(0, 0, 0, 2), one, one), false},
		{slices.Concat(say(0, 5, 0, 0), one), false},
		{say(0, 5, 0, 2), false},
		{say(2, 5, 0, 0), false},
		{slices.Concat(say(1, 0, 0, 2), one, say(0, 1000, 1_700_000_000_000_000, 0)), false},
		{slices.Concat(say(1, 0, 0, 2), one, say(1, 1000, 5, 0)), false},
		{slices.Concat(say(1, 0, 0, 2), one, one[:3]), false},
		{one[:3], false},
		{[]any{"1", "0", "0", "2"}, false},
		{nil, false},
	} {
		r, err := make(together, 2).decode(c.reply)
		if (err == nil) != c.ok || !c.ok && !reflect.DeepEqual(r, Reply{}) {
			t.Errorf("%v: %+v, %v", c.reply, r, err)
		}
	}
}

// TestAcquireAllCrossSlot: a server that refuses locks of several slots is asked for those of one from
// then on.
func TestAcquireAllCrossSlot(t *testing.T) {
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	names := []string{"a", "b"}
	if n := s.Together(names); n != 2 {
		t.Error(n)
	}
	if err := redis.Error(scriptError{text: "CROSSSLOT Keys in request don't hash to the same slot"}); !CrossSlot(err) || s.tryAlone(err) && s.Together(names) != 1 {
		t.Error(s.Together(names))
	}
	if CrossSlot(nil) || CrossSlot(redis.Nil) {
		t.Error("others")
	}
}
