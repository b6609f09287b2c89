package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/scripts"
)

// lookPatience is how long a look waits for another one. That may have no answer, and this one goes by
// another connection.
const lookPatience = 200 * time.Millisecond

// look looks at the stamp of the server that has a slot, one at a time.
func (s *Store) look(ctx context.Context, via sender, at string, slot int) error {
	late := time.NewTimer(lookPatience)
	defer late.Stop()
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	for range 2 { // the first may find that the stamp is to be changed
		if !s.guard.Due(at) {
			break
		}
		key, err := s.stampOf(ctx, slot)
		if err == nil {
			err = s.lookOnce(ctx, via, at, key, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookOnce looks at a stamp, or settles the history that the server has.
func (s *Store) lookOnce(ctx context.Context, via sender, at, key string, settle bool) error {
	asked, lower, longest := s.guard.Now(), s.guard.Lower(at), s.guard.Longest()
	if settle {
		longest = 0 // whoever settles a history need not go by it
	}
	b := &batch{script: scripts.Look, line: append(newLine(scripts.Look, 1, 3), key, lower, flag(settle), longest.Milliseconds())}
	s.send(ctx, via, []*batch{b})
	v, err := b.cmd.Result()
	if why, unable := strings.CutPrefix(fmt.Sprint(err), "NOHISTORY "); unable {
		return scriptError{noHistory + ": " + why, refusing}
	}
	if err != nil {
		return err
	}
	seen, ok := decodeLook(v)
	switch {
	case !ok:
		return malformed(v)
	case seen.ID == "" && seen.Known == 0:
		return ErrNoHistory
	case seen.ID == "" && settle:
		return errReplica
	case seen.ID == "": // a replica: what may give a lock will be refused
		return nil
	}
	seen.Asked, seen.Lower = asked, lower
	s.guard.Looked(at, seen)
	return nil
}

// decodeLook reads a reply of look.lua.
func decodeLook(v any) (seen grace.Seen, ok bool) {
	fields, _ := v.([]any)
	if len(fields) != 9 {
		return seen, false
	}
	var text [3]string
	for i, at := range [...]int{0, 2, 3} {
		if text[i], ok = fields[at].(string); !ok {
			return seen, false
		}
	}
	var n [6]int64
	for i, at := range [...]int{1, 4, 5, 6, 7, 8} {
		if n[i], ok = fields[at].(int64); !ok || n[i] < 0 {
			return seen, false
		}
	}
	if n[0] > maxMillis || n[1] > maxMillis || n[5] > maxMillis {
		return seen, false
	}
	return grace.Seen{
		ID: text[0], Replicas: grace.Replicas(text[1]), Stamped: strings.Fields(text[2]),
		Known: time.Duration(n[0]) * time.Millisecond, Longest: time.Duration(n[1]) * time.Millisecond,
		Syncs: n[2], Settled: n[3] == 1, Joinable: n[4] == 1, Short: time.Duration(n[5]) * time.Millisecond,
	}, true
}

// stampOf returns the key of the stamp of the server that has a slot: of a Cluster's node one in its
// lowest slot. Nodes are told apart by their IDs: they may have other addresses for each other than the client,
// or none.
func (s *Store) stampOf(ctx context.Context, slot int) (string, error) {
	if !s.Sharded() {
		return stampKey, nil
	}
	ranges, lowest, err := s.slots(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range ranges {
		if r.Start <= slot && slot <= r.End && len(r.Nodes) > 0 {
			return stampIn(lowest[r.Nodes[0].ID]), nil
		}
	}
	return "", errNoSlots
}

// slots returns which node of a Cluster has which slots, and the lowest of each.
func (s *Store) slots(ctx context.Context) (ranges []redis.ClusterSlot, lowest map[string]int, err error) {
	cmd := redis.NewClusterSlotsCmd(ctx, "cluster", "slots") // CLUSTER SHARDS came with Redis 7
	_ = s.topology.cluster.Process(ctx, cmd)
	ranges, err = cmd.Result()
	lowest = make(map[string]int)
	for _, r := range ranges {
		if len(r.Nodes) > 0 {
			node := r.Nodes[0].ID
			if low, ok := lowest[node]; !ok || r.Start < low {
				lowest[node] = r.Start
			}
		}
	}
	return ranges, lowest, err
}

// stampIn returns the key of the stamp in a slot.
func stampIn(slot int) string { return stampKey + ":{" + tagIn(slot) + "}" }
