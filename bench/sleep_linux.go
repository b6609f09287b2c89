package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newSleeper returns a time.Sleep for one goroutine that keeps to tens of microseconds.
// Go's own rounds to whole milliseconds when the process is idle (epoll's unit), which
// would make a link of 1 ms one of 2; a timer file wakes the poller when it is due.
func newSleeper() (sleep func(time.Duration), stop func()) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return time.Sleep, func() {}
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	var expirations [8]byte
	sleep = func(d time.Duration) {
		if d <= 0 {
			return
		}
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		if unix.TimerfdSettime(fd, 0, &spec, nil) == nil {
			_, _ = f.Read(expirations[:])
		}
	}
	return sleep, func() { _ = f.Close() }
}
