package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// Replicated renews a lease as Renew does and then waits until n replicas have all that the
// server has written by then, the lease included, or for the timeout: what came of the
// renewal, and how many replicas have. WAIT (https://redis.io/docs/latest/commands/wait/)
// counts from the last write of its own connection, so the renewal goes before it there.
func (s *Store) Replicated(ctx context.Context, id ID, ttl time.Duration, seq uint32, n int, timeout time.Duration) (Reply, int, error) {
	call := s.Renew(id, ttl, seq, true, 0)
	node, err := s.node(ctx, id.Lock.Name, timeout)
	if err != nil {
		return Reply{}, 0, err
	}
	b := &batch{script: scripts.Renew, calls: []*Call{&call}}
	b.fill()
	b.prepare(ctx, whole) // by its hash it may be unknown, and WAIT would wait in vain
	wait := redis.NewIntCmd(ctx, "wait", n, timeout.Milliseconds())
	pipe := node.Pipeline()
	_, _ = pipe.Process(ctx, once{b.cmd}), pipe.Process(ctx, wait)
	exec(ctx, pipe, b)
	b.answer()
	if err := call.Err; err != nil && (!Answered(err) || redis.HasErrorPrefix(err, "MOVED")) {
		s.Doubt()
	}
	if call.Err == nil && call.Reply.Status == Held {
		return call.Reply, int(wait.Val()), wait.Err()
	}
	return call.Reply, 0, call.Err
}

// node returns the client of the server that has a lock's keys, with time for it to say
// nothing for so long.
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
