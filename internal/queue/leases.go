package queue

import "github.com/holdfast-go/holdfast/internal/lease"

// leases are those of this process that hold a lock, or permits of it. The mutex of Queues guards them.
type leases struct {
	lease *lease.Lease              // of a mutex, if any
	more  map[*lease.Lease]struct{} // of permits
}

// add notes a lease; of a mutex, in the place of the one before.
func (ls *leases) add(l *lease.Lease) {
	if !l.Shared() {
		ls.lease = l
		return
	}
	if ls.more == nil {
		ls.more = make(map[*lease.Lease]struct{})
	}
	ls.more[l] = struct{}{}
}

func (ls *leases) remove(l *lease.Lease) {
	if ls.lease == l {
		ls.lease = nil
	}
	delete(ls.more, l)
}

func (ls *leases) has(l *lease.Lease) bool {
	_, more := ls.more[l]
	return ls.lease == l || more
}

func (ls *leases) none() bool { return ls.lease == nil && len(ls.more) == 0 }

// each calls f for every lease.
func (ls *leases) each(f func(*lease.Lease)) {
	if ls.lease != nil {
		f(ls.lease)
	}
	for l := range ls.more {
		f(l)
	}
}
