//go:build unix && !linux

package main

import (
	"os"
	"syscall"
	"time"
)

// watchStops does nothing here: a program that was stopped goes on when it is continued.
func watchStops(*child) {}

const tellsStops = false

// stopSelf stops this process, and returns when it was continued.
func stopSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	time.Sleep(10 * time.Millisecond) // the signal is on its way
}

// noSignalsOfWrites does nothing here.
func noSignalsOfWrites() {}
