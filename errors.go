package holdfast

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/release"
	"github.com/holdfast-go/holdfast/internal/replicas"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Errors of calls. Test with [errors.Is]. The messages name the lock and what was attempted,
// and never contain a token.
var (
	// ErrHeld: another held the lock at the single try of TryAcquire, or of Acquire with a
	// wait timeout of 0. Such an error is an ErrWaitTimeout, too.
	ErrHeld = queue.ErrHeld
	// ErrWaitTimeout: the wait timeout ended before the lock was acquired.
	ErrWaitTimeout = queue.ErrWaitTimeout
	// ErrNested: the context comes from a live session of the same lock: the call would
	// wait for itself.
	ErrNested = errors.New("the context already holds this lock")
	// ErrInvalid: a name, an option or an argument was refused. Nothing was sent.
	ErrInvalid = errors.New("invalid")
	// ErrReplicas: fewer replicas than [WithReplicas] asks for have the acquisition; it was
	// undone.
	ErrReplicas = replicas.ErrTooFew
	// ErrOtherFence: ForceReleaseFence found another holder than the one of the given fence,
	// or ForceReleaseStranger found the lock held through Holdfast. Nothing was released.
	ErrOtherFence = errors.New("held under another fence")
	// ErrNoExpiry: the lock has no expiry that could be extended.
	ErrNoExpiry = lease.ErrNoExpiry
	// ErrFailoverGrace: after a crash, a restart or a failover no lock is given yet; the message says for
	// how long. Only with [WithFailoverGrace]. That of a single try is an ErrHeld, too.
	ErrFailoverGrace = queue.ErrGrace
	// ErrNoAnswer: Redis did not answer in time, or there was no connection to it in time; the
	// message says which, and after how long. The time-out is the client's or Holdfast's own.
	// context.DeadlineExceeded is reported only for a deadline of the caller's context.
	ErrNoAnswer = store.ErrNoAnswer
)

// Why a session's context ended: see [context.Cause] and [Session.Err]. If the parent
// context ended first, the cause is the parent's.
var (
	// ErrReleased: Release was called.
	ErrReleased = lease.ErrReleased
	// ErrDetached: Detach was called, and the lock lives on under its token.
	ErrDetached = release.ErrDetached
	// ErrClosed: the Locker was closed.
	ErrClosed = operr.ErrClosed
	// ErrMaxHold: the session reached its [WithMaxHold].
	ErrMaxHold = lease.ErrMaxHold
	// ErrDrainOver: the caller's context had ended, and the time of [WithDrain] after it. The cause
	// of the caller's context is joined, so errors.Is(err, context.Canceled) may be true, too: ask
	// for ErrDrainOver first.
	ErrDrainOver = errors.New("drain time over")
	// ErrLost: the session no longer holds the lock, or can't be sure to. The error is one
	// of those below, for each of which errors.Is(err, ErrLost) is true.
	ErrLost = lease.ErrLost

	// ErrExpired: no renewal was confirmed before the lease could run out.
	ErrExpired = lease.ErrExpired
	// ErrTaken: another holder has the lock, or this lease was resumed elsewhere.
	ErrTaken = lease.ErrTaken
	// ErrGone: the key disappeared before its TTL was over: it was deleted, flushed or evicted,
	// or a failover lost the write.
	ErrGone = lease.ErrGone
	// ErrForceReleased: somebody called ForceRelease.
	ErrForceReleased = lease.ErrForceReleased
	// ErrSuspended: the machine was suspended past the end of the lease.
	ErrSuspended = lease.ErrSuspended
)

// invalid returns an ErrInvalid that says what and why.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
