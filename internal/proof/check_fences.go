package proof

import (
	"fmt"
	"slices"
	"time"
)

// inversions finds fences that are too small. Those of a mutex grow from session to session. Of permits several
// have some at a time, and a lease that is passed on in its process has a fence that may be below that of one
// which was given meanwhile. So: a fence is larger than that of each session before that together with it
// would have more permits than there are; and on strict locks, where no lease is passed on, than that of each
// session that was acquired before it was asked for, or was alive when too few permits were left for it. No two
// of a client are the same, and on strict locks no two at all: elsewhere that of a lease that was passed on may
// be one that another process was given a moment before.
//
// Only a lease that was lost and is passed on, or rests, excuses a fence that is not larger than one
// that was acquired before the call began. Of sessions that came one after the other none does, unless an
// excused overlap is possible: the one that was asked for earlier may have been granted earlier.
func (h *History) inversions(lock uint16, list []*Session, then []moment, strict bool) (found []Violation) {
	limit := h.Limit(lock)
	for i, s := range list {
		var asked, before *Session // those with the largest fence before the call, and before its end
		for j, o := range list[:i] {
			alone := o.Weight+s.Weight > limit || o.Fence == s.Fence && (strict || o.Client == s.Client)
			if o.Got < s.Asked && (alone || strict) && (asked == nil || o.Fence > asked.Fence) {
				asked = o
			}
			top := o
			if strict && then[j].used+s.Weight > limit && then[j].calm {
				alone, top = true, then[j].top
			}
			if o.LastAlive != 0 && alone && (before == nil || top.Fence > before.Fence) {
				before = top
			}
		}
		top := h.Floor[lock]
		if asked != nil {
			top = max(top, asked.Fence)
		}
		switch {
		case s.Fence <= top:
			found = append(found, h.inversion(lock, list, asked, s, top))
		case s.LastAlive != 0 && before != nil && s.Fence <= before.Fence && then[i].calm:
			found = append(found, h.inversion(lock, list, before, s, before.Fence))
		}
	}
	return found
}

func (h *History) inversion(lock uint16, list []*Session, earlier, s *Session, top int64) Violation {
	v := Violation{
		What: "inversion", Lock: lock, From: s.Got, Sessions: []*Session{s},
		Detail: fmt.Sprintf("fence %d came after %d", s.Fence, top),
	}
	if earlier != nil {
		v.Sessions = []*Session{earlier, s}
	}
	if w := h.excuse(s.Got); w != nil && (h.passed(list, s) || rested(list, s)) {
		v.Excuse = w.Name
	}
	return v
}

// passed reports whether a session may have been passed on by another goroutine of its client,
// without Redis: the fence next below its own is that client's. If the key was lost before
// that, its fence is below those that were given out since, as that of the lease is. Of permits others may
// have been given some since: there the other goroutine let as many go while this one waited.
func (h *History) passed(list []*Session, s *Session) bool {
	if h.Limit(s.Lock) > 1 {
		return slices.ContainsFunc(list, func(o *Session) bool {
			return o.Client == s.Client && o.Weight == s.Weight && o.Fence < s.Fence && o.ByCaller && s.Asked < o.Released && o.Ended <= s.Got
		})
	}
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
