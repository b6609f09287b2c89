//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-go/holdfast/internal/proof"
)

// linearity has porcupine look at each lock of each round, and writes down what breaks the
// promise.
type linearity struct {
	name, out string
	say       func(string, ...any)
	rounds    int
	histories int // of a lock in a round, found linearizable
	ops       int
	unknown   int // porcupine took too long
	illegal   int
	files     []string
}

// patience is how long porcupine may think about one lock of one round.
const patience = 5 * time.Second

// step is one operation of a lock's history.
type step struct {
	do     string // acquire, end, update, look
	id     int64  // the session
	fence  int64
	weight int // of acquire and end: how many permits
}

// state is a lock and what it protects.
type state struct {
	used   int   // permits
	holder int64 // who has all of them; 0: nobody
	fence  int64 // the largest so far
	value  uint16
}

// model is a lock of so many permits, one of a mutex: they are acquired when as many are free, with a larger
// fence each time, and only who holds all of them updates what they protect, each time reading what the update
// before wrote. So does who holds some and only looks.
// exclusive is false where a fault may lead to an excused overlap: what is left of the promise
// then is that updates under the store's fence stand in one line. gaps: updates may be missing,
// those of a worker that was killed.
func model(start state, limit int, exclusive, fences, gaps bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(at, input, output any) (bool, any) {
			s, op := at.(state), input.(step)
			switch op.do {
			case "acquire":
				if exclusive && (s.used+op.weight > limit || fences && op.fence <= s.fence) {
					return false, s
				}
				if op.weight == limit {
					s.holder = op.id
				}
				s.used, s.fence = s.used+op.weight, max(s.fence, op.fence)
			case "end":
				if s.holder == op.id {
					s.holder = 0
				} else if exclusive && op.weight == limit {
					return false, s
				}
				s.used -= op.weight
			case "look":
				return !exclusive || follows(s.value, output.(uint16), gaps), s
			case "update":
				read := output.(uint16)
				if exclusive && s.holder != op.id || !follows(s.value, read, gaps) {
					return false, s
				}
				s.value = (read + 1) % proof.Values
			}
			return true, s
		},
		DescribeOperation: func(input, output any) string {
			op := input.(step)
			if op.do == "update" || op.do == "look" {
				return fmt.Sprintf("%s, fence %d: read %d", op.do, op.fence, output)
			}
			return fmt.Sprintf("%s, fence %d, permits %d", op.do, op.fence, op.weight)
		},
		DescribeState: func(at any) string { return fmt.Sprintf("%+v", at) },
	}
}

// follows reports whether the store's value can be read after that of the last update on record; with gaps
// updates may be missing between.
func follows(value, read uint16, gaps bool) bool {
	ahead := (read - value) % proof.Values
	return ahead == 0 || gaps && ahead < proof.Values/2
}

// operations makes a lock's history porcupine's. An end can be anywhere between the last look
// that found the context alive and the first that did not; a session that was never looked at
// was not of use to anybody, and is left out. Those that are not alone are only there where leases are not
// passed on: elsewhere their fences don't say in which order they were acquired, and porcupine would try all.
func operations(h *proof.History, lock uint16) []porcupine.Operation {
	var ops []porcupine.Operation
	limit := h.Limit(lock)
	for _, s := range h.Sessions {
		alone := s.Weight == limit
		if s.Lock != lock || s.Got == 0 || s.LastAlive == 0 || !alone && !proof.Strict(lock) {
			continue
		}
		add := func(do string, call, end int64, output any) {
			ops = append(ops, porcupine.Operation{
				ClientId: int(s.Caller), Input: step{do, s.ID, s.Fence, s.Weight}, Output: output, Call: call, Return: end,
			})
		}
		use := "update"
		if !alone {
			use = "look"
		}
		add("acquire", s.Asked, s.Got, nil)
		for _, u := range s.Uses {
			if u.OK {
				add(use, u.From, u.To, u.Value)
			}
		}
		add("end", s.LastAlive, s.Ended, nil)
	}
	return ops
}

// check is called after each round.
func (l *linearity) check(h *proof.History, r *proof.Report) {
	l.rounds++
	for _, v := range r.Broken() {
		l.write(h, v)
	}
	exclusive := true
	for _, w := range h.Windows {
		exclusive = exclusive && !w.Excuses
	}
	for i := range h.Locks {
		lock := uint16(i)
		ops := operations(h, lock)
		if len(ops) == 0 {
			continue
		}
		m := model(state{fence: h.Floor[lock], value: h.Start[lock]}, h.Limit(lock), exclusive, h.Fences, len(h.Dead) > 0)
		result, info := porcupine.CheckOperationsVerbose(m, ops, patience)
		switch result {
		case porcupine.Ok:
			l.histories++
			l.ops += len(ops)
		case porcupine.Unknown:
			l.unknown++
		case porcupine.Illegal:
			l.illegal++
			path := l.path(lock, "html")
			if err := porcupine.VisualizePath(m, info, path); err != nil {
				l.say("%v", err)
				continue
			}
			l.files = append(l.files, path)
			l.say("%s of round %d is not linearizable: %s", h.Locks[lock], l.rounds, path)
		}
	}
}

func (l *linearity) path(lock uint16, kind string) string {
	return filepath.Join(l.out, fmt.Sprintf("proof-%s-round%d-lock%d-%d.%s", l.name, l.rounds, lock, len(l.files), kind))
}

// mostFiles is how many histories are written for one deployment.
const mostFiles = 50

// write puts a violation and what happened around it into a file.
func (l *linearity) write(h *proof.History, v proof.Violation) {
	l.say("%s of %s: %s", v.What, h.Locks[v.Lock], v.Detail)
	if len(l.files) >= mostFiles {
		return
	}
	path := l.path(v.Lock, "txt")
	f, err := os.Create(path)
	if err == nil {
		h.Print(f, v)
		err = f.Close()
	}
	if err != nil {
		l.say("%v", err)
		return
	}
	l.files = append(l.files, path)
}
