package list

import (
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// State is what Redis says of a lock. It has the fields of Info in package holdfast, which documents them.
type State struct {
	Held     bool
	Stranger bool
	Label    string
	Fence    int64
	TTL      time.Duration
	NoExpiry bool
	Waiters  int
	Grace    time.Duration

	Kept    bool
	MayRest bool

	Since   time.Time
	HeldFor time.Duration

	Permits, Limit int
}

// StateOf makes the state of the reply to an inspection. grace is for how long no lock is given yet.
func StateOf(kind store.Kind, r store.Reply, grace time.Duration) State {
	if r.Status == store.Gone {
		return State{Waiters: int(r.Place), Grace: grace}
	}
	s := State{
		Held:     true,
		Stranger: r.Status == store.Stranger,
		Kept:     r.Status == store.Kept,
		MayRest:  r.Rests,
		Waiters:  int(r.Place),
		Label:    r.Label,
		Fence:    r.Fence,
		TTL:      max(r.TTL, 0),
		NoExpiry: r.TTL < 0,
		HeldFor:  r.Age,
		Grace:    grace,
	}
	if kind == store.Permits && !s.Stranger {
		var holders []store.PermitHolder
		s.Permits, s.Limit, holders = store.Holders(r)
		s.Label = ""
		if n := len(holders); n > 0 {
			s.Label = holders[n-1].Label
		}
	}
	if s.Fence != 0 {
		s.Since = time.UnixMicro(s.Fence).UTC()
	}
	return s
}

// Either is the state of a name from its states as a mutex and as permits, each of which shows the other as a
// stranger; shared if it is held as permits.
func Either(mutex, permits State) (s State, shared bool) {
	s, waiters := mutex, mutex.Waiters+permits.Waiters
	if !permits.Stranger && (permits.Held || mutex.Stranger) {
		s, shared = permits, true
	}
	s.Waiters = waiters
	return s, shared
}

// NotOf is nil if the reply to a Force for the holder of a fence says that it was found, and else an other that says
// who has the lock.
func NotOf(fence int64, kind store.Kind, r store.Reply, other error) error {
	switch {
	case r.Status == store.Stranger:
		return fmt.Errorf("%w: a stranger's, which has none, not %d", other, fence)
	case r.Status != store.Taken:
		return nil
	case kind == store.Permits:
		return fmt.Errorf("%w: no holder has the fence %d", other, fence)
	}
	return fmt.Errorf("%w: its fence is %d, not %d", other, r.Fence, fence)
}
