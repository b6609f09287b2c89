package proof

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// overtaken finds waiters that were served later than others who had come after them, and
// returns how many pairs of waiters stood the test. Only those count whose whole wait no fault
// disturbed.
func (h *History) overtaken(lock uint16, list []*Session, b Bounds) (found []Violation, pairs int) {
	var calm []*Session
	for _, s := range list {
		if h.quiet(s.Client, s.Asked, s.Got) {
			calm = append(calm, s)
		}
	}
	clients, goroutines := crowd(calm)
	strict := b.Strict(lock)
	slices.SortFunc(calm, func(x, y *Session) int { return cmp.Compare(x.Fence, y.Fence) })
	if !h.Fences || h.Limit(lock) > 1 && !strict { // the fence of a lease that is passed on may be below another's
		slices.SortFunc(calm, func(x, y *Session) int { return cmp.Compare(x.Got, y.Got) })
	}
	for i, late := range calm {
		var first *Session
		passed := 0
		for _, early := range slices.Backward(calm[:i]) {
			if early.Got <= late.Asked {
				continue // they did not wait at the same time
			}
			if late.Asked > early.Asked+int64(b.Order) {
				pairs++
			}
			if early.Asked <= late.Asked+int64(b.Order) || early.Asked <= late.Asked+int64(b.Order+h.slowness(late, early)) {
				continue
			}
			// early asked after late and was served before it.
			if strict || early.Client == late.Client {
				found = append(found, h.order(lock, late, early, "and no goroutine may"))
				break
			}
			if passed++; first == nil {
				first = early
			}
		}
		if most := b.Passes(clients, goroutines); passed > most {
			found = append(found, h.order(lock, late, first, fmt.Sprintf("as were %d, more than %d", passed, most)))
		}
	}
	return found, pairs
}

// slowness is how long a request may have taken to arrive, on a machine that is busy: five
// times what the slowest release took, a round trip, by anybody whom no fault disturbed, while
// the late one waited or in the second before.
func (h *History) slowness(late, early *Session) time.Duration {
	slowest := int64(0)
	for _, s := range h.Sessions {
		if s.Released >= late.Asked-int64(time.Second) && s.Ended <= early.Got &&
			s.Released-s.Ended > slowest && h.quiet(s.Client, s.Ended, s.Released) {
			slowest = s.Released - s.Ended
		}
	}
	return time.Duration(5 * slowest)
}

func (h *History) order(lock uint16, late, early *Session, why string) Violation {
	return Violation{
		What: "overtaken", Lock: lock, From: late.Asked, Sessions: []*Session{late, early},
		Detail: fmt.Sprintf("caller %d asked %v before caller %d and was served after it, %s",
			late.Caller, ms(early.Asked-late.Asked), early.Caller, why),
	}
}

// crowd counts clients, and the callers of the one that has most.
func crowd(list []*Session) (clients, goroutines int) {
	of := make(map[uint32]map[uint32]bool)
	for _, s := range list {
		if of[s.Client] == nil {
			of[s.Client] = make(map[uint32]bool)
		}
		of[s.Client][s.Caller] = true
	}
	for _, callers := range of {
		goroutines = max(goroutines, len(callers))
	}
	return len(of), goroutines
}
