package permits

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestRefused: what can't be is refused with a text that says why, and leaves nothing in Redis.
func TestRefused(t *testing.T) {
	rig.OnFake(t, func(e *rig.Env) {
		l, of, options := e.Locker(), holdfast.WithWeight, func(all ...holdfast.Option) []holdfast.Option { return all }
		for _, c := range []struct {
			what    string
			acquire acquire // nil: it is made with the options
			make    func(...holdfast.Option) acquire
			opts    []holdfast.Option
			text    string
		}{
			{"none", l.Semaphore("x", 0).Acquire, nil, nil, "0 permits are not between 1 and 1000000000"},
			{"fewer than none", l.Semaphore("x", -5).Acquire, nil, nil, "-5 permits are not between 1 and 1000000000"},
			{"too many", l.Semaphore("x", holdfast.MaxPermits+1).Acquire, nil, nil, "1000000001 permits are not between 1 and 1000000000"},
			{"weightless", nil, semaphore(l), options(of(0)), "a weight of 0 is under 1"},
			{"light", nil, semaphore(l), options(of(-3)), "a weight of -3 is under 1"},
			{"heavy", nil, semaphore(l), options(of(6)), "a weight of 6 is over the 5 permits there are"},
			{"a token", nil, semaphore(l), options(holdfast.WithToken("t")), "a token can't be given"},
			{"at rest", nil, semaphore(l), options(holdfast.WithLinger(time.Second)), "only a mutex can linger"},
			{"strangers", nil, semaphore(l), options(holdfast.WithTurnsForStrangers(time.Minute, time.Second)), "no turns"},
			{"of a mutex", nil, func(opts ...holdfast.Option) acquire { return l.Mutex("x", opts...).Acquire }, options(of(1)), "a mutex has one holder"},
			{"none of a mutex", nil, func(opts ...holdfast.Option) acquire { return l.Mutex("x", opts...).Acquire }, options(of(0)), "a mutex has one holder"},
			{"of a writer", nil, func(opts ...holdfast.Option) acquire { return l.RWMutex("x", opts...).Acquire }, options(of(2)), "a weight of 2: a read-write lock has none"},
			{"of a reader", nil, func(opts ...holdfast.Option) acquire { return l.RWMutex("x", opts...).RAcquire }, options(of(2)), "a weight of 2: a read-write lock has none"},
			{"of one reader", nil, func(opts ...holdfast.Option) acquire { return l.RWMutex("x", opts...).RAcquire }, options(of(1)), "a weight of 1: a read-write lock has none"},
			{"a writer's token", nil, func(opts ...holdfast.Option) acquire { return l.RWMutex("x", opts...).Acquire }, options(holdfast.WithToken("t")), "a token can't be given"},
			{"a writer at rest", nil, func(opts ...holdfast.Option) acquire { return l.RWMutex("x", opts...).Acquire }, options(holdfast.WithLinger(time.Second)), "only a mutex can linger"},
		} {
			calls := []acquire{c.acquire}
			if c.make != nil {
				calls = []acquire{c.make(c.opts...), c.make()}
			}
			for i, call := range calls {
				var opts []holdfast.Option
				if i > 0 {
					opts = c.opts
				}
				s, err := call(e.Ctx(), opts...)
				if !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), c.text) {
					e.T.Errorf("%s: %v, %v; want %q", c.what, s, err, c.text)
				}
			}
		}
		if keys := e.Keys(); len(keys) != 0 {
			e.T.Errorf("left behind: %q", keys)
		}
	})
}

func semaphore(l *holdfast.Locker) func(...holdfast.Option) acquire {
	return func(opts ...holdfast.Option) acquire { return l.Semaphore("x", 5, opts...).Acquire }
}
