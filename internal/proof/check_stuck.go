package proof

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/scripts"
)

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
	for lock, calls := range waiting {
		h.gaps(r, b, lock, calls)
	}
}

// died reports whether the client's process was killed.
func (h *History) died(client uint32) bool { return h.Dead[client>>clientBits] != 0 }

// change is something that a call did about a lock.
type change struct {
	at   int64
	s    *Session
	what int
}

// What a change is, those of one time in this order.
const (
	freed = iota // its permits are free again. A holder that was killed has them until its TTL ends, which the bound includes
	asked
	waited // its wait is over
)

// changes returns what calls did about a lock, in the order of time. A call whose outcome is not known is left
// out, unless its process was killed: it counts in Redis for as long as if it had just asked.
func (h *History) changes(calls []*Session) []change {
	var all []change
	for _, s := range calls {
		end := cmp.Or(s.Got, s.Failed)
		if end == 0 && h.died(s.Client) {
			end = h.Dead[s.Client>>clientBits] + int64(scripts.Alive)
		}
		if end == 0 {
			continue
		}
		all = append(all, change{s.Asked, s, asked}, change{end, s, waited})
		if s.Got != 0 {
			all = append(all, change{max(s.Got, s.LastAlive, s.Released), s, freed})
		}
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what)) })
	return all
}

// gaps looks at the times in which somebody waited for a lock and nobody was served, though enough was
// free for who was next.
func (h *History) gaps(r *Report, b Bounds, lock uint16, calls []*Session) {
	const none = int64(-1)
	used, since := 0, none
	var waiting []*Session
	for _, c := range h.changes(calls) {
		switch s := c.s; {
		case c.what == freed:
			used -= s.Weight
		case c.what == asked:
			waiting = append(waiting, s)
		default:
			waiting = slices.DeleteFunc(waiting, func(o *Session) bool { return o == s })
			if s.Got != 0 {
				used += s.Weight
			}
		}
		served := c.what == waited && c.s.Got != 0
		fits := nextFits(waiting, h.Limit(lock)-used, b)
		if since != none && (served || !fits) {
			h.gap(r, b, lock, since, c.at)
			since = none
		}
		if fits && since == none {
			since = c.at
		}
	}
}

// nextFits reports whether so many permits are enough for the next of those who wait, and for those who asked
// before it and gave up: they may have been before it in the queue.
func nextFits(waiting []*Session, free int, b Bounds) bool {
	var next *Session
	for _, s := range waiting {
		if s.Got != 0 && (next == nil || s.Got < next.Got) {
			next = s
		}
	}
	for _, s := range waiting {
		if s.Weight > free && (s == next || s.Got == 0 && (next == nil || s.Asked <= next.Asked+int64(b.Order))) {
			return false
		}
	}
	return len(waiting) > 0
}

// short is a time for which no lock needs to be looked at.
const short = 100 * time.Millisecond

// gap looks at the time from which on somebody waited though enough was free, up to got.
func (h *History) gap(r *Report, b Bounds, lock uint16, from, got int64) {
	if got-from < int64(short) {
		return
	}
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
