package lease

import (
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Why the TTL of a lease is not changed, beside a loss. Package holdfast documents the first two.
var (
	ErrNoExpiry  = errors.New("the lock has no expiry")
	ErrReleased  = errors.New("released")
	ErrOvertaken = errors.New("a later request overtook it; the TTL is that one's")
)

// Extend has the TTL in Redis set to d, or d added to it, for h. ask sends the request. After that the
// lease is not passed on.
func (l *Lease) Extend(h Holder, d time.Duration, replace bool, ask func(store.Call) (store.Reply, error)) error {
	env := l.lock.Env
	l.KeepFrom(h)
	if !replace {
		d += l.lacking()
	}
	sent := env.Clock.Now()
	number, ok := l.Expect(h, sent, d.Truncate(time.Millisecond), replace)
	if !ok {
		return ErrReleased
	}
	r, err := ask(env.Store.Extend(l.ID(), d, replace, number))
	switch {
	case err != nil:
		return err
	case r.Status == store.Stale:
		return ErrOvertaken
	case r.Status == store.Persistent:
		return ErrNoExpiry
	}
	return l.Answered(number, sent, env.Clock.Now(), r)
}
