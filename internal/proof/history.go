package proof

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// never is the end of what has not ended.
const never = int64(math.MaxInt64)

// Use is one read, add and write of the store under a session.
type Use struct {
	From, To int64
	Fence    int64
	Value    uint16 // what it read
	OK       bool   // the store took it; else a larger fence had been there
}

// Session is one acquisition as its caller saw it.
type Session struct {
	ID, Fence      int64
	Lock           uint16
	Weight         int // how many permits; 1 of a mutex
	Caller, Client uint32
	Asked          int64 // the call began
	Got            int64 // it returned a session; 0 if it did not
	Failed         int64 // it returned an error; 0 if it did not
	LastAlive      int64 // the start of the last look that found its context alive; 0 if none did
	Ended          int64 // by then it knew that it was over, or released; never if that is unknown
	Released       int64 // Release returned; 0 if it did not
	ByCaller       bool  // the end was the caller's Release, and no loss
	Code           uint8
	Uses           []Use
}

// Window is when a fault was at work.
type Window struct {
	Name     string
	From, To int64  // To includes what it takes the deployment to recover
	Groups   uint64 // the workers it hits, a bit each; all of them if 0
	Excuses  bool   // it is one of those that an overlap may follow from
	Loses    bool   // what was acknowledged may be lost: without a failover grace, Excuses, too
	Excused  int64  // until when it may
	Err      error  // it could not be done
	Note     string // what it hit
}

// History is what happened in one round.
type History struct {
	Locks    []string
	Sessions []*Session // by the time of Asked
	Windows  []Window
	From, To int64 // the round; To is when all pending calls had to have ended
	// Dead says when workers were killed; the last of what they did is not on record.
	Dead   map[uint32]int64
	Fences bool // the contender has fences
	// Floor is the largest fence of each lock in earlier rounds.
	Floor map[uint16]int64
	Start map[uint16]uint16 // of each lock, the store's value before the round
}

// build makes sessions of records, in whatever order these came.
func build(records []Record) []*Session {
	byID := make(map[uint64]*Session)
	get := func(r *Record) *Session {
		s := byID[r.ID]
		if s == nil {
			s = &Session{ID: int64(r.ID), Lock: r.Lock, Weight: int(r.Weight), Caller: r.Caller, Client: r.Client, Ended: never}
			byID[r.ID] = s
		}
		return s
	}
	for i := range records {
		r := &records[i]
		s := get(r)
		switch r.Kind {
		case Asked:
			s.Asked = r.T1
		case Got:
			s.Got, s.Fence = r.T1, r.Fence
		case Failed:
			s.Failed, s.Code = r.T1, r.Code
		case Used:
			s.Uses = append(s.Uses, Use{r.T1, r.T2, r.Fence, r.Value, r.OK})
			s.LastAlive = max(s.LastAlive, r.T1) // a use begins with a look
		case Ended:
			s.LastAlive = max(s.LastAlive, r.T1)
			s.Ended, s.ByCaller, s.Code = r.T2, r.OK, r.Code
		case Released:
			s.Released = r.T1
		}
	}
	list := make([]*Session, 0, len(byID))
	for _, s := range byID {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Or(cmp.Compare(a.Asked, b.Asked), cmp.Compare(a.ID, b.ID)) })
	return list
}

// byLock returns each lock's sessions that were acquired, by the time of that.
func (h *History) byLock() map[uint16][]*Session {
	of := make(map[uint16][]*Session)
	for _, s := range h.Sessions {
		if s.Got != 0 {
			of[s.Lock] = append(of[s.Lock], s)
		}
	}
	for _, list := range of {
		slices.SortFunc(list, func(a, b *Session) int { return cmp.Or(cmp.Compare(a.Got, b.Got), cmp.Compare(a.Fence, b.Fence)) })
	}
	return of
}

// slots is how many workers there are at most at a time; each takes one slot, and so does
// the one that replaces it after its death.
const slots = 64

// hits reports whether the fault concerns that client, or everybody.
func (w *Window) hits(client uint32) bool {
	return w.Groups == 0 || w.Groups&(1<<(client>>clientBits%slots)) != 0
}

// clientBits is how much of a client's number is its number within its worker.
const clientBits = 12

// quiet reports whether no fault was at work on a client between the two times.
func (h *History) quiet(client uint32, from, to int64) bool {
	for i := range h.Windows {
		if w := &h.Windows[i]; w.From <= to && from <= w.To && w.hits(client) {
			return false
		}
	}
	return true
}

// excuse returns the fault that an overlap which began at that time can follow from.
func (h *History) excuse(at int64) *Window {
	for i := range h.Windows {
		if w := &h.Windows[i]; w.Excuses && w.From <= at && at <= w.Excused {
			return w
		}
	}
	return nil
}

// Counts is how much was checked.
type Counts struct {
	Asked, Got, Failed, Lost, Uses, Refused, Released int
	Permits, Beside                                   int // acquired: of no mutex; beside others that were alive
}

// Operations is the sum of what clients did and saw the end of.
func (c Counts) Operations() int { return c.Got + c.Failed + c.Uses + c.Released }

// Add adds another's counts.
func (c *Counts) Add(o Counts) {
	c.Asked += o.Asked
	c.Got += o.Got
	c.Failed += o.Failed
	c.Lost += o.Lost
	c.Uses += o.Uses
	c.Refused += o.Refused
	c.Released += o.Released
	c.Permits += o.Permits
	c.Beside += o.Beside
}

func (h *History) counts() (c Counts) {
	for _, s := range h.Sessions {
		c.Asked++
		switch {
		case s.Got != 0:
			c.Got++
			if h.Limit(s.Lock) > 1 {
				c.Permits++
			}
		case s.Failed != 0:
			c.Failed++
		}
		if s.Got != 0 && s.Ended != never && !s.ByCaller {
			c.Lost++
		}
		if s.Released != 0 {
			c.Released++
		}
		for _, u := range s.Uses {
			if c.Uses++; !u.OK {
				c.Refused++
			}
		}
	}
	return c
}

func ms(ns int64) time.Duration { return time.Duration(ns).Round(10 * time.Microsecond) }
