package queue

import (
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/scripts"
)

// claimNow is claim for those who do not hold mu.
func (qs *Queues) claimNow(w *Waiter) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return qs.claim(w)
}

// Message takes what a script says on the process's channel. Nothing depends on it.
func (qs *Queues) Message(text string) {
	kind, rest, _ := strings.Cut(text, " ")
	qs.mu.Lock()
	defer qs.mu.Unlock()
	switch kind {
	case "g": // granted
		qs.onGrant(rest)
	case "w": // others wait
		for _, a := range qs.outside[rest] {
			a.others = true
		}
		q := qs.of[rest]
		if q == nil {
			return
		}
		q.leases.each((*lease.Lease).OthersWait)
		if r := q.rest(); r != nil {
			qs.endRest(r)
		}
		if q.attempt != nil { // the answer that gives it the lock may still be on its way
			q.attempt.others = true
		}
	case "t": // another tries to take the lock
		qs.onTry(rest)
	case "u": // the lock that was tried is in use
		qs.onInUse(rest)
	case "r": // the lock may end sooner than the attempt was told: ask
		qs.of[rest].askNow()
	case "p": // it is left free for strangers, and then it is the attempt's turn
		qs.onTurn(rest)
	case "c": // the lock was taken away: ask
		if q := qs.of[rest]; q != nil {
			if r := q.rest(); r != nil {
				qs.endRest(r)
				return
			}
			q.leases.each((*lease.Lease).Ask)
		}
	}
}

// onGrant takes "attempt fence flags history name". Called with mu held.
func (qs *Queues) onGrant(text string) {
	part, rest, _ := strings.Cut(text, " ")
	fence, rest, _ := strings.Cut(rest, " ")
	flags, rest, _ := strings.Cut(rest, " ")
	history, name, _ := strings.Cut(rest, " ")
	q := qs.of[name]
	if q == nil || q.attempt == nil || !q.attempt.Begins(part) || len(part) != scripts.AttemptInMessage {
		return // the attempt was withdrawn, and the lock with it
	}
	if g, ok := parseGrant(fence, flags, history); ok {
		q.attempt.grant = g
		q.first.notify()
	}
}

// onTurn takes "milliseconds name". Called with mu held.
func (qs *Queues) onTurn(text string) {
	ms, name, _ := strings.Cut(text, " ")
	pause, err := strconv.Atoi(ms)
	q := qs.of[name]
	if err != nil || q == nil || q.attempt == nil || q.first == nil {
		return
	}
	// No later than it would ask anyway: it must go on to count as alive.
	at := qs.Now() + time.Duration(pause+1)*time.Millisecond
	q.attempt.next, q.attempt.turn = min(q.attempt.next, at), at
	q.first.notify()
}

// askNow makes the asker ask at once. Called with mu held.
func (q *queue) askNow() {
	if q != nil && q.attempt != nil && q.first != nil {
		q.attempt.askNow = true
		q.first.notify()
	}
}

// Poke makes the askers of a name ask at once; those of all if name is empty.
func (qs *Queues) Poke(name string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if name != "" {
		for _, kind := range store.Kinds() {
			qs.of[lease.KeyOf(kind, name)].askNow()
		}
		return
	}
	// Nobody could tell us that others wait, or could not until now. So it is when the Locker is closed, too.
	qs.endRests()
	for _, q := range qs.of {
		q.askNow()
	}
}

// Wake has every waiter look around, since the Locker is closed.
func (qs *Queues) Wake() {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for _, q := range qs.of {
		for w := q.first; w != nil; w = w.next {
			w.notify()
		}
	}
}
