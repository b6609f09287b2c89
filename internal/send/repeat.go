package send

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
)

// CleanupTime bounds what no deadline of a caller bounds: giving a lock back and taking a request
// back after the caller's context has ended, a batch of requests of which none has a deadline, and
// how long Ask asks again while a slot migrates.
const CleanupTime = 5 * time.Second

// What could not be given back within its bound is tried again in the background, as long as the
// lock may be held because of that: Redis may answer before the TTL is over, and the TTL can be long.
const (
	// maxRepeating is how many are tried again at once. What is more is left to expire.
	maxRepeating = 1024
	// Each try has its bound. The pause between two of them doubles.
	repeatPause    = time.Second
	maxRepeatPause = 30 * time.Second
)

// Repeat tries again in the background until try says that it is over, until the clock's time end,
// or until ctx is done. Tasks joins the goroutine.
func (s *Sender) Repeat(ctx context.Context, end time.Duration, try func() (over bool)) {
	if s.repeating.Add(1) > maxRepeating || ctx.Err() != nil {
		s.repeating.Add(-1)
		return
	}
	s.conf.Tasks.Go(func() {
		defer s.repeating.Add(-1)
		pauses := backoff.Pauses{Least: repeatPause, Most: maxRepeatPause}
		for s.conf.Clock.Now() < end {
			if !pauses.Sleep(ctx) || try() {
				return
			}
		}
	})
}

// TakeBack sends a request in the background that takes back others, until it is answered: for as
// long as what those may leave in Redis can last, which is lasts, but at least for CleanupTime and
// no longer than until ctx is done.
func (s *Sender) TakeBack(ctx context.Context, lasts time.Duration, call store.Call) {
	end := s.conf.Clock.Now()
	end += min(lasts, clock.Forever-end)
	try := func() (over bool) {
		_, _, err := s.UntilAnswered(context.Background(), CleanupTime, func(error) store.Call { return call })
		return err == nil || !store.Transient(err)
	}
	s.conf.Tasks.Go(func() {
		if !try() {
			s.Repeat(ctx, end, try)
		}
	})
}
