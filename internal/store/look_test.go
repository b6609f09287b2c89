package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

// guarded returns a Store with a Guard, at a server of its own.
func guarded(t *testing.T) (*Store, *redis.Client) {
	server := redistest.Start(t)
	s := New(server.Client())
	t.Cleanup(s.Close)
	began := time.Now()
	s.Guard(grace.New(grace.Config{
		Grace: time.Hour, Window: time.Hour, Now: func() time.Duration { return time.Hour + time.Since(began) }, Settled: func() {},
	}))
	return s, server.Client()
}

// looks runs look.lua.
func looks(t *testing.T, s *Store, lower string, settle bool) grace.Seen {
	t.Helper()
	b := &batch{script: scripts.Look, line: append(newLine(scripts.Look, 1, 3), stampKey, lower, flag(settle), 1000)}
	s.send(context.Background(), s.client, []*batch{b})
	seen, ok := decodeLook(b.cmd.Val())
	if !ok {
		t.Fatal(b.cmd)
	}
	return seen
}

// TestLookMissing: the stamp says since when the same replicas are missing, until an operator says that none is.
func TestLookMissing(t *testing.T) {
	ctx := context.Background()
	s, admin := guarded(t)
	looks(t, s, "", false)
	admin.HSet(ctx, stampKey, "n", " 10.0.0.1:1 10.0.0.2:1")
	short := func(settle bool) time.Duration { return looks(t, s, "", settle).Short }
	if d := short(false); d != 0 {
		t.Errorf("missing for %v at the first look", d)
	}
	ago := func(d time.Duration) { admin.HSet(ctx, stampKey, "w", time.Now().Add(-d).UnixMicro()) }
	ago(time.Minute)
	if d := short(false); d < time.Minute || d > 2*time.Minute {
		t.Errorf("missing for %v, not a minute", d)
	}
	for what, fields := range map[string][]any{
		"another is missing":          {"n", " 10.0.0.1:1 10.0.0.3:1"},
		"one has followed meanwhile":  {"m", " 10.0.0.1:1 10.0.0.2:1 7"},
		"they were missing elsewhere": {"h", "0123456789abcdef"},
	} {
		admin.HSet(ctx, stampKey, "n", " 10.0.0.1:1 10.0.0.2:1")
		short(false)
		ago(time.Minute)
		admin.HSet(ctx, stampKey, fields...)
		if d := short(false); d != 0 {
			t.Errorf("%s: missing for %v", what, d)
		}
	}
	admin.HSet(ctx, stampKey, "n", " 10.0.0.1:1")
	if seen := looks(t, s, "", true); len(seen.Stamped) != 0 || seen.Short != 0 {
		t.Errorf("settled, and yet %q are missing for %v", seen.Stamped, seen.Short)
	}
}

// TestLook: a look takes replicas out of the stamp that are gone, unless one has begun to follow since it was
// known that they are.
func TestLook(t *testing.T) {
	ctx := context.Background()
	s, admin := guarded(t)
	look := func(lower string) grace.Seen { return looks(t, s, lower, false) }
	first := look("")
	if first.Replicas != grace.None || len(first.Stamped) != 0 || first.Longest != time.Second || first.Settled {
		t.Errorf("the first look: %+v", first)
	}
	admin.HSet(ctx, stampKey, "n", " 10.0.0.1:1 10.0.0.1:10 10.0.0.2:1 10.0.0.1:1")
	for _, c := range []struct {
		lower string
		left  int
	}{
		{"", 4},
		{first.ID + " 7 10.0.0.1:1", 4},                  // another has begun to follow
		{"0123456789abcdef 0 10.0.0.1:1", 4},             // another history
		{first.ID + " 0 10.0.0.1:1", 3},                  // once
		{first.ID + " 0 0.0.0.2:1", 3},                   // not there
		{first.ID + " 0 10.0.0.2:1 10.0.0.1:1", 1},       // two
		{first.ID + " 0 10.0.0.1:10 10.0.0.1:10.0.0", 0}, // and the last
	} {
		if seen := look(c.lower); len(seen.Stamped) != c.left {
			t.Errorf("%q leaves %q", c.lower, seen.Stamped)
		}
	}
}

// TestUnsettledUnheard: who waits where no lock is given is told, too, if nobody listens to its channel.
func TestUnsettledUnheard(t *testing.T) {
	ctx := context.Background()
	s, admin := guarded(t)
	ask := func(channel string) (place int64, unheard bool) {
		c := s.Acquire(Attempt{ID: NewID(s.Lock(Mutex, "lock"), "3f2a8c1e-5b7d-4e9f-a1c3-0d2e4f6a8b9c", ""), TTL: time.Second, Channel: channel}, true)
		s.Do(ctx, &c)
		if c.Err != nil || c.Reply.Status != Unsettled {
			t.Fatal(c.Reply, c.Err)
		}
		history, unheard := c.Reply.Waiting()
		if len(history) != 16 {
			t.Errorf("the history %q", history)
		}
		return c.Reply.Place, unheard
	}
	sub := admin.Subscribe(ctx, "heard")
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]bool{"heard": false, "unheard": true, "": false} {
		if place, unheard := ask(channel); place != 1 || unheard != want {
			t.Errorf("of the channel %q: place %d, unheard %v", channel, place, unheard)
		}
	}
}

// TestPartOfSeveral: also what a request for several locks got only a part of counts only if no younger history
// has answered by then.
func TestPartOfSeveral(t *testing.T) {
	now := 100 * time.Second
	seen := func(id string, known time.Duration) grace.Seen {
		return grace.Seen{ID: id, Known: known, Replicas: grace.None, Asked: now}
	}
	for _, status := range []Status{Busy, Stranger, Held} {
		client := redis.NewClient(&redis.Options{})
		defer client.Close()
		s := New(client)
		defer s.Close()
		s.Guard(grace.New(grace.Config{
			Grace: 10 * time.Second, Window: 4 * time.Second, Now: func() time.Duration { return now }, Settled: func() {},
		}))
		for _, younger := range []bool{false, true} {
			s.guard.Looked("", seen("0000000000000001", time.Hour))
			asked := s.guard.Ask("")
			if younger {
				s.guard.Looked("", seen("0000000000000002", 0))
			}
			c := &Call{Reply: Reply{Status: status, Place: 1, Each: []Reply{{Status: Held, Fence: minFence}}}}
			again := s.judge(&batch{script: graced[Mutex].AcquireAll, calls: []*Call{c}, asked: asked})
			if errors.Is(c.Err, ErrReplaced) != younger || len(again) > 0 {
				t.Errorf("status %v, a younger history has answered: %v; the error is %v, %d calls are made again", status, younger, c.Err, len(again))
			}
		}
	}
}
