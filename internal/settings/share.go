package settings

import (
	"errors"
	"fmt"
)

// ErrToken says that the token of permits is not to be chosen.
var ErrToken = errors.New("a token can't be given for permits: two sessions that had the same would count as one")

// Share makes them the settings of sessions that take permits of a semaphore, of which at most limit may
// be in use. A weight other than 0 is how many each session takes, and the settings must not say it. A
// limit of 0 means a mutex.
func (s *Settings) Share(limit, weight int) error {
	switch {
	case limit == 0 && s.HasWeight:
		return errors.New("a weight is for a semaphore; a mutex has one holder")
	case limit == 0:
		return nil
	case !s.HasWeight:
		s.Weight = max(weight, 1)
	}
	switch {
	case weight != 0 && s.HasWeight:
		return fmt.Errorf("a weight of %d: a read-write lock has none", s.Weight)
	case s.Weight < 1:
		return fmt.Errorf("a weight of %d is under 1", s.Weight)
	case s.Weight > limit:
		return fmt.Errorf("a weight of %d is over the %d permits there are", s.Weight, limit)
	case s.Linger != 0:
		return errors.New("only a mutex can linger")
	case s.TurnEvery != 0:
		return errors.New("strangers can't take permits, so they need no turns")
	}
	s.Limit = limit
	return nil
}
