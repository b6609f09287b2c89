package main

import "syscall"

// dieWithParent has the kernel kill a worker whose director is gone, also a
// frozen one, which can't notice that its standard input was closed. The signal
// is bound to the thread that started the worker; Go ends a thread only with a
// goroutine that was locked to it, and there is none here.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
