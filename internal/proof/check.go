package proof

import (
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
	// Stuck is how long a lock may be free while somebody waits for it and no fault is at
	// work: a holder's TTL, the claim of one who died after it, and 2 s.
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
		r.Violations = append(r.Violations, h.overlaps(lock, list)...)
		if h.Fences {
			r.Violations = append(r.Violations, h.inversions(lock, list)...)
		}
		r.Violations = append(r.Violations, h.lostUpdates(lock, list)...)
		found, pairs := h.overtaken(lock, list, b)
		r.Violations = append(r.Violations, found...)
		r.Ordered += pairs
	}
	h.stuck(r, b)
	return r
}

// overlaps finds sessions that were provably alive at the same time: one's span, from the
// return of Acquire to the start of the last look that found its context alive, meets
// another's.
func (h *History) overlaps(lock uint16, list []*Session) (found []Violation) {
	var latest *Session // of those before, the one that was seen alive last
	for _, s := range list {
		// Acquire may have returned long before its caller could run, and look at the clock.
		if s.LastAlive == 0 {
			continue
		}
		if latest != nil && latest.LastAlive > s.Got {
			until := min(latest.LastAlive, s.LastAlive)
			v := Violation{
				What: "overlap", Lock: lock, From: s.Got, For: time.Duration(until - s.Got), Sessions: []*Session{latest, s},
				Detail: fmt.Sprintf("fence %d was still alive %v after fence %d had been acquired", latest.Fence, ms(latest.LastAlive-s.Got), s.Fence),
			}
			if w := h.excuse(s.Got); w != nil {
				v.Excuse = w.Name
			}
			found = append(found, v)
		}
		if latest == nil || s.LastAlive > latest.LastAlive {
			latest = s
		}
	}
	return found
}

// inversions finds fences that are not larger than that of an acquisition that was over
// before the call began. Only a lease that was lost and is passed on, or rests, excuses these. Where the sessions themselves came one after
// the other their fences must do so as well, unless an excused overlap is possible: the one
// that was asked for earlier may have been granted earlier.
func (h *History) inversions(lock uint16, list []*Session) (found []Violation) {
	report := func(earlier, s *Session, top int64) {
		v := Violation{
			What: "inversion", Lock: lock, From: s.Got, Sessions: []*Session{s},
			Detail: fmt.Sprintf("fence %d came after %d", s.Fence, top),
		}
		if earlier != nil {
			v.Sessions = []*Session{earlier, s}
		}
		if w := h.excuse(s.Got); w != nil && (passed(list, s) || rested(list, s)) {
			v.Excuse = w.Name
		}
		found = append(found, v)
	}
	done := newTop(list)
	var before *Session // the one with the largest fence among those that returned before
	for _, s := range list {
		earlier, top := done.before(s.Asked), h.Floor[lock]
		if earlier != nil {
			top = max(top, earlier.Fence)
		}
		switch {
		case s.Fence <= top:
			report(earlier, s, top)
		case s.LastAlive != 0 && before != nil && s.Fence <= before.Fence && h.excuse(s.Got) == nil:
			report(before, s, before.Fence)
		}
		if s.LastAlive != 0 && (before == nil || s.Fence > before.Fence) {
			before = s
		}
	}
	return found
}

// passed reports whether a session may have been passed on by another goroutine of its client,
// without Redis: the fence next below its own is that client's. If the key was lost before
// that, its fence is below those that were given out since, as that of the lease is.
func passed(list []*Session, s *Session) bool {
	var below *Session
	for _, o := range list {
		if o.Fence < s.Fence && (below == nil || o.Fence > below.Fence) {
			below = o
		}
	}
	return below != nil && below.Client == s.Client && below.Got <= s.Got
}

// rested reports whether a session may have had a lease that rested in its client, without Redis: its fence is
// that of an earlier session there, plus the microseconds since, less the 2% by which clocks may differ.
func rested(list []*Session, s *Session) bool {
	return slices.ContainsFunc(list, func(o *Session) bool {
		since := (s.Got - o.Got) / int64(time.Microsecond)
		more := s.Fence - o.Fence
		return o.Client == s.Client && o.Got < s.Got && o.Ended <= s.Asked && more > since*95/100 && more <= since
	})
}

// top answers who has the largest fence among those acquired before a time.
type top struct {
	got  []int64 // ascending
	best []*Session
}

func newTop(list []*Session) *top {
	t := &top{}
	var best *Session
	for _, s := range list {
		if best == nil || s.Fence > best.Fence {
			best = s
		}
		t.got = append(t.got, s.Got)
		t.best = append(t.best, best)
	}
	return t
}

func (t *top) before(at int64) *Session {
	low, high := 0, len(t.got)
	for low < high {
		if mid := (low + high) / 2; t.got[mid] < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 {
		return nil
	}
	return t.best[low-1]
}
