package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

const (
	demoDefaultTTL = 2 * time.Second
	demoMinTTL     = 500 * time.Millisecond
	demoMaxTTL     = 5 * time.Second
	demoLimit      = 29 * time.Second // it promises to take less than 30 s
)

type demoFlags struct {
	redis string
	ttl   time.Duration
}

func newDemoCommand() *cobra.Command {
	var flags demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show leaders killed, frozen and resigning, live",
		Long: `Three worker processes lead in turn, shown as a live timeline:

  1  Election            one is elected and writes, each write with its fence
  2  Leader killed       SIGKILL; the next one leads once the TTL has run out
  3  Leader frozen       SIGSTOP past its TTL, replaced, thawed: its context is
                         done, and the store refuses the write it sends anyway
  4  Resignation         the leader hands on, and the next one leads at once

It needs no Redis: it brings one of its own, in memory. With --redis it uses
that one; its keys there have names of their own and are deleted or expire.

It takes about 10 seconds and exits with status 1 if anything went wrong, two
owners at once above all.`,
		Example: `  holdfast demo
  holdfast demo --ttl 1s
  holdfast demo --redis redis://localhost:6379/0`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), flags, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&flags.redis, "redis", "",
		"`URL` of the Redis to use in place of one in memory")
	durationVar(cmd, &flags.ttl, "ttl", "", demoDefaultTTL,
		fmt.Sprintf("TTL of the lock, %v to %v", demoMinTTL, demoMaxTTL))
	return cmd
}

func runDemo(ctx context.Context, flags demoFlags, out io.Writer) error {
	if flags.ttl < demoMinTTL || flags.ttl > demoMaxTTL {
		return usageError(fmt.Errorf("--ttl %v is out of range: %v to %v", flags.ttl, demoMinTTL, demoMaxTTL))
	}
	if !canFreeze {
		return errors.New("the demo needs a Unix system: it freezes a process with SIGSTOP")
	}
	server, err := openRedis(ctx, flags.redis)
	if err != nil {
		return err
	}
	defer server.close()

	limited, cancel := context.WithTimeoutCause(ctx, demoLimit, fmt.Errorf("it was not over after %v", demoLimit))
	defer cancel()
	err = direct(limited, server, flags.ttl, out)
	if err != nil && ctx.Err() != nil {
		return &statusError{status: statusInterrupted, err: errors.New("interrupted")}
	}
	return err
}

// direct runs the demo on a Redis that answers, and leaves nothing behind.
func direct(ctx context.Context, server *demoRedis, ttl time.Duration, out io.Writer) (err error) {
	// Random, so that demos on one Redis don't meet. The braces keep a lock's
	// keys and its store on one node of a cluster.
	run := fmt.Sprintf("{holdfast-demo:%s}", rand.Text()[:8])
	config := workerConfig{Redis: server.url, Lock: run + ":leader", Store: run + ":store", TTL: ttl}

	store := fencedStore{client: server.client, key: config.Store}
	// The last to go: no worker is left that could write it again.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if e := store.delete(ctx); e != nil && err == nil {
			err = fmt.Errorf("deleting the demo's store: %w", e)
		}
	}()
	locks := holdfast.New(server.client, holdfast.WithLogger(nil))
	defer locks.Close()
	team := newTeam(config)
	defer team.close()

	d := &director{
		ttl:    ttl,
		team:   team,
		screen: newScreen(out),
		lock:   locks.Mutex(config.Lock, holdfast.WithTTL(ttl)),
		frozen: make(map[string]bool),
	}
	fmt.Fprintf(out, "Three processes take turns as the leader: lock %s,\nTTL %v, on %s.\n",
		config.Lock, ttl, server.description)
	return d.run(ctx)
}

// demoRedis is the Redis that the demo runs on.
type demoRedis struct {
	url         string
	description string
	client      *redis.Client
	embedded    *miniredis.Miniredis
}

func (r *demoRedis) close() {
	r.client.Close()
	if r.embedded != nil {
		r.embedded.Close()
	}
}

// openRedis connects to the Redis of that URL, or starts one if it is empty.
func openRedis(ctx context.Context, rawURL string) (*demoRedis, error) {
	if rawURL == "" {
		return startRedis()
	}
	options, err := demoOptions(rawURL)
	if err != nil {
		return nil, usageError(fmt.Errorf("--redis is not a Redis URL: %w", err))
	}
	client := redis.NewClient(options)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		client.Close()
		return nil, fmt.Errorf("no answer from Redis at %s (%w): start it or correct --redis, "+
			"or leave --redis out to use one in memory", options.Addr, err)
	}
	return &demoRedis{url: rawURL, description: "Redis at " + options.Addr, client: client}, nil
}

// demoOptions reads the URL of one server. No error shows any of the URL: see parseTarget.
func demoOptions(rawURL string) (*redis.Options, error) {
	u, err := parseTarget(rawURL)
	if err != nil {
		return nil, err
	}
	if u.kind != "" {
		return nil, errors.New("the demo runs on one server: its scheme is redis, rediss or unix")
	}
	t, err := u.client("")
	if err != nil {
		return nil, err
	}
	t.client.Close()
	options, err := redis.ParseURL(rawURL) // as its workers do
	if err != nil || options.Addr != t.addr {
		return nil, unreadable("it can't be read")
	}
	return options, nil
}

func startRedis() (*demoRedis, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting a Redis in memory: %w", err)
	}
	m.ClockTTL(true) // keys expire by themselves, as in a real one
	return &demoRedis{
		url:         "redis://" + m.Addr(),
		description: "a Redis in memory at " + m.Addr(),
		client:      redis.NewClient(&redis.Options{Addr: m.Addr()}),
		embedded:    m,
	}, nil
}
