package proof

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/holdfast-go/holdfast"
)

// The names that are no mutex's start with these.
const (
	pair      = "proof:semaphore-2:"
	five      = "proof:semaphore-5:"
	readWrite = "proof:read-write:"
)

// nameOf returns the name with that number: of each seven, two are semaphores and two read-write locks, if
// the library has these.
func nameOf(i int, permits bool) string {
	prefix := "proof:"
	if permits {
		prefix = []string{prefix, pair, prefix, readWrite, five, prefix, readWrite}[i%7]
	}
	return prefix + fmt.Sprint(i)
}

// LimitOf returns how many permits a name has: of a mutex one, and of a read-write lock as many as a writer takes.
func LimitOf(name string) int {
	switch {
	case strings.HasPrefix(name, pair):
		return 2
	case strings.HasPrefix(name, five):
		return 5
	case strings.HasPrefix(name, readWrite):
		return holdfast.MaxPermits
	}
	return 1
}

// weight chooses how many permits of a name to take: any number of a semaphore's; of a read-write lock
// all, to write, or one.
func weight(r *rand.Rand, limit int) int {
	switch {
	case limit == holdfast.MaxPermits && r.IntN(4) == 0:
		return limit
	case limit == holdfast.MaxPermits:
		return 1
	}
	return 1 + r.IntN(limit)
}

// Strict reports whether no client waits for a lock twice at a time: then the order of waiting is exact, and
// no lease is passed on within a process.
func Strict(lock uint16) bool { return lock%2 == 0 }

// Limit returns how many permits a lock has.
func (h *History) Limit(lock uint16) int { return LimitOf(h.Locks[lock]) }

// moment is when a session was acquired.
type moment struct {
	others []*Session // those that were provably alive then, before it
	used   int        // the permits that all of them had, with it
	top    *Session   // the one with the largest fence, it included
	calm   bool       // no overlap is excused then
}

// moments returns those of a lock's sessions, which are in the order of time.
func (h *History) moments(list []*Session) []moment {
	all := make([]moment, len(list))
	var alive []*Session
	for i, s := range list {
		m := moment{used: s.Weight, top: s, calm: h.excuse(s.Got) == nil}
		for _, o := range alive {
			if o.LastAlive > s.Got {
				m.others = append(m.others, o)
				m.used += o.Weight
				if o.Fence > m.top.Fence {
					m.top = o
				}
			}
		}
		alive, all[i] = m.others, m
		// Acquire may have returned long before its caller could run, and look at the clock.
		if s.LastAlive != 0 {
			alive = append(m.others[:len(m.others):len(m.others)], s)
		}
	}
	return all
}

// beside counts the sessions that were acquired beside others, as the lock's permits allow.
func (h *History) beside(lock uint16, then []moment) (n int) {
	for i := range then {
		if len(then[i].others) > 0 && then[i].used <= h.Limit(lock) {
			n++
		}
	}
	return n
}
