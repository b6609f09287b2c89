package lease

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/scripts"
)

// Terms are the options that concern a lease, and not only one session of it.
type Terms struct {
	trust.Terms
	Token     string // given by the caller; random unless HasToken
	HasToken  bool
	Label     string
	Replicas  int           // how many must have an acquisition
	Linger    time.Duration // for how long a lease rests that nobody waits for; 0: not at all
	Weight    int           // how many permits a session takes; 0 of a mutex
	Limit     int           // how many permits may be in use then
	TurnEvery time.Duration // how often the lock is left free for strangers; 0: never
	TurnGap   time.Duration
}

// Same reports whether a lease taken under these terms serves a call with the others.
func (t *Terms) Same(o *Terms) bool {
	return t == o || t.Terms == o.Terms && t.Replicas == o.Replicas && t.Linger == o.Linger && t.Weight == o.Weight && t.Limit == o.Limit && t.TurnEvery == o.TurnEvery &&
		t.TurnGap == o.TurnGap && t.Label == o.Label && !t.HasToken && !o.HasToken
}

// Validate refuses terms under which no lease can be kept.
func (t *Terms) Validate() error {
	switch {
	case (t.TurnEvery != 0 || t.TurnGap != 0) && (t.TurnGap < time.Millisecond || t.TurnGap > scripts.MaxTurn):
		return fmt.Errorf("strangers' gap %v is not between 1ms and %v", t.TurnGap, scripts.MaxTurn)
	case t.TurnEvery < t.TurnGap:
		return fmt.Errorf("strangers' turns every %v are shorter than their gap of %v", t.TurnEvery, t.TurnGap)
	case t.Replicas < 0:
		return fmt.Errorf("%d replicas are fewer than none", t.Replicas)
	case t.Linger < 0:
		return fmt.Errorf("linger time %v is under 0s", t.Linger)
	case t.Linger > 0 && t.NoExpiry:
		return errors.New("a lock without expiry can't linger: if the process died, nobody could have it")
	}
	return t.Terms.Validate()
}
