package store

import (
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// together is the owner of a call for several locks, which has one outcome: see AcquireAll.
type together []ID

// AcquireAll takes the NAMEs of several attempts, which differ in their IDs only and are in one slot of a
// Cluster: see [Store.Together]. It is Held if it took all. Otherwise Status and TTL say why it could not
// take the first that it could not take, and Place is how many are before it: those it took, too, if some
// is true; else none. Each is what [Calls.Acquire] replies for those that were taken. Nobody joins the
// queue.
func (c *Calls) AcquireAll(attempts []Attempt, some bool) Call {
	flags := c.flags
	if some {
		flags += "p"
	}
	first, ids := &attempts[0], make(together, len(attempts))
	for i := range attempts {
		ids[i] = attempts[i].ID
	}
	return Call{
		Lock: first.Lock, script: first.Lock.kind.AcquireAll, owner: ids,
		args: []any{first.TTL.Milliseconds(), flags, first.info()},
	}
}

// Together returns how many of names, from the first on, can be taken by one call: on a Cluster, or behind
// what may be one, only names that have the same hash tag.
func (s *Store) Together(names []string) int {
	if most := int(s.maxLocks.Load()); most > 1 {
		return min(len(names), most)
	}
	n := 1
	for n < min(len(names), scriptLocks) && tagOf(names[n]) == tagOf(names[0]) {
		n++
	}
	return n
}

// CrossSlot reports whether a call was refused because its locks are in several slots. [Store.Together]
// has learned of that.
func CrossSlot(err error) bool { return err != nil && redis.HasErrorPrefix(err, "CROSSSLOT") }

// Locks is for how many locks the call is.
func (c *Call) Locks() int {
	if ids, several := c.owner.(together); several {
		return len(ids)
	}
	return 1
}

// answer gives the call its reply.
func (t together) answer(b *batch) {
	v, err := b.cmd.Result()
	c := b.calls[0]
	if err == nil {
		c.Reply, err = t.decode(v)
	}
	if err != nil {
		c.Err = b.redact(err)
	}
}

// decode reads a reply of acquire_all.lua.
func (t together) decode(v any) (Reply, error) {
	fields, _ := v.([]any)
	if len(fields) == numbers+1 && fields[0] == int64(Unsettled) {
		return decode(fields)
	}
	if len(fields) < numbers || len(fields)%numbers != 0 {
		return Reply{}, malformed(v)
	}
	r, err := decode(fields[:numbers])
	if err != nil {
		return Reply{}, err
	}
	for rest := fields[numbers:]; len(rest) > 0; rest = rest[numbers:] {
		each, err := decode(rest[:numbers])
		if err != nil || each.Status != Held || each.Fence < minFence || each.Fence >= scripts.MaxFence {
			return Reply{}, malformed(v)
		}
		r.Each = append(r.Each, each)
	}
	all := r.Status == Held
	switch n := int64(len(t)); {
	case len(r.Each) != 0 && r.Place != int64(len(r.Each)), // neither none nor those before the first
		all && (r.Place != n || len(r.Each) != len(t)),
		!all && (r.Place >= n || r.Status > Held):
		return Reply{}, malformed(v)
	}
	return r, nil
}
