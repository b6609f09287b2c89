package clock

import "sync/atomic"

var replaced atomic.Pointer[Source]

// Current returns this machine's source, or what has replaced it.
func Current() Source {
	if src := replaced.Load(); src != nil {
		return *src
	}
	return System()
}

// Replace makes Current return src until undo is called. It is for tests of machines that sleep.
func Replace(src Source) (undo func()) {
	before := replaced.Swap(&src)
	return func() { replaced.Store(before) }
}
