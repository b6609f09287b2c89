package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/holdfast-go/holdfast"
)

// signalled is the end of a wait by a signal.
type signalled struct{ sig os.Signal }

func (s *signalled) Error() string {
	return fmt.Sprintf("ended by signal %d (%v)", signalNumber(s.sig), s.sig)
}

// catch has the signals that a program would get sent to a channel. A signal that this process was
// started to ignore, for example by nohup, stays ignored, here and in the program.
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
// to end. stop makes it last, whatever comes after.
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
		uncatch()
		close(stopped)
		<-ended
		select {
		case sig := <-caught: // it came first
			cancel(&signalled{sig})
		default:
		}
	}
}

// goOn follows a wait for the lock that ctx and stop, of untilSignal, have bounded: from here
// on signals are for the program, and none is lost between. A session that came together
// with a signal is given back.
func goOn(ctx context.Context, stop func(), s *holdfast.Session, err error) (<-chan os.Signal, func(), error) {
	signals, uncatch := catch(forwardedSignals)
	stop()
	if err == nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), s.Release(context.WithoutCancel(ctx)))
	}
	if err != nil {
		uncatch()
		return nil, nil, err
	}
	return signals, uncatch, nil
}

// asksToEnd reports whether a signal asks for the end of everything.
func asksToEnd(sig os.Signal) bool {
	return slices.Contains([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}, sig)
}

// interrupts reports whether a program was ended by what a terminal sends to its foreground.
func interrupts(by os.Signal) bool { return by == os.Interrupt || by == syscall.SIGQUIT }
