package holdfast

// Lines returns of how many locks a Locker keeps who holds and waits.
func Lines(l *Locker) int { return l.queues.Len() }
