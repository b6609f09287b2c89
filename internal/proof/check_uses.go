package proof

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// valueBits is what a cell of the store has left beside the fence.
const valueBits = 13

// Values is how many the store's counter goes through before it starts again.
const Values = 1 << valueBits

// outrun reports whether a session with a larger fence overlapped s, and is excused for it: the
// fault may have struck in the middle of a use of s, or s have been granted a lock that another
// process had lost and passed on yet. Then the store refuses s from there on.
func (h *History) outrun(s *Session, list []*Session) bool {
	return slices.ContainsFunc(list, func(o *Session) bool {
		return o.Fence > s.Fence && o.Got < s.LastAlive && o.LastAlive > s.Got && h.excuse(max(o.Got, s.Got)) != nil
	})
}

// lostUpdates finds two updates that the store took and that read the same value: one of
// them is lost. And a use that was refused under a context that was alive and stayed so,
// with nothing to excuse it: somebody with a larger fence had been there.
func (h *History) lostUpdates(lock uint16, list []*Session) (found []Violation) {
	type update struct {
		s *Session
		u Use
	}
	var all []update
	for _, s := range list {
		refused := false // once is enough
		for _, u := range s.Uses {
			switch {
			case u.OK:
				all = append(all, update{s, u})
			case !refused && u.To <= s.LastAlive && h.excuse(u.From) == nil && !h.outrun(s, list):
				refused = true
				found = append(found, Violation{
					What: "inversion", Lock: lock, From: u.From, Sessions: []*Session{s},
					Detail: fmt.Sprintf("the store refused fence %d, whose context was alive before and after", u.Fence),
				})
			}
		}
	}
	slices.SortFunc(all, func(a, b update) int { return cmp.Compare(a.u.From, b.u.From) })
	last := make(map[uint16]int) // value -> index of the latest that read it
	for i, a := range all {
		if j, ok := last[a.u.Value]; ok && i-j < Values/2 {
			b := all[j]
			v := Violation{
				What: "lost update", Lock: lock, From: a.u.From, Sessions: []*Session{b.s, a.s},
				Detail: fmt.Sprintf("fences %d and %d both read %d and wrote back", b.u.Fence, a.u.Fence, a.u.Value),
			}
			if !h.Fences { // without fences it is what an excused overlap leads to
				if w := h.excuse(a.u.From); w != nil {
					v.Excuse = w.Name
				}
			}
			found = append(found, v)
		}
		last[a.u.Value] = i
	}
	return found
}

// stuck finds locks that were free for too long while somebody waited, and calls that were
// still pending when the round had to be over.
func (h *History) stuck(r *Report, b Bounds) {
	waiting := make(map[uint16][]*Session)
	for _, s := range h.Sessions {
		waiting[s.Lock] = append(waiting[s.Lock], s)
		if s.Got == 0 && s.Failed == 0 && !h.died(s.Client) {
			r.Violations = append(r.Violations, Violation{
				What: "stuck", Lock: s.Lock, From: s.Asked, For: time.Duration(h.To - s.Asked), Sessions: []*Session{s},
				Detail: fmt.Sprintf("caller %d has waited for %v and no fault is at work", s.Caller, ms(h.To-s.Asked)),
			})
		}
	}
	for lock, list := range h.byLock() {
		free := h.From
		for _, s := range list {
			if s.Got > free {
				h.gap(r, b, lock, free, s.Got, waiting[lock])
			}
			// A holder that was killed had it until its TTL ended, which the bound includes.
			free = max(free, s.LastAlive, s.Got, s.Released)
		}
	}
}

// died reports whether the client's process was killed.
func (h *History) died(client uint32) bool { return slices.Contains(h.Dead, client>>clientBits) }

// short is a time for which no lock needs to be looked at.
const short = 100 * time.Millisecond

// gap looks at the time from free to got, in which nobody had the lock.
func (h *History) gap(r *Report, b Bounds, lock uint16, free, got int64, calls []*Session) {
	// From when on somebody has waited who still does at its end: the one that got it, at least.
	if got-free < int64(short) {
		return
	}
	since := got
	for _, s := range calls {
		if end := cmp.Or(s.Got, s.Failed); s.Asked < got && end >= got {
			since = min(since, s.Asked)
		}
	}
	from := max(free, since)
	r.Longest = max(r.Longest, time.Duration(got-from))
	calm := from // since when no fault is at work
	for i := range h.Windows {
		if w := &h.Windows[i]; w.From < got && w.To > calm {
			calm = w.To
		}
	}
	if quiet := time.Duration(got - calm); quiet > b.Stuck {
		r.Violations = append(r.Violations, Violation{
			What: "stuck", Lock: lock, From: from, For: quiet,
			Detail: fmt.Sprintf("free and waited for during %v, of which no fault was at work in the last %v", ms(got-from), quiet.Round(time.Millisecond)),
		})
	}
}
