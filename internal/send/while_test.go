package send

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// TestAskWhile: while the slot migrates, the request is sent again for as long as it is wanted.
func TestAskWhile(t *testing.T) {
	for name, c := range map[string]struct {
		moves  time.Duration // the slot
		wanted time.Duration
		ends   time.Duration // the context
		took   func(time.Duration) bool
		ok     bool
	}{
		"until it has moved":    {30 * time.Second, time.Hour, time.Hour, func(d time.Duration) bool { return d >= 30*time.Second && d < 31*time.Second }, true},
		"while it is wanted":    {time.Hour, 12 * time.Second, time.Hour, func(d time.Duration) bool { return d >= 12*time.Second && d < 20*time.Second }, false},
		"until the caller ends": {time.Hour, time.Hour, 12 * time.Second, func(d time.Duration) bool { return d < 13*time.Second }, false},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				began := time.Now()
				moving, moved := failing(errMoving), after(0)
				f.answer = func(b sentBatch, calls []*store.Call) {
					if time.Since(began) < c.moves {
						moving(b, calls)
						return
					}
					moved(b, calls)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.ends)
				defer cancel()
				_, err := s.AskWhile(ctx, call("a"), func() bool { return time.Since(began) < c.wanted })
				if took := time.Since(began); (err == nil) != c.ok || !c.took(took) {
					t.Errorf("after %v: %v", took, err)
				}
				if !c.ok && !errors.Is(err, errMoving) {
					t.Errorf("error %v does not say that the slot was moving", err)
				}
			})
		})
	}
}
