package proof

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// around is how much of a history before and after a violation is printed.
const around = 3 * time.Second

// Print writes a violation and what happened on its lock around it, one line a step, in the
// order of time.
func (h *History) Print(out io.Writer, v Violation) {
	excuse := ""
	if v.Excuse != "" {
		excuse = " (excused by " + v.Excuse + ")"
	}
	fmt.Fprintf(out, "%s of %s at %v%s: %s\n", v.What, h.Locks[v.Lock], ms(v.From-h.From), excuse, v.Detail)
	about, callers := make(map[int64]bool), make(map[uint32]bool)
	for _, s := range v.Sessions {
		about[s.ID], callers[s.Caller] = true, true
	}
	from, to := v.From-int64(around), v.From+int64(v.For)+int64(around)
	type line struct {
		at   int64
		text string
	}
	var lines []line
	say := func(at int64, format string, args ...any) {
		if at >= from && at <= to {
			lines = append(lines, line{at, fmt.Sprintf(format, args...)})
		}
	}
	for i := range h.Windows {
		w := &h.Windows[i]
		say(w.From, "-- fault begins: %s %s", w.Name, w.Note)
		say(w.To, "-- fault and recovery end: %s %s", w.Name, w.Note)
	}
	for _, s := range h.Sessions {
		if s.Lock == v.Lock {
			h.printSession(s, about[s.ID], callers[s.Caller], say)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	for _, l := range lines {
		fmt.Fprintf(out, "  %12v  %s\n", ms(l.at-h.From), strings.TrimRight(l.text, " "))
	}
}

// printSession says what happened to a session: with its uses if the violation is about it, with what
// its caller asked if the caller had a part in it.
func (h *History) printSession(s *Session, about, caller bool, say func(at int64, format string, args ...any)) {
	mark := " "
	if about {
		mark = "*"
	}
	who := fmt.Sprintf("%s worker %d client %d caller %d", mark, s.Client>>clientBits, s.Client&(1<<clientBits-1), s.Caller)
	if limit := h.Limit(s.Lock); limit > 1 {
		who += fmt.Sprintf(" (%d of %d)", s.Weight, limit)
	}
	if caller {
		say(s.Asked, "%s asks", who)
		if s.Failed != 0 {
			say(s.Failed, "%s gives up: %s", who, CodeName(s.Code))
		}
	}
	if about {
		for _, u := range s.Uses {
			say(u.From, "%s uses it with fence %d: read %d, taken: %v, until %v", who, u.Fence, u.Value, u.OK, ms(u.To-h.From))
		}
	}
	if s.Got != 0 {
		say(s.Got, "%s acquires, fence %d", who, s.Fence)
		say(s.LastAlive, "%s is alive for the last time, fence %d", who, s.Fence)
	}
	if s.Ended != never {
		say(s.Ended, "%s ends, fence %d: %s", who, s.Fence, CodeName(s.Code))
	}
	if s.Released != 0 {
		say(s.Released, "%s has released, fence %d", who, s.Fence)
	}
}
