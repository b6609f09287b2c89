package holdfast

// Lines returns of how many locks a Locker keeps who holds and waits.
func Lines(l *Locker) int { return l.engine.Queues.Len() }

// SameOptions reports whether two sessions share what their options amount to.
func SameOptions(a, b *Session) bool { return a.conf == b.conf }

// MutexesAreSemaphores makes every mutex a semaphore of one permit.
func MutexesAreSemaphores() { mutexPermits = 1 }
