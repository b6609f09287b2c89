package holdfast

import "github.com/holdfast-go/holdfast/internal/clock"

// SetClock makes the Lockers made until undo is called learn of sleep from src.
func SetClock(src clock.Source) (undo func()) {
	systemClock = func() clock.Source { return src }
	return func() { systemClock = clock.System }
}

// Lines returns of how many locks a Locker keeps who holds and waits.
func Lines(l *Locker) int { return l.queues.Len() }
