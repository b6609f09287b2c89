package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// result is what came of a library.
type result struct {
	lib     *library
	Version string
	Missing string            // why it can't be had here
	Found   map[string]string // by each trial
	Changed []string          // what is not as expected

	Race         raced
	Alone, Turns raced // Holdfast does not rest: with its defaults, and with turns for strangers
	Busy         time.Duration
	Soon         handOffs
}

// open starts the workers of a library, and a Locker beside them.
func open(ctx context.Context, lib *library, s *store, addr string, client *redis.Client) (b *beside, stop func(), err error) {
	cmd, err := lib.get(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	b = &beside{lib: lib, client: client}
	stop = func() {
		for _, w := range b.workers {
			if w != nil {
				w.close()
			}
		}
		if b.locks != nil {
			_ = b.locks.Close()
		}
	}
	for i := range b.workers {
		if b.workers[i], err = launch(ctx, cmd.on(addr)); err != nil {
			stop()
			return nil, nil, err
		}
	}
	b.locks = holdfast.New(client, holdfast.WithLogger(nil))
	return b, stop, nil
}

// try does all trials with a library. It returns an error if they could not be gone on with.
func (r *result) try(ctx context.Context, s *store, addr string, client *redis.Client, race time.Duration) error {
	b, stop, err := open(ctx, r.lib, s, addr, client)
	if known := (errNotAvailable{}); errors.As(err, &known) {
		r.Missing = known.why
		return nil
	}
	if err != nil {
		r.Missing = err.Error()
		return err
	}
	defer stop()
	r.Version = b.w().version
	r.checkVersion()
	for _, t := range trials {
		if err := r.one(ctx, b, t); err != nil {
			return fmt.Errorf("trial %q: %w", t.name, err)
		}
	}
	if r.Soon, err = b.handOffs(ctx); err != nil {
		return fmt.Errorf("hand-offs: %w", err)
	}
	return r.races(ctx, b, race)
}

// checkVersion finds out whether this is the library that is meant.
func (r *result) checkVersion() {
	if !strings.HasPrefix(r.Version, r.lib.version) {
		r.Changed = append(r.Changed, fmt.Sprintf("the version does not begin with %q", r.lib.version))
	}
}

// one does a trial.
func (r *result) one(ctx context.Context, b *beside, t trial) error {
	if err := b.client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	found, err := t.run(ctx, b)
	if err != nil {
		return err
	}
	r.Found[t.name] = found
	if want := r.lib.expect[t.name]; found != want {
		r.Changed = append(r.Changed, fmt.Sprintf("trial %q: %q instead of %q", t.name, found, want))
	}
	return nil
}

// races runs the races, and demands that both sides get the lock.
func (r *result) races(ctx context.Context, b *beside, d time.Duration) (err error) {
	r.Busy = max(d/4, 3*time.Second)
	for _, race := range []struct {
		name    string
		res     *raced
		d, rest time.Duration
		clients int
		least   int // how often the library must get it
		opts    []holdfast.Option
	}{
		{"race", &r.Race, d, rest, 2, 1, nil},
		{"race beside a busy Holdfast", &r.Alone, r.Busy, 0, 1, 0, nil}, // nothing is promised
		{"race beside a busy Holdfast, with turns for strangers", &r.Turns, r.Busy, 0, 1, 1,
			[]holdfast.Option{holdfast.WithTurnsForStrangers(time.Second, r.lib.gap)}},
	} {
		if *race.res, err = b.race(ctx, race.d, race.rest, race.clients, race.opts...); err != nil {
			return fmt.Errorf("%s: %w", race.name, err)
		}
		if got := race.res; got.Ours.Got == 0 || got.Theirs.Got < race.least {
			r.Changed = append(r.Changed, fmt.Sprintf("%s: in %v Holdfast had the lock %d times and the library %d times, which is too few",
				race.name, race.d, got.Ours.Got, got.Theirs.Got))
		}
	}
	return nil
}

// print writes what came of a library while the others still run.
func (r *result) print(out io.Writer) {
	if r.Missing != "" {
		fmt.Fprintf(out, "  not available here: %s\n", r.Missing)
		return
	}
	fmt.Fprintf(out, "  version        %s\n", r.Version)
	for _, t := range trials {
		fmt.Fprintf(out, "  %-14s %s\n", t.name, r.Found[t.name])
	}
	fmt.Fprintf(out, "  hand-offs      to Holdfast %v, with notifications %v, to the library %v\n", r.Soon.Ours, r.Soon.Told, r.Soon.Theirs)
	fmt.Fprintf(out, "  race           %v\n  no pause       %v\n  with turns     %v\n", r.Race, r.Alone, r.Turns)
	for _, c := range r.Changed {
		fmt.Fprintf(out, "  CHANGED %s\n", c)
	}
}
