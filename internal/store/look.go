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

// look looks at a server's stamp, one at a time, or settles the history that the server has.
func (s *Store) look(ctx context.Context, via sender, at string, settle bool) error {
	late := time.NewTimer(lookPatience)
	defer late.Stop()
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if settle {
		return s.lookOnce(ctx, via, at, settle)
	}
	for range 2 { // the first may find that the stamp is to be changed
		if !s.guard.Due(at) {
			break
		}
		if err := s.lookOnce(ctx, via, at, settle); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) lookOnce(ctx context.Context, via sender, at string, settle bool) error {
	key, err := s.stampAt(ctx, at)
	if err != nil {
		return err
	}
	longest := s.guard.Longest()
	if settle {
		longest = 0 // whoever settles a history need not go by it
	}
	b := &batch{script: scripts.Graced.Look, line: append(newLine(scripts.Graced.Look, 1, 3), key, s.guard.Lower(at), flag(settle), longest.Milliseconds())}
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
	s.guard.Looked(at, seen)
	return nil
}

// decodeLook reads a reply of look.lua.
func decodeLook(v any) (seen grace.Seen, ok bool) {
	fields, _ := v.([]any)
	if len(fields) != 7 {
		return seen, false
	}
	seen.ID, ok = fields[0].(string)
	var n [6]int64
	for i := range n {
		var number bool
		n[i], number = fields[i+1].(int64)
		ok = ok && number && n[i] >= 0
	}
	if !ok || n[0] > maxMillis || n[1] > maxReplicas || n[2] > maxReplicas || n[3] > maxMillis {
		return seen, false
	}
	seen.Known, seen.Longest = time.Duration(n[0])*time.Millisecond, time.Duration(n[3])*time.Millisecond
	seen.Replicas, seen.Most, seen.Syncs, seen.Settled = int(n[1]), int(n[2]), n[4], n[5] == 1
	return seen, true
}

// stampAt returns the key of a server's stamp: of a Cluster's node one in its lowest slot.
func (s *Store) stampAt(ctx context.Context, at string) (string, error) {
	if !s.Sharded() {
		return stampKey, nil
	}
	slots := redis.NewClusterSlotsCmd(ctx, "cluster", "slots") // CLUSTER SHARDS came with Redis 7
	_ = s.topology.cluster.Process(ctx, slots)
	ranges, err := slots.Result()
	if err != nil {
		return "", err
	}
	lowest := slotCount
	for _, r := range ranges {
		if len(r.Nodes) > 0 && r.Nodes[0].Addr == at {
			lowest = min(lowest, r.Start)
		}
	}
	if lowest == slotCount {
		return "", errMovedOn
	}
	return stampKey + ":{" + tagIn(lowest) + "}", nil
}
