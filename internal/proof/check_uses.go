package proof

import (
	"cmp"
	"fmt"
	"slices"
)

// valueBits is what a cell of the store has left beside the fence.
const valueBits = 13

// Values is how many the store's counter goes through before it starts again.
const Values = 1 << valueBits

// outrun reports whether a session with a larger fence overlapped s, and is excused for it: the
// fault may have struck in the middle of a use of s, or s have been granted a lock that another
// process had lost and passed on yet. Then the store refuses s from there on. From one that only reads,
// it does not learn the fence: there one with a smaller fence changes it, too.
func (h *History) outrun(s *Session, list []*Session) bool {
	limit := h.Limit(s.Lock)
	return slices.ContainsFunc(list, func(o *Session) bool {
		more := o.Fence > s.Fence || s.Weight < limit && o.Weight+s.Weight > limit
		return more && o.Got < s.LastAlive && o.LastAlive > s.Got && h.excuse(max(o.Got, s.Got)) != nil
	})
}

// lostUpdates finds two updates that the store took and that read the same value: one of
// them is lost. And a use that was refused under a context that was alive and stayed so,
// with nothing to excuse it: somebody with a larger fence had been there. Sessions that others may hold
// beside only read: their use is as one refused if the value changes meanwhile.
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
			case u.OK && s.Weight < h.Limit(lock):
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
