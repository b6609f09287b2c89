package clock

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// From <linux/time.h>.
const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// System returns this machine's source: CLOCK_BOOTTIME less CLOCK_MONOTONIC.
//
// To read either of them takes a system call, which is too slow: it happens several times in
// each use of a lock. time.Now takes none, and reads the wall clock and the monotonic clock. The
// kernel adds a sleep to the wall clock and to CLOCK_BOOTTIME at the same time. So as long as
// the wall clock has not moved against the monotonic clock, there was no sleep; once it has,
// whatever the reason, the other two are read.
func System() Source {
	base := time.Now()
	var known atomic.Pointer[reading]
	return Source{Asleep: func(now time.Time) time.Duration {
		drift := time.Duration(now.UnixNano()-base.UnixNano()) - now.Sub(base)
		if r := known.Load(); r != nil && (drift-r.drift).Abs() < grain/2 {
			return r.asleep
		}
		// The drift was read before: a sleep that comes later shows at the next call. If the
		// reading took long, the result may be too small by as much, and is not kept.
		r := &reading{drift, asleep()}
		if time.Since(now) < grain/2 {
			known.Store(r)
		}
		return r.asleep
	}}
}

// reading is what Asleep said while the wall clock was so far ahead.
type reading struct{ drift, asleep time.Duration }

func asleep() time.Duration {
	// CLOCK_BOOTTIME is read first. If the process is descheduled between the two calls, the
	// difference is too small, never too large: no sleep is invented, and what is missed
	// shows at the next reading.
	boot, ok := read(clockBoottime)
	if !ok {
		return 0
	}
	mono, ok := read(clockMonotonic)
	if !ok {
		return 0
	}
	return boot - mono
}

func read(id uintptr) (time.Duration, bool) {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano()), errno == 0
}
