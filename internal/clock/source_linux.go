package clock

import (
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
func System() Source { return Source{Asleep: asleep} }

func asleep() time.Duration {
	// The boot clock is read first, so that being descheduled between the two calls
	// makes the difference too small, never too large: sleep is not made up, and
	// what is missed shows at the next reading.
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
