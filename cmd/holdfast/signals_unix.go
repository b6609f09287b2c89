//go:build unix

package main

import (
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// notForwarded are the signals that are not forwarded to the program. SIGKILL and SIGSTOP can't
// be caught. SIGPROF is taken by the Go runtime. SIGURG, SIGCHLD and SIGPIPE reach this process
// for reasons of its own, too: the Go runtime sends SIGURG to its threads, and the kernel
// SIGPIPE at a write to a connection that was closed. SIGTTIN and SIGTTOU are for the process
// that uses the terminal.
var notForwarded = []os.Signal{
	syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGPROF, syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE,
	syscall.SIGTTIN, syscall.SIGTTOU,
}

// forwardedSignals are all others. On Linux these are the real-time signals from 35 on, too:
// the C library and the Go runtime have 32 to 34 for themselves.
var forwardedSignals = func() (all []os.Signal) {
	last := syscall.Signal(31)
	if runtime.GOOS == "linux" {
		last = 64
	}
	for sig := syscall.Signal(1); sig <= last; sig++ {
		if !slices.Contains(notForwarded, os.Signal(sig)) && (sig < 32 || sig > 34) {
			all = append(all, sig)
		}
	}
	return all
}()

// endingSignals end a wait for the lock: those that ask to end, and those that end a process
// which does not expect them and are no message to one that does.
var endingSignals = func() []os.Signal {
	ending := []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGILL, syscall.SIGTRAP,
		syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS, syscall.SIGXCPU,
	}
	if stackFault := unix.SignalNum("SIGSTKFLT"); stackFault != 0 { // most, but not all of Linux have it
		ending = append(ending, stackFault)
	}
	return ending
}()
