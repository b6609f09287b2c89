package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// slotFaults move a slot of the Cluster from one master to another, with its keys.
var slotFaults = []fault{
	{name: "slot migrated", track: server, on: []string{Cluster}, settle: 3 * time.Second, do: migrate},
	{name: "slot migrated at once (CLUSTER MIGRATESLOTS)", track: server, on: []string{Cluster}, settle: 3 * time.Second,
		command: "cluster|migrateslots", do: migrateAtOnce},
}

// move is a slot on its way.
type move struct {
	slot     int
	from, to *redistest.Server
	masters  []*redistest.Server
}

// moveOne chooses a lock, whose slot is to be moved, and where to.
func (s *strike) moveOne() (*move, error) {
	ctx := context.Background()
	name := s.d.locks[s.r.IntN(len(s.d.locks))]
	s.note = name
	m := &move{masters: s.masters()}
	m.slot = int(s.nodes[m.masters[0]].ClusterKeySlot(ctx, name).Val())
	for _, n := range m.masters {
		if err := s.nodes[n].Exists(ctx, name).Err(); err == nil {
			m.from = n
		} else if m.to == nil || s.r.IntN(2) == 0 {
			m.to = n
		}
	}
	if m.from == nil || m.to == nil {
		return nil, fmt.Errorf("slot %d: nobody serves it, or everybody", m.slot)
	}
	return m, nil
}

// migrate moves a slot key by key.
func migrate(s *strike) error {
	ctx := context.Background()
	m, err := s.moveOne()
	if err != nil {
		return err
	}
	from, to := s.nodes[m.from], s.nodes[m.to]
	fromID, toID := from.Do(ctx, "cluster", "myid").Val(), to.Do(ctx, "cluster", "myid").Val()
	if err := to.Do(ctx, "cluster", "setslot", m.slot, "importing", fromID).Err(); err != nil {
		return err
	}
	if err := from.Do(ctx, "cluster", "setslot", m.slot, "migrating", toID).Err(); err != nil {
		return err
	}
	host, port := hostPort(m.to)
	for range 100 {
		time.Sleep(s.between(0, 0.2))
		keys, err := from.ClusterGetKeysInSlot(ctx, m.slot, 1).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		if err := from.Do(ctx, "migrate", host, port, "", 0, 5000, "keys", keys[0]).Err(); err != nil {
			return err
		}
	}
	// The new owner first, as redis-cli does it, so that nobody finds the slot unowned.
	for _, n := range append([]*redistest.Server{m.to}, m.masters...) {
		if err := s.nodes[n].Do(ctx, "cluster", "setslot", m.slot, "node", toID).Err(); err != nil {
			return err
		}
	}
	return s.replicated()
}

// migrateAtOnce has the servers move the slot as a whole: the old master goes on serving it, holds calls back
// for a moment at the end, and then sends them to the new one.
func migrateAtOnce(s *strike) error {
	ctx := context.Background()
	m, err := s.moveOne()
	if err != nil {
		return err
	}
	id, err := s.nodes[m.to].Do(ctx, "cluster", "myid").Text()
	if err != nil {
		return err
	}
	if err := s.nodes[m.from].Do(ctx, "cluster", "migrateslots", "slotsrange", m.slot, m.slot, "node", id).Err(); err != nil {
		return err
	}
	err = await("the slot is the other master's", failoverTime, func() bool {
		text, _ := s.nodes[m.to].ClusterNodes(ctx).Result()
		return ownSlots(text, m.slot)
	})
	return errors.Join(err, s.replicated())
}

// ownSlots reports whether the node that said CLUSTER NODES serves a slot.
func ownSlots(nodes string, slot int) bool {
	for line := range strings.Lines(nodes) {
		if !strings.Contains(line, "myself") {
			continue
		}
		for _, part := range strings.Fields(line)[8:] {
			var first, last int
			if n, _ := fmt.Sscanf(part, "%d-%d", &first, &last); n == 1 {
				last = first
			}
			if first <= slot && slot <= last && !strings.HasPrefix(part, "[") {
				return true
			}
		}
	}
	return false
}
