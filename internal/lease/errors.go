package lease

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Why a lease is lost. Each is an ErrLost to errors.Is. Package holdfast documents them.
var (
	ErrLost                = errors.New("lost")
	ErrExpired       error = loss("lost: expired unconfirmed")
	ErrTaken         error = loss("lost: taken by another")
	ErrGone          error = loss("lost: key gone")
	ErrForceReleased error = loss("lost: force-released")
	ErrSuspended     error = loss("lost: machine suspended")
)

// ErrMaxHold: the hold was as long as it may be. Package holdfast documents it.
var ErrMaxHold = errors.New("maximum hold reached")

type loss string

func (l loss) Error() string { return string(l) }

func (l loss) Is(target error) bool { return target == ErrLost }

// LossOf is the error for a status that says the lock is not ours.
func LossOf(status store.Status) error {
	switch status {
	case store.Gone:
		return ErrGone
	case store.Taken:
		return ErrTaken
	case store.Forced:
		return ErrForceReleased
	}
	return fmt.Errorf("unexpected status %d", status)
}
