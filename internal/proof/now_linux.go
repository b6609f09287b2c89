package proof

import (
	"syscall"
	"unsafe"
)

// now reads CLOCK_MONOTONIC, which is the same in all processes. time.Now reads it, too,
// but doesn't tell.
func now() int64 {
	var ts syscall.Timespec
	const clockMonotonic = 1
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(errno)
	}
	return ts.Nano()
}
