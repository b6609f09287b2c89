package main

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// tellsStops is whether watchStops does.
const tellsStops = true

// stopSelf stops this process, and returns when it was continued: a signal to the thread itself
// is taken before the call returns.
func stopSelf() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

// noSignalsOfWrites keeps this goroutine's writes from stopping the process (SIGTTOU, at a
// terminal with "stty tostop" in whose background it is) and from sending it a SIGXFSZ, which
// would be forwarded to the program. The goroutine keeps its thread.
func noSignalsOfWrites() {
	runtime.LockOSThread()
	var set unix.Sigset_t
	set.Val[0] = 1<<(unix.SIGTTOU-1) | 1<<(unix.SIGXFSZ-1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
}

// watchStops tells when the program was stopped, by the terminal's Ctrl-Z, say. It returns
// when the program has ended.
func watchStops(c *child) {
	for {
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WSTOPPED, nil)
		switch {
		case err == nil:
			select {
			case c.stopped <- struct{}{}:
			default:
			}
		case !errors.Is(err, unix.EINTR):
			return
		}
	}
}
