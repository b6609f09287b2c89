package settings

import (
	"errors"
	"fmt"
)

// ErrWeight says that a mutex has no permits.
var ErrWeight = errors.New("a weight is for a semaphore; a mutex has one holder")

// ErrToken says that the token of permits is not to be chosen.
var ErrToken = errors.New("a token can't be given for permits: two sessions that had the same would count as one")

// Share makes them the settings of sessions that take permits of a semaphore, of which at most limit may
// be in use. A weight other than 0 is how many each session takes, and the settings must not say it. A
// limit of 0 means a mutex.
func (s *Settings) Share(limit, weight int) error {
	given := s.Weight
	switch {
	case limit == 0 && given != 0:
		return ErrWeight
	case limit == 0:
		return nil
	case weight != 0 && given != 0 && given != weight:
		return fmt.Errorf("a weight of %d: a read-write lock has none", given)
	case given < 0:
		return fmt.Errorf("a weight of %d is under 1", given)
	case given > limit:
		return fmt.Errorf("a weight of %d is over the %d permits there are", given, limit)
	case s.Linger != 0:
		return errors.New("only a mutex can linger")
	case s.TurnEvery != 0:
		return errors.New("strangers can't take permits, so they need no turns")
	}
	s.Weight, s.Limit = max(weight, given, 1), limit
	return nil
}
