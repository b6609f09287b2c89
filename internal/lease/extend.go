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

// Check has Redis asked whether the lease is still ours; if it is not, it is lost. ask sends the request.
func (l *Lease) Check(ask func(store.Call) (store.Reply, error)) error {
	r, err := ask(l.lock.Env.Store.Check(l.ID()))
	if err == nil && r.Status != store.Held {
		err = l.Lose(LossOf(r.Status))
	}
	return err
}

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
