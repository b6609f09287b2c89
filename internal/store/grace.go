package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/scripts"
)

var (
	// ErrNoHistory: the server does not tell its replication history.
	ErrNoHistory error = scriptError{noHistory, refusing}
	// errReplica: a history is settled at a master.
	errReplica error = scriptError{"READONLY the server is a replica", passing}
	// errNoSlots: no node has a lock's slot, as far as they know.
	errNoSlots = errors.New("no node serves the slot")
	// ErrReplaced: the lock was given by a server that may have been replaced by another. Whether it is
	// the lock's, only a later answer can tell.
	ErrReplaced = errors.New("the server that gave the lock may have been replaced")
)

const noHistory = "the server does not tell its replication history (INFO replication), which a failover grace needs"

// stampKey is where Redis keeps since when its history is known.
const stampKey = prefix + version + ":h"

// ask puts into batches that may give a lock in which history they may do so. If a look at the stamp
// is due, it comes first. It returns those that are to be sent: if this server can't give a lock, the
// others have the error.
func (s *Store) ask(ctx context.Context, via sender, batches []*batch) []*batch {
	if s.guard == nil {
		return batches
	}
	var unable error
	for _, b := range batches {
		if !b.script.Graced {
			s.asYounger(b)
			continue
		}
		name := b.calls[0].Lock.Name()
		at := s.at(ctx, name)
		if unable == nil && b.takes() && s.guard.Due(at) {
			// After another error nothing is given that would not be given with the look.
			if err := s.look(ctx, via, at, slotOf(tagOf(name))); err != nil && Answered(err) {
				unable = err
			}
		}
		b.asked = s.guard.Ask(at)
		b.line = append(b.line, b.asked.Says[:]...)
	}
	if unable == nil {
		return batches
	}
	return slices.DeleteFunc(batches, func(b *batch) bool {
		if b.takes() {
			for _, c := range b.calls {
				c.Err = unable
			}
		}
		return b.takes() // a release is sent all the same: it gives the lock to nobody then
	})
}

// at names the server that has a key, as [Store.Server] does, and asks if that is not known yet.
func (s *Store) at(ctx context.Context, key string) string {
	at := s.Server(key)
	if at == "" && s.Sharded() {
		if node, err := s.topology.cluster.MasterForKey(ctx, key); err == nil {
			at = node.Options().Addr
		}
	}
	return at
}

const (
	// mostAgain is how often a call is made again because of what was learned of the history.
	mostAgain = 2
	// soon is when to ask again if a server gives nothing for a reason that may be gone already.
	soon = 50 * time.Millisecond
)

// judge tells the guard what a batch's answer says of the history, and returns the calls that are to be
// made once more: what they gave does not count yet, or was refused for a reason that is gone.
func (s *Store) judge(b *batch) (again []*Call) {
	if !b.script.Graced {
		return nil
	}
	verdict, asked := grace.Counts, false
	ran := func() grace.Verdict {
		if !asked {
			verdict, asked = s.guard.Ran(b.asked), true
		}
		return verdict
	}
	for _, c := range b.calls {
		r := &c.Reply
		gave := b.takes() && (r.Status == Held || len(r.Each) > 0) || r.Status == Granted
		switch id, replicas, unsettled := strings.Cut(r.Label, " "); {
		case c.Err != nil:
		case unsettled:
			if s.unsettled(b, c, strings.TrimPrefix(id, "!"), replicas) {
				again = append(again, c)
			}
		case !gave && b.takes() && (r.Status == Busy || r.Status == Stranger):
			ran()
		case !gave || ran() == grace.Counts:
		case r.Status == Granted:
			// It stands in the queue, as far as is known. Asked again, it finds the grant.
			*r = Reply{Status: Held, TTL: r.TTL, Fence: r.Fence, Place: 1}
		default:
			c.Err, c.gave = ErrReplaced, true // until it is asked again
			if verdict == grace.Again {
				again = append(again, c)
			}
		}
	}
	return slices.DeleteFunc(again, func(c *Call) bool {
		c.again++
		return c.again > mostAgain
	})
}

// unsettled notes an answer that a server gives nothing in the history that it has, and reports whether
// to make the call again.
func (s *Store) unsettled(b *batch, c *Call, id, replicas string) (again bool) {
	if id == "" { // no history to wait for
		if b.takes() {
			c.Err = ErrNoHistory
		}
		return false
	}
	left, again := s.guard.Heard(b.asked, id, grace.Replicas(replicas))
	c.Reply.TTL = max(left, soon)
	if c.gave { // by an earlier run, of which nothing is known now
		c.Err, c.Reply.Status = ErrReplaced, Held
	}
	return again && b.takes() && !c.gave
}

// asYounger makes a batch that renews leases one that does not where a younger history than the server's
// was seen.
func (s *Store) asYounger(b *batch) {
	older := s.guard.Older() // empty without a grace, and most often with one
	if older == "" {
		return
	}
	if of := scripts.Younger[b.script]; of != nil {
		b.script, b.line = of, append(b.line, older)
	}
}

// takes reports whether the script takes a lock for its caller.
func (b *batch) takes() bool {
	for _, k := range graced {
		if b.script == k.Acquire || b.script == k.AcquireAll || b.script == k.Resume {
			return true
		}
	}
	return false
}

// Settle writes stamps that say that the running histories have been known for long enough.
func (s *Store) Settle(ctx context.Context) error {
	if !s.Sharded() {
		return s.lookOnce(ctx, s.client, "", stampKey, true)
	}
	_, lowest, err := s.slots(ctx)
	if err != nil {
		return err
	}
	if len(lowest) == 0 {
		return errNoSlots
	}
	for _, slot := range lowest {
		key := stampIn(slot)
		if err := s.lookOnce(ctx, s.client, s.at(ctx, key), key, true); err != nil {
			return err
		}
	}
	return nil
}
