package main

import (
	"cmp"
	"slices"
)

// term is one leadership of one worker, by what that worker reported.
type term struct {
	worker string
	fence  int64

	elected    int64
	validUntil int64   // how far its session last vouched for itself
	ended      int64   // 0 while it goes on
	looks      []int64 // when the worker ran and saw its context live
}

// end is the instant from which on the term counted no more. A frozen worker
// can't report its end in time; its session's validity ran out all the same.
func (t *term) end(now int64) int64 {
	end := now
	if t.ended != 0 {
		end = t.ended
	}
	return min(end, t.validUntil)
}

// history is all terms of all workers, from which the demo works out whether
// there ever were two owners at once.
type history struct {
	terms []*term
}

// record enters what a worker reported.
func (h *history) record(worker string, ev event) {
	if ev.Kind == eventElected {
		h.terms = append(h.terms, &term{
			worker: worker, fence: ev.Fence,
			elected: ev.At, validUntil: ev.ValidUntil,
		})
		return
	}
	t := h.find(worker, ev.Fence)
	if t == nil || ev.Late {
		return // a late write is no look at the context
	}
	t.looks = append(t.looks, ev.Looks...)
	t.validUntil = max(t.validUntil, ev.ValidUntil)
	if ev.Kind == eventContextDone || ev.Kind == eventResigned {
		t.ended = ev.At
	}
}

// killed enters the end of a worker that could not report it.
func (h *history) killed(worker string, fence, at int64) {
	if t := h.find(worker, fence); t != nil {
		t.ended = at
	}
}

func (h *history) find(worker string, fence int64) *term {
	for _, t := range h.terms {
		if t.worker == worker && t.fence == fence {
			return t
		}
	}
	return nil
}

// moment is an instant at which two workers were owners by their own word.
type moment struct {
	at     int64
	looked string // ran at that instant and took itself for the owner
	owner  string // was the owner by its own reckoning too
}

// twoOwners returns the moments with two owners: those at which a worker ran and
// found its context live within the term of another. What a frozen process
// believes does no harm while it does not run, so only instants at which code
// ran count. Two terms that overlap yield at least the later one's election.
func (h *history) twoOwners(now int64) []moment {
	var found []moment
	for _, t := range h.terms {
		for _, other := range h.terms {
			if other.worker == t.worker {
				continue
			}
			for _, at := range append([]int64{t.elected}, t.looks...) {
				if other.elected <= at && at < other.end(now) {
					found = append(found, moment{at: at, looked: t.worker, owner: other.worker})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return found
}

// looks is how many times any worker looked at its context and found it live.
func (h *history) looks() int {
	n := 0
	for _, t := range h.terms {
		n += len(t.looks)
	}
	return n
}
