package lease

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast/internal/store"
)

// TestCheck: an answer that the lock is another's ends the Holder, and an error says nothing about it.
func TestCheck(t *testing.T) {
	failed := errors.New("on purpose")
	for name, c := range map[string]struct {
		reply store.Reply
		err   error
		want  error
		lost  bool
	}{
		"held":      {store.Reply{Status: store.Held}, nil, nil, false},
		"gone":      {store.Reply{Status: store.Gone}, nil, ErrGone, true},
		"taken":     {store.Reply{Status: store.Taken}, nil, ErrTaken, true},
		"forced":    {store.Reply{Status: store.Forced}, nil, ErrForceReleased, true},
		"no answer": {store.Reply{}, failed, failed, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newWorld(t), &hold{terms: tenSeconds()}
				l := w.granted(h)
				err := l.Check(func(store.Call) (store.Reply, error) { return c.reply, c.err })
				if !errors.Is(err, c.want) || (h.cause != nil) != c.lost {
					t.Errorf("error %v, want %v; the Holder ended with %v", err, c.want, h.cause)
				}
			})
		})
	}
}
