package proof

import (
	"context"
	"math/rand/v2"
	"time"
)

// caller is a goroutine that takes locks, uses what they protect, and lets go.
type caller struct {
	w      *worker
	c      Contender
	client uint32
	number uint32
	second bool // it leaves the locks of an even number to the client's first
	r      *rand.Rand
}

func (c *caller) run() {
	for c.w.going.Err() == nil {
		c.pause(time.Duration(c.r.ExpFloat64() * float64(c.w.Think)))
		c.once()
	}
}

// pause ends early when the goroutines are to stop.
func (c *caller) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.w.going.Done():
	}
}

// lock chooses one: those of a small number are asked for more often.
func (c *caller) lock() uint16 {
	n := len(c.w.Locks)
	i := int(float64(n) * c.r.Float64() * c.r.Float64())
	if c.second {
		i |= 1
	}
	return uint16(min(i, n-1))
}

// patience is how long it waits: as long as it takes, or, for one in five, not long enough.
func (c *caller) patience() (context.Context, context.CancelFunc) {
	c.w.mu.Lock()
	parent := c.w.canceled
	c.w.mu.Unlock()
	if c.r.IntN(5) > 0 {
		return context.WithCancel(parent)
	}
	return context.WithTimeout(parent, time.Duration(c.r.Int64N(int64(300*time.Millisecond))))
}

// hold is for how long it holds a lock: mostly not long, now and then longer than the TTL.
func (c *caller) hold() time.Duration {
	switch p := c.r.IntN(1000); {
	case p < 900:
		return time.Duration(c.r.Int64N(int64(2 * time.Millisecond)))
	case p < 993:
		return time.Duration(c.r.Int64N(int64(50 * time.Millisecond)))
	default:
		return time.Duration(c.r.Int64N(int64(2 * c.w.Target.TTL)))
	}
}

func (c *caller) once() {
	r := Record{Kind: Asked, Lock: c.lock(), Caller: c.number, Client: c.client, ID: c.w.nextID()}
	ctx, cancel := c.patience()
	defer cancel()
	c.say(r, now(), 0)
	h, err := c.c.Acquire(ctx, c.w.Locks[r.Lock])
	if err != nil {
		r.Kind, r.Code = Failed, codeOf(err)
		c.say(r, now(), 0)
		if CodeName(r.Code) == "other" {
			c.pause(20 * time.Millisecond) // Redis can't be reached
		}
		return
	}
	r.Fence = h.Fence()
	r.Kind = Got
	c.say(r, now(), 0)
	alive, over, ended := c.use(h, r)
	r.Kind, r.OK = Ended, !ended
	if ended {
		r.Code = codeOf(context.Cause(h.Context()))
	} else {
		r.Code = 1 // released
	}
	c.say(r, alive, over)
	if h.Release() == nil {
		r.Kind = Released
		c.say(r, now(), 0)
	}
}

// use uses the store until the hold is over, and returns when the last look that found the
// context alive began, when the end was known, and whether that was the context's.
func (c *caller) use(h Hold, r Record) (alive, over int64, ended bool) {
	end := now() + int64(c.hold())
	for ctx := h.Context(); ; {
		at := now()
		if ctx.Err() != nil {
			return alive, now(), true
		}
		if alive = at; at > end {
			return alive, now(), false
		}
		r.Kind = Used
		r.Value, r.OK = c.w.cells.read(r.Lock, r.Fence)
		if c.r.IntN(4) == 0 {
			time.Sleep(time.Duration(c.r.Int64N(int64(100 * time.Microsecond)))) // long enough for another to come between
		}
		r.OK = r.OK && c.w.cells.write(r.Lock, r.Fence, r.Value+1)
		c.say(r, at, now())
		time.Sleep(min(time.Duration(max(end-now(), 0)), time.Duration(c.r.Int64N(int64(5*time.Millisecond)))))
	}
}

func (c *caller) say(r Record, t1, t2 int64) {
	r.T1, r.T2 = t1, t2
	c.w.out.add(r)
}
