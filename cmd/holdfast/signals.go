package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// signalled is the end of a wait by a signal.
type signalled struct{ sig os.Signal }

func (s *signalled) Error() string {
	return fmt.Sprintf("ended by signal %d (%v)", signalNumber(s.sig), s.sig)
}

// catch has the signals that a program would get sent to a channel. What we were started to
// ignore, by nohup say, stays ignored, and is for the program likewise.
func catch(signals []os.Signal) (<-chan os.Signal, func()) {
	caught := make(chan os.Signal, 16)
	for _, sig := range signals {
		if !signal.Ignored(sig) {
			signal.Notify(caught, sig)
		}
	}
	return caught, func() { signal.Stop(caught) }
}

// untilSignal returns a context that ends, with a signalled as its cause, when we are told
// to end. stop makes it last, whatever comes.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	caught, uncatch := catch(endingSignals)
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop, which waits for it
		defer close(ended)
		select {
		case sig := <-caught:
			cancel(&signalled{sig})
		case <-stopped:
		}
	}()
	return ctx, func() {
		close(stopped)
		<-ended
		uncatch()
	}
}

// asksToEnd reports whether a signal asks for the end of everything.
func asksToEnd(sig os.Signal) bool {
	return slices.Contains([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}, sig)
}

// interrupts reports whether a program was ended by what a terminal sends to its foreground.
func interrupts(by os.Signal) bool { return by == os.Interrupt || by == syscall.SIGQUIT }
