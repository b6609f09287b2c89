package holdfast

import (
	"errors"
	"fmt"
)

// What can go wrong before a lock is held. Test with [errors.Is]; the messages name the
// lock and what was tried, and never hold a token.
var (
	// ErrHeld: TryAcquire found the lock held by another.
	ErrHeld = errors.New("held by another")
	// ErrWaitTimeout: the wait timeout ended and the lock was still held by another.
	ErrWaitTimeout = errors.New("wait timeout")
	// ErrNested: the context comes from a live session of the same lock, which would
	// wait for itself.
	ErrNested = errors.New("the context already holds this lock")
	// ErrInvalid: a name, an option or an argument was refused. Nothing was sent.
	ErrInvalid = errors.New("invalid")
	// ErrReplicas: fewer replicas than [WithReplicas] asks for have the acquisition; it was
	// undone.
	ErrReplicas = errors.New("too few replicas have the lock")
	// ErrOtherFence: the holder that ForceReleaseFence was to take the lock from does not
	// have it any more; another does.
	ErrOtherFence = errors.New("held under another fence")
	// ErrNoExpiry: the lock has no expiry that could be extended.
	ErrNoExpiry = errors.New("the lock has no expiry")
)

// Why a session's context ended: see [context.Cause] and [Session.Err]. If the parent
// context ended first, the cause is the parent's.
var (
	// ErrReleased: Release was called.
	ErrReleased = errors.New("released")
	// ErrDetached: Detach was called, and the lock lives on under its token.
	ErrDetached = errors.New("detached")
	// ErrClosed: the Locker was closed.
	ErrClosed = errors.New("locker closed")
	// ErrMaxHold: the session reached its [WithMaxHold].
	ErrMaxHold = errors.New("maximum hold reached")
	// ErrLost: the lock is no longer this session's, or can't be shown to be. It is one
	// of the errors below, each of which errors.Is reports to be ErrLost too.
	ErrLost = errors.New("lost")

	// ErrExpired: no renewal was confirmed before the lease could run out.
	ErrExpired error = loss("lost: expired unconfirmed")
	// ErrTaken: another holder has the lock, or this lease was resumed elsewhere.
	ErrTaken error = loss("lost: taken by another")
	// ErrGone: the key is gone though its time was not up: deleted, flushed, evicted, or
	// a write that a failover lost.
	ErrGone error = loss("lost: key gone")
	// ErrForceReleased: somebody called ForceRelease.
	ErrForceReleased error = loss("lost: force-released")
	// ErrSuspended: the machine slept past the end of the lease.
	ErrSuspended error = loss("lost: machine suspended")
)

type loss string

func (l loss) Error() string { return string(l) }

func (l loss) Is(target error) bool { return target == ErrLost }

// opError says what was attempted and on which lock.
type opError struct {
	op, name string
	err      error
}

func (e *opError) Error() string {
	return fmt.Sprintf("holdfast: %s %s: %v", e.op, quote(e.name), e.err)
}

func (e *opError) Unwrap() error { return e.err }

// wrap puts the outermost operation before err, which may name its own: why a lock that
// could not be extended was lost, say.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := err.(*opError); ok && inner.name == name {
		if inner.op == op {
			return err
		}
		err = inner.err
	}
	return &opError{op, name, err}
}

// quote shows a name of any bytes and length in an error.
func quote(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%q… (%d bytes)", name[:most], len(name))
	}
	return fmt.Sprintf("%q", name)
}

// invalid returns an ErrInvalid that says what and why.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// join is errors.Join without repeating what err already says.
func join(err, more error) error {
	if err == nil || more == nil || !errors.Is(err, more) {
		return errors.Join(err, more)
	}
	return err
}
