package queue

import "github.com/holdfast-go/holdfast/internal/lease"

// leases are those of this process that hold a lock, or permits of it. The mutex of Queues guards them.
type leases struct {
	lease  *lease.Lease // of a mutex, if any
	shared *shared      // of permits, if there ever was one
}

// shared are leases that hold permits at the same time.
type shared struct {
	all   map[*lease.Lease]struct{}
	fence int64 // the largest of any session
}

// add notes a lease; of a mutex, in the place of the one before.
func (ls *leases) add(l *lease.Lease) {
	if !l.Shared() {
		ls.lease = l
		return
	}
	if ls.shared == nil {
		ls.shared = &shared{all: make(map[*lease.Lease]struct{})}
	}
	ls.shared.all[l] = struct{}{}
	ls.shared.fence = max(ls.shared.fence, l.Fence())
}

func (ls *leases) remove(l *lease.Lease) {
	if ls.lease == l {
		ls.lease = nil
	}
	if ls.shared != nil {
		delete(ls.shared.all, l)
	}
}

func (ls *leases) has(l *lease.Lease) bool {
	if ls.shared == nil {
		return ls.lease == l
	}
	_, has := ls.shared.all[l]
	return has
}

func (ls *leases) none() bool {
	return ls.lease == nil && (ls.shared == nil || len(ls.shared.all) == 0)
}

// each calls f for every lease.
func (ls *leases) each(f func(*lease.Lease)) {
	if ls.lease != nil {
		f(ls.lease)
	}
	if ls.shared != nil {
		for l := range ls.shared.all {
			f(l)
		}
	}
}

// fence is the largest of any session that had permits; 0 of a mutex.
func (ls *leases) fence() int64 {
	if ls.shared == nil {
		return 0
	}
	return ls.shared.fence
}
