package main

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// aside writes lines from a goroutine of its own: who has to kill a program in time must not
// wait for a terminal or a pipe that nobody reads. A line that can't be written is lost.
type aside struct {
	lines   chan []byte
	written chan struct{} // closed when all are
}

// asideMost is how many lines wait for a reader; more are lost.
const asideMost = 64

func newAside(out io.Writer) *aside {
	a := &aside{make(chan []byte, asideMost), make(chan struct{})}
	// A write to a pipe that has no reader any more ends a Go process, unless it asks for the
	// signal. To ignore the signal instead would make the program ignore it, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() { // ends with close, or the process
		defer close(a.written)
		noSignalsOfWrites()
		for line := range a.lines {
			_, _ = out.Write(line) // there is nowhere else to say so
		}
	}()
	return a
}

func (a *aside) Write(line []byte) (int, error) {
	select {
	case a.lines <- bytes.Clone(line):
	default:
	}
	return len(line), nil
}

// close waits until all is written, but not for long.
func (a *aside) close() {
	close(a.lines)
	select {
	case <-a.written:
	case <-time.After(time.Second):
	}
}
