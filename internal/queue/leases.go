package queue

import "github.com/holdfast-go/holdfast/internal/lease"

// leases are those of this process that hold a lock, or permits of it. The mutex of Queues guards them.
type leases struct {
	lease  *lease.Lease // of a mutex, if any
	shared *shared      // of permits, if there ever was one
}

// shared are leases that hold permits at the same time.
type shared struct {
	all  map[*lease.Lease]struct{}
	used int // how many permits they hold
	lease.Beside
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
	if _, has := ls.shared.all[l]; !has {
		ls.shared.all[l] = struct{}{}
		ls.shared.used += l.Terms().Weight
	}
	ls.shared.Fence = max(ls.shared.Fence, l.Fence())
	if r := l.Reading(); r.Newer(ls.shared.Clock) {
		ls.shared.Clock = r
	}
}

func (ls *leases) remove(l *lease.Lease) {
	if ls.lease == l {
		ls.lease = nil
	}
	if ls.shared == nil {
		return
	}
	if _, has := ls.shared.all[l]; has {
		delete(ls.shared.all, l)
		ls.shared.used -= l.Terms().Weight
	}
}

// room reports whether there may be permits under these terms that this process does not hold.
func (ls *leases) room(terms *lease.Terms) bool {
	return ls.shared == nil || ls.shared.used+terms.Weight <= terms.Limit
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

// beside is what is known from the leases that hold permits; nothing of a mutex.
func (ls *leases) beside() (b lease.Beside) {
	if ls.shared != nil {
		b = ls.shared.Beside
	}
	return b
}
