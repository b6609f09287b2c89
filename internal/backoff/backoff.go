// Package backoff says how long to pause before something that failed is tried again: twice as long
// each time, and never quite the same, so that those who failed together don't try together.
//
// It has no mutex and starts no goroutine.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses are the pauses between the tries of one loop. They are not safe for concurrent use.
type Pauses struct {
	Least, Most time.Duration // Most may change between two pauses
	n           int           // failures in a row
}

// Next returns the next pause.
func (p *Pauses) Next() time.Duration {
	d := After(p.n, p.Least, p.Most)
	p.n++
	return Jitter(d)
}

// Reset makes the next pause the shortest.
func (p *Pauses) Reset() { p.n = 0 }

// Sleep waits for the next pause; false if ctx ends before.
func (p *Pauses) Sleep(ctx context.Context) bool { return Sleep(ctx, p.Next()) }

// Sleep waits for d; false if ctx ends before.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// After returns the pause after n failures before the last, without jitter: least, doubled n times,
// but no more than most. It is never less than least.
func After(n int, least, most time.Duration) time.Duration {
	d := least
	for ; n > 0 && d < most; n-- {
		if d > most/2 {
			return most
		}
		d *= 2
	}
	return d
}

// Jitter varies d by up to a quarter either way, so that those who began together don't go on
// together.
func Jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}
