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

// adoptOrphans makes us the parent of what the program leaves behind, in the place of an
// init that may not be there to wait for it.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reap waits for those orphans that have ended: of a group, given as a negative number. None
// of them may be one that os/exec waits for.
func reap(group int) {
	for {
		if pid, err := unix.Wait4(group, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// reapOrphans waits for all that have ended. No program may be running.
func reapOrphans() { reap(-1) }

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
