package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Replicated renews a lease as Renew does and then waits until n replicas have it, or for timeout. It
// returns the reply to the renewal, and how many replicas have it. WAIT
// (https://redis.io/docs/latest/commands/wait/) counts the replicas that have the last write of its own
// connection, so the renewal comes before it on the same one.
func (s *Store) Replicated(ctx context.Context, id ID, ttl time.Duration, seq uint32, n int, timeout time.Duration) (Reply, int, error) {
	began := time.Now()
	call := s.Renew(id, ttl, seq, true, 0)
	node, err := s.node(ctx, id.Lock.Name(), timeout)
	if err != nil {
		return Reply{}, 0, s.inTime(began, err)
	}
	b := &batch{script: call.script, calls: []*Call{&call}}
	b.fill()
	s.asYounger(b)
	b.prepare(ctx, whole) // the server may not know the hash, and then WAIT would wait in vain
	wait := redis.NewIntCmd(ctx, "wait", n, timeout.Milliseconds())
	pipe := node.Pipeline()
	_, _ = pipe.Process(ctx, noRetry{b.cmd}), pipe.Process(ctx, wait)
	exec(ctx, pipe, b)
	if err := b.cmd.Err(); err != nil {
		b.cmd.SetErr(s.inTime(began, err))
	}
	b.answer()
	if err := call.Err; err != nil && (!Answered(err) || redis.HasErrorPrefix(err, "MOVED")) {
		s.RefreshTopology()
	}
	if call.Err == nil && call.Reply.Status == Held {
		return call.Reply, int(wait.Val()), s.inTime(began, wait.Err())
	}
	return call.Reply, 0, call.Err
}

// node returns the client of the server that has a lock's keys, with a read time-out that is longer
// by silent.
func (s *Store) node(ctx context.Context, name string, silent time.Duration) (interface{ Pipeline() redis.Pipeliner }, error) {
	var node *redis.Client
	switch c := s.client.(type) {
	case *redis.Client:
		node = c
	case *redis.ClusterClient:
		var err error
		if node, err = c.MasterForKey(ctx, name); err != nil {
			return nil, err
		}
	default:
		return s.client, nil
	}
	if read := node.Options().ReadTimeout; read > 0 {
		node = node.WithTimeout(read + silent)
	}
	return node, nil
}
