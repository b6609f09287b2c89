// Package settings is what a lock's options amount to, and says whether they fit together.
package settings

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// What holds where no option says otherwise. Package holdfast documents these, and the limits.
const (
	TTL           = 10 * time.Second
	RetryInterval = 100 * time.Millisecond
)

// Limits, in bytes.
const (
	MaxTokenLen = 4096
	MaxLabelLen = 256
)

// Settings are those of a lock or of one call. The options of package holdfast say what each means.
type Settings struct {
	lease.Terms
	Retry      time.Duration
	Wait       time.Duration // if HasWait
	MaxHold    time.Duration // if HasMax
	MinHold    time.Duration // if HasMin
	Drain      time.Duration
	AckTimeout time.Duration // of replicas
	Failover   *Failover     // nil: New has not seen the option

	// Together, since each lock with options of its own has its settings.
	HasWait, HasMax, HasMin, HasWeight bool
}

// Default returns the settings without any option.
func Default() Settings {
	s := Settings{Retry: RetryInterval}
	s.TTL, s.Label = TTL, hostPID()
	return s
}

// hostPID is the default label.
var hostPID = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || len(host) > MaxLabelLen-24 {
		host = "?"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
})

// Validate returns what is wrong with the settings.
func (s *Settings) Validate() error {
	for _, c := range []struct {
		what  string
		d     time.Duration
		given bool
		least time.Duration
	}{
		{"TTL", s.TTL, false, 0},
		{"renew interval", s.Interval, false, 0},
		{"strangers' turn", s.TurnEvery, false, 0},
		{"retry interval", s.Retry, true, time.Millisecond},
		{"wait timeout", s.Wait, s.HasWait, 0},
		{"maximum hold", s.MaxHold, s.HasMax, time.Millisecond},
		{"minimum hold", s.MinHold, s.HasMin, time.Millisecond},
		{"drain time", s.Drain, true, 0},
		{"linger time", s.Linger, true, 0},
		{"replicas' timeout", s.AckTimeout, s.Replicas > 0, time.Millisecond},
	} {
		switch {
		case c.d > trust.MaxDuration:
			return fmt.Errorf("%s %v is over %v", c.what, c.d, trust.MaxDuration)
		case c.given && c.d < c.least:
			return fmt.Errorf("%s %v is under %v", c.what, c.d, c.least)
		}
	}
	if err := s.Terms.Validate(); err != nil {
		return err
	}
	if err := s.validateGrace(); err != nil {
		return err
	}
	switch {
	case s.HasMin && s.HasMax && s.MinHold > s.MaxHold:
		return fmt.Errorf("minimum hold %v is over the maximum hold %v", s.MinHold, s.MaxHold)
	case s.Replicas > 0 && !s.NoExpiry && s.AckTimeout >= trust.Trusted(s.TTL):
		return fmt.Errorf("replicas' timeout %v is not under the %v that a TTL of %v can be trusted for",
			s.AckTimeout, trust.Trusted(s.TTL), s.TTL)
	case s.HasToken && s.Token == "":
		return errors.New("the token is empty")
	case len(s.Token) > MaxTokenLen:
		return fmt.Errorf("the token has %d bytes, more than %d", len(s.Token), MaxTokenLen)
	case len(s.Label) > MaxLabelLen:
		return fmt.Errorf("the label has %d bytes, more than %d", len(s.Label), MaxLabelLen)
	}
	return nil
}

// Failover is the failover grace. It is the Locker's, and goes by the Locker's TTL.
type Failover struct {
	Grace time.Duration // 0: none
	TTL   time.Duration // 0 as the option gives it, before it is known
}

// SetFailover takes back what an option has made of the Locker's failover grace, and returns an error
// if it was another.
func (s *Settings) SetFailover(of *Failover) error {
	if given := s.Failover; given != of && given.Grace != of.Grace {
		return fmt.Errorf("failover grace %v is not that of the Locker, %v", given.Grace, of.Grace)
	}
	s.Failover = of
	return nil
}

func (s *Settings) validateGrace() error {
	f := s.Failover
	switch {
	case f == nil || f.Grace == 0:
		return nil
	case f.Grace < 0:
		return fmt.Errorf("failover grace %v is under 0s", f.Grace)
	case f.Grace > trust.MaxDuration:
		return fmt.Errorf("failover grace %v is over %v", f.Grace, trust.MaxDuration)
	case s.NoExpiry:
		return errors.New("a lock without expiry can't have a failover grace")
	case f.TTL != 0 && s.TTL > f.TTL:
		return fmt.Errorf("TTL %v is over that of the Locker, %v, to which its failover grace is fitted", s.TTL, f.TTL)
	case f.TTL == 0 && f.Grace < s.TTL+s.TTL/50:
		return fmt.Errorf("failover grace %v is under %v, the TTL of %v and 2%%", f.Grace, s.TTL+s.TTL/50, s.TTL)
	}
	return nil
}
