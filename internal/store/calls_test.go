package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScriptsAnswerInForm runs every script on both servers and decodes the replies; the
// behaviour is tested through the library.
func TestScriptsAnswerInForm(t *testing.T) {
	for what, client := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) {
			s := New(client)
			lock := NewLock(Mutex, "{a}")
			attempt := strings.Repeat("x", 36)
			id := NewID(lock, attempt, "t")
			other := NewID(lock, strings.Repeat("y", 36), "u")
			want := func(what string, status Status, ttl time.Duration) func(Reply, error) Reply {
				return func(r Reply, err error) Reply {
					t.Helper()
					if err != nil || r.Status != status || r.TTL > ttl || r.TTL < ttl-time.Second {
						t.Errorf("%s: %+v, %v; want %d, %v", what, r, err, status, ttl)
					}
					return r
				}
			}
			want("inspect", Gone, 0)(do(s, s.Inspect(lock)))
			want("check", Gone, 0)(do(s, s.Check(id)))
			want("resume", Gone, 0)(do(s, s.Resume(Attempt{ID: id, TTL: time.Minute, Label: "l"})))
			first := want("acquire", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: "l"}, false)))
			again := want("acquire again", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: "l"}, false)))
			if first.Fence == 0 || first.Fence != again.Fence {
				t.Errorf("fence %d, again %d", first.Fence, again.Fence)
			}
			want("acquire, held", Busy, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: "l"}, false)))
			if r := want("inspect", Held, time.Minute)(do(s, s.Inspect(lock))); r.Label != "l" || r.Fence != first.Fence {
				t.Errorf("inspect: %+v", r)
			}
			want("renew", Held, 2*time.Minute)(do(s, s.Renew(id, 2*time.Minute, 0, false, 0)))
			want("renew shorter", Held, 2*time.Minute)(do(s, s.Renew(id, time.Minute, 0, true, 0)))
			want("renew, another's", Taken, 0)(do(s, s.Renew(other, time.Minute, 0, false, 0)))
			want("extend", Held, 3*time.Minute)(do(s, s.Extend(id, time.Minute, false, 1)))
			want("extend again", Held, 3*time.Minute)(do(s, s.Extend(id, time.Minute, false, 1)))
			want("set", Held, time.Minute)(do(s, s.Extend(id, time.Minute, true, 2)))
			want("renew, void", Held, 2*time.Minute)(do(s, s.Renew(id, 2*time.Minute, 4, false, 0)))
			want("set, overtaken", Stale, 2*time.Minute)(do(s, s.Extend(id, time.Second, true, 3)))
			want("renew, for ever", Held, -time.Millisecond)(do(s, s.Renew(id, NoExpiry, 0, true, 0)))
			want("extend, for ever", Persistent, -time.Millisecond)(do(s, s.Extend(id, time.Second, true, 5)))
			next := NewID(lock, strings.Repeat("z", 36), "t")
			if r := want("resume, for ever", Held, -time.Millisecond)(do(s, s.Resume(Attempt{ID: next, TTL: time.Minute, Label: "m"}))); r.Fence <= first.Fence {
				t.Errorf("fence %d after %d", r.Fence, first.Fence)
			}
			want("check, displaced", Taken, 0)(do(s, s.Check(id)))
			want("release, displaced", Taken, 0)(do(s, s.Release(id, 0, 0, nil)))
			if r := want("force, another fence", Taken, 0)(do(s, s.Force(lock, first.Fence))); r.Fence <= first.Fence {
				t.Errorf("the fence is said to be %d", r.Fence)
			}
			kept(t, s, want)
			want("stand in the queue", Busy, -time.Millisecond)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: "n", Channel: "c"}, true)))
			if r := want("inspect", Held, -time.Millisecond)(do(s, s.InspectQueue(lock))); len(r.Queue) != 1 || r.Queue[0].Label != "n" || r.Queue[0].Alive < 5*time.Second {
				t.Errorf("waiters: %+v", r.Queue)
			}
			want("leave the queue", Taken, 0)(do(s, s.Release(other, 0, 0, nil)))
			want("force", Held, 0)(do(s, s.Force(lock, 0)))
			want("force, free", Gone, 0)(do(s, s.Force(lock, 0)))
			want("check, forced", Forced, 0)(do(s, s.Check(next)))
			want("withdraw", Gone, 0)(do(s, s.Withdraw(id, time.Minute)))
			want("acquire, withdrawn", Withdrawn, 0)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: ""}, false)))
			want("acquire", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: ""}, false)))
			want("release", Held, 0)(do(s, s.Release(other, time.Minute, 0, nil)))
			want("acquire, released", Withdrawn, 0)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: ""}, false)))
		})
	}
}

func do(s *Store, c Call) (Reply, error) {
	s.Do(context.Background(), &c)
	return c.Reply, c.Err
}

// kept tests a minimum hold: Keep, once and again, and the calls of others meanwhile.
func kept(t *testing.T, s *Store, want func(string, Status, time.Duration) func(Reply, error) Reply) {
	t.Helper()
	lock := NewLock(Mutex, "kept")
	for i, id := range []ID{NewID(lock, strings.Repeat("k", 36), ""), NewID(lock, strings.Repeat("l", 36), "t")} {
		other := NewID(lock, strings.Repeat("m", 36), "")
		got := want("acquire", Held, time.Hour)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Hour, Label: "l"}, false)))
		want("another's", Taken, 0)(do(s, s.Keep(other, 0, 0, time.Minute)))
		want("keep", Held, 0)(do(s, s.Keep(id, 0, got.Fence+7, time.Minute)))
		is := func(when string) {
			t.Helper()
			r := want(when, Kept, time.Minute)(do(s, s.Inspect(lock)))
			if r.Label != "l" || r.Fence != got.Fence+7 {
				t.Errorf("%s: %+v", when, r)
			}
		}
		is("kept")
		want("keep again", Held, 0)(do(s, s.Keep(id, time.Minute, 0, time.Hour)))
		is("kept again")
		want("release", Held, 0)(do(s, s.Release(id, 0, 0, nil)))
		is("released as well")
		want("check", Taken, 0)(do(s, s.Check(id)))
		want("renew", Taken, 0)(do(s, s.Renew(id, time.Hour, 0, true, 0)))
		want("extend", Taken, 0)(do(s, s.Extend(id, time.Hour, true, 1)))
		want("keep, another's", Taken, 0)(do(s, s.Keep(other, 0, 0, time.Hour)))
		want("acquire", Busy, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Hour}, false)))
		want("acquire late", Busy, time.Minute)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Hour}, true)))
		is("after all that")
		if i == 0 {
			want("force", Held, 0)(do(s, s.Force(lock, got.Fence+7)))
			want("keep, forced", Gone, 0)(do(s, s.Keep(id, 0, 0, time.Hour)))
		}
	}
}

// TestTombstonesAreForgotten: a lock that is in use for a long time does not collect them.
func TestTombstonesAreForgotten(t *testing.T) {
	client := redistest.Start(t).Client()
	s, ctx := New(client), t.Context()
	const name = "a"
	lock := NewLock(Mutex, name)
	id := func(i int) ID {
		token := fmt.Sprintf("%036d", i)
		return NewID(lock, token, "")
	}
	tombstones := func() string {
		// What comes before them is of a few bytes.
		text := client.Get(ctx, auxOf(name)).Val()
		return text[strings.LastIndex(text, ":")+1:]
	}
	for i := range 1500 {
		if _, err := do(s, s.Withdraw(id(i), time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if x := tombstones(); len(x) != 1000*46 {
		t.Errorf("%d bytes of tombstones, want %d", len(x), 1000*46)
	}
	if ttl := client.PTTL(ctx, auxOf(name)).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("they expire in %v", ttl)
	}
	for _, i := range []int{500, 1499} {
		if r, err := do(s, s.Acquire(Attempt{ID: id(i), TTL: time.Second}, false)); err != nil || r.Status != Withdrawn {
			t.Errorf("attempt %d: %+v, %v", i, r, err)
		}
	}
	expired := strings.ReplaceAll(tombstones(), fmt.Sprintf("%036d", 500), strings.Repeat("e", 36))
	at := strings.Index(expired, "e") + 36
	text := client.Get(ctx, auxOf(name)).Val()
	before := text[:strings.LastIndex(text, ":")+1]
	client.Set(ctx, auxOf(name), before+expired[:at]+"0000000001"+expired[at+10:], redis.KeepTTL)
	if _, err := do(s, s.Withdraw(id(0), time.Minute)); err != nil {
		t.Fatal(err)
	}
	if x := tombstones(); strings.Contains(x, "e") || len(x)%46 != 0 || len(x) < 46 {
		t.Errorf("an expired tombstone is still there, or half of one: %d bytes", len(x))
	}
}
