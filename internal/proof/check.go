package proof

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Violation is one thing that must not be.
type Violation struct {
	What   string // overlap, inversion, lost update, overtaken, stuck
	Lock   uint16
	From   int64         // when it began
	For    time.Duration // how long it lasted, where that says something
	Detail string
	// Excuse is the fault that explains an overlap, "" if none does: then it breaks the
	// promise.
	Excuse   string
	Sessions []*Session // those it is about
}

// Bounds is what the documentation states, plus what a busy machine adds.
type Bounds struct {
	// Stuck is how long a lock may be free, or have permits enough for who is next, while somebody waits
	// for it and no fault is at work: a holder's TTL, the claim of one who died after it, and 2 s.
	Stuck time.Duration
	// Order is how much earlier a call must have begun to count as the earlier one: its
	// request has to arrive.
	Order time.Duration
	// Passes is how often others may be served first, where goroutines of one client pass
	// the lock among themselves.
	Passes func(clients, goroutines int) int
	// Strict are the locks that no client waits for twice at a time, so that the order is
	// exact.
	Strict func(lock uint16) bool
}

// Report is what Check found.
type Report struct {
	Counts     Counts
	Violations []Violation
	Ordered    int           // pairs of waiters, one long enough before the other, that were served in order
	Longest    time.Duration // the longest time that a lock was free while somebody waited, faults or not
}

// Broken returns the violations that nothing excuses.
func (r *Report) Broken() []Violation {
	var list []Violation
	for _, v := range r.Violations {
		if v.Excuse == "" {
			list = append(list, v)
		}
	}
	return list
}

// Check looks at a history.
func Check(h *History, b Bounds) *Report {
	r := &Report{Counts: h.counts()}
	for lock, list := range h.byLock() {
		then := h.moments(list)
		r.Counts.Beside += h.beside(lock, then)
		r.Violations = append(r.Violations, h.overlaps(lock, list, then)...)
		if h.Fences {
			r.Violations = append(r.Violations, h.inversions(lock, list, then, b.Strict(lock))...)
		}
		r.Violations = append(r.Violations, h.lostUpdates(lock, list)...)
		found, pairs := h.overtaken(lock, list, b)
		r.Violations = append(r.Violations, found...)
		r.Ordered += pairs
	}
	h.stuck(r, b)
	return r
}

// overlaps finds sessions that were provably alive at the same time, and had more permits than there are;
// those of a mutex have one each, which is all. A session's span goes from the return of Acquire to the start of
// the last look that found its context alive.
func (h *History) overlaps(lock uint16, list []*Session, then []moment) (found []Violation) {
	limit := h.Limit(lock)
	for i, s := range list {
		if s.LastAlive == 0 || then[i].used <= limit {
			continue
		}
		latest := func(a, b *Session) int { return cmp.Compare(a.LastAlive, b.LastAlive) }
		last, all := slices.MaxFunc(then[i].others, latest), append(slices.Clone(then[i].others), s)
		v := Violation{
			What: "overlap", Lock: lock, From: s.Got, Sessions: all,
			Detail: fmt.Sprintf("fence %d was still alive %v after fence %d had been acquired", last.Fence, ms(last.LastAlive-s.Got), s.Fence),
		}
		if limit > 1 {
			v.Detail += fmt.Sprintf(": together they had %d permits of %d", then[i].used, limit)
		}
		used := then[i].used
		for _, o := range slices.SortedFunc(slices.Values(all), latest) {
			if used > limit { // until it ended
				used, v.For = used-o.Weight, time.Duration(o.LastAlive-s.Got)
			}
		}
		if w := h.excuse(s.Got); w != nil {
			v.Excuse = w.Name
		}
		found = append(found, v)
	}
	return found
}
