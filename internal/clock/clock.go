// Package clock tells how much time has passed, including time in which the machine was
// suspended.
//
// Go's monotonic clock does not advance while a machine sleeps, but a Redis key goes on
// expiring: a lease counted on that clock alone would outlive its key. The wall clock is no
// better, because an NTP step would end healthy leases. Linux keeps
// CLOCK_BOOTTIME, which is monotonic and counts the sleep; a Clock adds the
// difference between it and CLOCK_MONOTONIC to Go's own clock. Taking Go's clock as
// the base keeps a Clock on fake time inside a testing/synctest bubble.
package clock

import (
	"sync/atomic"
	"time"
)

// Forever is later than any time of a Clock.
const Forever = time.Duration(1<<63 - 1)

// Source is where a Clock learns of sleep. Either func may be nil.
type Source struct {
	// Asleep returns how long the machine had been suspended since it booted, at a time
	// that was just read: a lower bound, exact but for the time between two readings of a
	// clock.
	Asleep func(now time.Time) time.Duration
	// Wall returns the wall clock. It is set only where Asleep can't be known, and
	// is no proof of anything: a jump of it is a reason to ask Redis.
	Wall func() time.Time
}

// Clock is safe for concurrent use.
type Clock struct {
	src    Source
	base   time.Time
	first  time.Duration // what Asleep said when the Clock was made
	asleep atomic.Int64  // the most that Asleep has said since, less first
	drift  atomic.Int64  // wall clock less monotonic clock when last compared
}

// New returns a Clock that starts at zero.
func New(src Source) *Clock {
	c := &Clock{src: src, base: time.Now()}
	for range 5 { // the largest is the best: see Source
		if src.Asleep != nil {
			c.first = max(c.first, src.Asleep(time.Now()))
		}
	}
	if src.Wall != nil {
		c.drift.Store(int64(c.wallDrift()))
	}
	return c
}

// Now returns the time since the Clock was made, sleep included. It never goes
// back.
func (c *Clock) Now() time.Duration {
	now := time.Now()
	return now.Sub(c.base) + c.asleepAt(now)
}

// grain is the least sleep that counts: above the noise between two readings.
const grain = time.Millisecond

// Asleep returns how much of the last Now the machine was suspended.
func (c *Clock) Asleep() time.Duration { return time.Duration(c.asleep.Load()) }

func (c *Clock) asleepAt(now time.Time) time.Duration {
	if c.src.Asleep == nil {
		return 0
	}
	seen := int64(c.src.Asleep(now) - c.first)
	for {
		most := c.asleep.Load()
		if seen < most+int64(grain) {
			return time.Duration(most)
		}
		if c.asleep.CompareAndSwap(most, seen) {
			return time.Duration(seen)
		}
	}
}

// jump is how far the wall clock must run ahead to count as one: more than a
// second's slewing, less than any lease that a sleep could endanger.
const jump = 500 * time.Millisecond

// Jumped reports whether the wall clock ran ahead of the monotonic clock since the
// last call: the machine may have slept, or somebody set the clock.
func (c *Clock) Jumped() bool {
	if c.src.Wall == nil {
		return false
	}
	now := c.wallDrift()
	return now-time.Duration(c.drift.Swap(int64(now))) > jump
}

func (c *Clock) wallDrift() time.Duration {
	mono := time.Since(c.base)
	return c.src.Wall().Sub(c.base.Round(0)) - mono
}
