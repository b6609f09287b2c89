package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Why a lock could not be had. Package holdfast documents them.
var (
	ErrHeld        = errors.New("held by another")
	ErrWaitTimeout = errors.New("wait timeout")
	ErrGrace       = errors.New("failover grace")
)

// graceError is the error of a try that found the replication history unsettled: for so long no lock
// is given. Its last holder may be live, so a single try counts as one that found the lock held.
type graceError struct {
	left         time.Duration
	once         bool
	own, longest time.Duration // the grace of this process, and the one that counts
}

func (qs *Queues) graceError(left time.Duration, once bool) graceError {
	return graceError{left, once, qs.Grace.Own(), qs.Grace.Longest()}
}

func (e graceError) Error() string {
	if e.left >= grace.Never {
		return fmt.Sprintf("%v: no lock is given by a server that was replaced by another", ErrGrace)
	}
	text := fmt.Sprintf("%v: no lock is given for another %v", ErrGrace, e.left.Round(time.Millisecond))
	if e.longest > e.own {
		text += fmt.Sprintf(" (another has a grace of %v, which counts; here it is %v)", e.longest, e.own)
	}
	return text
}

func (e graceError) Is(target error) bool {
	return target == ErrGrace || e.once && errors.Is(errOneTry, target)
}

// errOneTry is the error of a single try that found the lock held. It does not matter whether a
// single try or a wait timeout of 0 was asked for.
var errOneTry error = oneTry{}

type oneTry struct{}

func (oneTry) Error() string { return ErrHeld.Error() }

func (oneTry) Is(target error) bool { return target == ErrHeld || target == ErrWaitTimeout }

// notHad is the error of a single try with that answer.
func (qs *Queues) notHad(r store.Reply) error {
	if r.Status == store.Unsettled {
		return qs.graceError(r.TTL, true)
	}
	return errOneTry
}

// errMoved: another server has the lock now than the one that has not answered.
var errMoved = errors.New("no answer from the server that had the lock")

// late is the error of an answer after which too little of the lease is left.
type late struct{ took, trusted time.Duration }

func (l late) Error() string {
	return fmt.Sprintf("the answer took %v of the %v for which its lease can be trusted", l.took, l.trusted)
}
