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
// Each of the two costs a system call, which is too much for something that is asked several
// times in every use of a lock. time.Now needs none and reads the wall clock with the
// monotonic one. The kernel adds a sleep to the wall clock and to CLOCK_BOOTTIME at the same
// time, so while the wall clock has not moved against the monotonic one there was no sleep.
// If it has, for whatever reason, the two are asked.
func System() Source {
	base := time.Now()
	var known atomic.Pointer[reading]
	return Source{Asleep: func(now time.Time) time.Duration {
		drift := time.Duration(now.UnixNano()-base.UnixNano()) - now.Sub(base)
		if r := known.Load(); r != nil && (drift-r.drift).Abs() < grain/2 {
			return r.asleep
		}
		// The drift was read before: a sleep from here on shows at the next call. What took
		// long may be too small by as much, and is not kept.
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
	// The boot clock is read first, so that being descheduled between the two calls
	// makes the difference too small, never too large: sleep is not made up, and
	// what is missed shows when it is read again.
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
