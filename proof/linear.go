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
	do    string // acquire, end, update
	id    int64  // the session
	fence int64
}

// state is a lock and what it protects.
type state struct {
	holder int64 // 0: nobody
	fence  int64 // the largest so far
	value  uint16
}

// model is a lock: it is acquired when nobody has it, with a larger fence each time, and only
// its holder updates what it protects, each time reading what the update before wrote.
// exclusive is false where a fault may lead to an excused overlap: what is left of the promise
// then is that updates under the store's fence stand in one line. gaps: updates may be missing,
// those of a worker that was killed.
func model(start state, exclusive, fences, gaps bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(at, input, output any) (bool, any) {
			s, op := at.(state), input.(step)
			switch op.do {
			case "acquire":
				if exclusive && (s.holder != 0 || fences && op.fence <= s.fence) {
					return false, s
				}
				s.holder, s.fence = op.id, max(s.fence, op.fence)
			case "end":
				if exclusive && s.holder != op.id {
					return false, s
				}
				s.holder = 0
			case "update":
				read := output.(uint16)
				ahead := (read - s.value) % proof.Values
				if exclusive && s.holder != op.id || ahead != 0 && !(gaps && ahead < proof.Values/2) {
					return false, s
				}
				s.value = (read + 1) % proof.Values
			}
			return true, s
		},
		DescribeOperation: func(input, output any) string {
			op := input.(step)
			if op.do == "update" {
				return fmt.Sprintf("update, fence %d: read %d", op.fence, output)
			}
			return fmt.Sprintf("%s, fence %d", op.do, op.fence)
		},
		DescribeState: func(at any) string { return fmt.Sprintf("%+v", at) },
	}
}

// operations makes a lock's history porcupine's. An end can be anywhere between the last look
// that found the context alive and the first that did not; a session that was never looked at
// was not of use to anybody, and is left out.
func operations(h *proof.History, lock uint16) []porcupine.Operation {
	var ops []porcupine.Operation
	for _, s := range h.Sessions {
		if s.Lock != lock || s.Got == 0 || s.LastAlive == 0 {
			continue
		}
		add := func(do string, call, end int64, output any) {
			ops = append(ops, porcupine.Operation{
				ClientId: int(s.Caller), Input: step{do, s.ID, s.Fence}, Output: output, Call: call, Return: end,
			})
		}
		add("acquire", s.Asked, s.Got, nil)
		for _, u := range s.Uses {
			if u.OK {
				add("update", u.From, u.To, u.Value)
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
		m := model(state{fence: h.Floor[lock], value: h.Start[lock]}, exclusive, h.Fences, len(h.Dead) > 0)
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
