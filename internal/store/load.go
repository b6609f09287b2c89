package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// From Redis 7.4 and Valkey 8 on, a server forgets a script that came by EVAL when 500 others have
// come that way. One that came by SCRIPT LOAD stays; on Redis 8.0 only if it did not come by EVAL
// before. So a script that a server does not know is loaded first, which costs a round trip at the
// script's first use on that server.

// load makes servers know the scripts of batches. It returns false where they can't be loaded: then
// the batches must be sent whole.
func (s *Store) load(ctx context.Context, via sender, batches []*batch) bool {
	if s.unloadable.Load() {
		return false
	}
	type place struct {
		server sender
		script *scripts.Script
	}
	done := make(map[place]bool)
	for _, b := range batches {
		at := place{via, b.script}
		if s.Sharded() {
			name, _ := b.line[firstKey].(string)
			node, err := s.topology.cluster.MasterForKey(ctx, name)
			if err != nil {
				return false
			}
			at.server = node
		}
		if done[at] {
			continue
		}
		done[at] = true
		cmd := redis.NewCmd(ctx, "script", "load", b.script.Source)
		if err := at.server.Process(ctx, noRetry{cmd}); err != nil {
			// Without the right to SCRIPT LOAD, or behind a proxy that does not know it, it would be
			// refused each time.
			if replied(err) && verdictOf(err) != passing {
				s.unloadable.Store(true)
			}
			return false
		}
	}
	return true
}
