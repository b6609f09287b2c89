package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// pingTimeout bounds the first look whether there is a Redis.
	pingTimeout = 5 * time.Second
	// clusterPingTimeout is that for a Cluster of many addresses: the client asks one after the other
	// for the slots, and one that hangs takes its readTimeout.
	clusterPingTimeout = 15 * time.Second
)

// ping sees whether Redis answers, and says what to do if not. On a Cluster it asks the master that
// has the lock of this name, or all at once if there is none, of which one has to answer.
func (t *target) ping(ctx context.Context, name string) error {
	limit := pingTimeout
	if cluster, ok := t.client.(*redis.ClusterClient); ok {
		limit = min(limit+time.Duration(len(cluster.Options().Addrs)-1)*readTimeout, clusterPingTimeout)
	}
	err := within(ctx, limit, func() error { return t.answer(ctx, name) })
	switch {
	case err == nil, isRefusal(err): // of the Cluster's slots, say
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return t.unavailable(err)
}

// within waits for an answer no longer than the limit or ctx last. The client does not always heed
// its context; the goroutine ends with its time-outs.
func within(ctx context.Context, limit time.Duration, answer func() error) error {
	done := make(chan error, 1)
	go func() { done <- answer() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("none within %v", limit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer waits for an answer of the server that has the lock of this name.
func (t *target) answer(ctx context.Context, name string) error {
	cluster, ok := t.client.(*redis.ClusterClient)
	if !ok {
		return answerOf(ctx, t.client)
	}
	if name == "" {
		return anyMaster(ctx, cluster)
	}
	master, err := cluster.MasterForKey(ctx, name)
	if err != nil {
		return err
	}
	return answerOf(ctx, master)
}

// answerOf sends a PING. That the user may not send it, or that the server lacks what sets up the
// connection, is an answer, too.
func answerOf(ctx context.Context, client redis.UniversalClient) error {
	err := client.Ping(ctx).Err()
	if isRefusal(err) {
		return nil
	}
	return err
}

// isRefusal reports whether an error says what a user or a server lacks.
func isRefusal(err error) bool { return refusalOf([]any{"ping"}, 0, err) != (refusal{}) }

// anyMaster returns as soon as one master answers, or an error if none does. The goroutine ends when
// all have, or with their read timeouts.
func anyMaster(ctx context.Context, cluster *redis.ClusterClient) error {
	first := make(chan error, 1)
	tell := func(err error) {
		select {
		case first <- err:
		default:
		}
	}
	go func() {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
			err := answerOf(ctx, master)
			if err == nil {
				tell(nil)
			}
			return err
		})
		if err == nil {
			err = errors.New("the Cluster has no master") // else one has told
		}
		tell(err)
	}()
	return <-first
}
