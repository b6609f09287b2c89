package store

import (
	"context"
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

// TestLook: a look takes replicas out of the stamp that are gone, unless one has begun to follow since it was
// known that they are.
func TestLook(t *testing.T) {
	ctx := context.Background()
	s, admin := guarded(t)
	look := func(lower string) grace.Seen {
		t.Helper()
		b := &batch{script: scripts.Graced.Look, line: append(newLine(scripts.Graced.Look, 1, 3), stampKey, lower, "", 1000)}
		s.send(ctx, s.client, []*batch{b})
		seen, ok := decodeLook(b.cmd.Val())
		if !ok {
			t.Fatal(b.cmd)
		}
		return seen
	}
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
		c := s.Acquire(Attempt{NewID(s.Lock("lock"), "3f2a8c1e-5b7d-4e9f-a1c3-0d2e4f6a8b9c", ""), time.Second, "", channel}, true)
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
