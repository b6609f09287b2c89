package main

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast"
)

// times is for how long one waited for the other's release.
type times struct{ Shortest, Longest time.Duration }

func (t *times) add(d time.Duration) {
	if t.Longest == 0 || d < t.Shortest {
		t.Shortest = d
	}
	t.Longest = max(t.Longest, d)
}

const rounds = 4

// handOffs is how soon each has the lock after the other's release.
type handOffs struct {
	Ours, Theirs times
	Told         times // Ours, if the server sends keyspace notifications
}

// handOffs measures them.
func (b *beside) handOffs(ctx context.Context) (h handOffs, err error) {
	if h.Ours, h.Theirs, err = b.turnByTurn(ctx); err != nil {
		return h, err
	}
	if err := b.client.ConfigSet(ctx, "notify-keyspace-events", "Kg$x").Err(); err != nil {
		return h, err
	}
	h.Told, _, err = b.turnByTurn(ctx)
	return h, errors.Join(err, b.client.ConfigSet(ctx, "notify-keyspace-events", "").Err())
}

// turnByTurn has Holdfast wait for the library's release, and then the other way round, some times. The one that waits has
// waited for a while, each time for longer, so that its tries come at other moments.
func (b *beside) turnByTurn(ctx context.Context) (ours, theirs times, err error) {
	if err := b.client.FlushAll(ctx).Err(); err != nil {
		return ours, theirs, err
	}
	for i := range rounds {
		waited := 250*time.Millisecond + time.Duration(i)*37*time.Millisecond
		if err := b.w().must(acquire(long, patience)); err != nil {
			return ours, theirs, err
		}
		var release func() error
		d, err := handOff(waited, func() (err error) {
			_, release, err = b.hold(ctx, holdfast.WithWaitTimeout(patience))
			return err
		}, func() error { return b.w().must(order{Op: "release"}) })
		if err != nil {
			return ours, theirs, err
		}
		ours.add(d)
		d, err = handOff(waited, func() error { return b.w().must(acquire(long, patience)) }, release)
		if err := errors.Join(err, b.w().must(order{Op: "release"}), b.gone(ctx)); err != nil {
			return ours, theirs, err
		}
		theirs.add(d)
	}
	return ours, theirs, nil
}

// handOff has one wait for a lock and the other release it, and tells how long it took from that call on.
func handOff(waited time.Duration, wait, release func() error) (time.Duration, error) {
	type ended struct {
		at  time.Time
		err error
	}
	got := make(chan ended, 1)
	// Started here; ends with its call, which waits for patience at most; waited for below.
	go func() {
		err := wait()
		got <- ended{time.Now(), err}
	}()
	time.Sleep(waited)
	start := time.Now()
	err := release()
	end := <-got
	return end.at.Sub(start), errors.Join(err, end.err)
}
