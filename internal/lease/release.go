package lease

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// TombstoneTTL is how long a request that was taken back is remembered, in case that it arrives
// late: longer than a network keeps a packet.
const TombstoneTTL = time.Minute

// Release is the tries to give a lease back, one by one.
type Release struct {
	l         *Lease
	tombstone time.Duration
	fence     int64
	next      *store.Attempt
	passable  bool // else somebody may have the token
	moving    int  // tries that failed because the lock's slot migrates
}

// Release begins to give the lease back: with the largest fence that Redis does not know of, and
// with who is to have the lock next.
func (l *Lease) Release(fence int64, next *store.Attempt) Release {
	var tombstone time.Duration
	if l.InDoubt() {
		tombstone = TombstoneTTL
	}
	return Release{l: l, tombstone: tombstone, fence: fence, next: next, passable: l.Passable()}
}

// Try returns the next try, after the one before has failed with last. While rest is left of a
// minimum hold, the lock is kept for that long.
//
// While the lock's slot migrates, a request that names fewer keys can run at more times. Without
// the queue nobody is granted the lock, and without AUX nothing is noted there. So the last form is
// only for a lease with nothing to note and with a token that nobody else may hold the lock by.
func (r *Release) Try(last error, rest time.Duration) store.Call {
	l, st := r.l, r.l.lock.Env.Store
	if store.Moving(last) {
		r.moving++
	}
	switch {
	case rest > 0:
		return l.withTurns(st.Keep(l.ID(), r.tombstone, r.fence, rest))
	case r.moving == 0:
		return l.withTurns(st.Release(l.ID(), r.tombstone, r.fence, r.next))
	case r.moving == 1, r.tombstone != 0, r.fence != 0, !r.passable:
		return st.Free(l.ID(), r.tombstone, r.fence)
	default:
		return st.Drop(l.ID())
	}
}

// withTurns makes a release leave the lock to strangers from time to time, if the terms say so.
func (l *Lease) withTurns(release store.Call) store.Call {
	if l.terms.TurnEvery > 0 {
		return release.LeavingFree(l.terms.TurnEvery, l.terms.TurnGap)
	}
	return release
}
