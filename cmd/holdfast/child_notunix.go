//go:build !unix

package main

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// canRun is false where there are no process groups and signals: run and lead say so.
const (
	canRun     = false
	tellsStops = false
)

var (
	forwardedSignals = []os.Signal{os.Interrupt}
	endingSignals    = []os.Signal{os.Interrupt}
)

const (
	sigTerm = syscall.SIGTERM
	sigKill = syscall.SIGKILL
	sigStop = syscall.Signal(-1)
	sigCont = syscall.Signal(-2)
)

type child struct {
	exited, stopped chan struct{}
	tty             int
	unwatched       error
}

func start(string, []string, []string) (*child, error) { return nil, errors.ErrUnsupported }

func (c *child) signal(os.Signal)         {}
func (c *child) status() (int, os.Signal) { return statusFailed, nil }
func (c *child) mayRun(time.Duration)     {}
func (c *child) left() bool               { return false }
func (c *child) pause()                   {}
func (c *child) pid() int                 { return 0 }

func noSignalsOfWrites() {}

func signalNumber(sig os.Signal) int {
	s, _ := sig.(syscall.Signal)
	return int(s)
}
