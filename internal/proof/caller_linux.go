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

// patient reports whether a lock is one of those that are held for long: a fault should find
// somebody who has a lock and goes on using it, and others who wait.
func patient(lock int) bool { return lock%5 == 4 }

// lock chooses one: those of a small number are asked for more often. One client in three asks
// for those that are held for long, and for no others.
func (c *caller) lock() uint16 {
	if c.w.Fresh > 0 {
		i := int(now() / int64(c.w.Fresh) % int64(len(c.w.Locks)))
		if c.second {
			i |= 1
		}
		return uint16(min(i, len(c.w.Locks)-1))
	}
	long := c.client%3 == 0
	var some []int
	for i := range c.w.Locks {
		if patient(i) == long && (i%2 == 1 || !c.second) {
			some = append(some, i)
		}
	}
	return uint16(some[int(float64(len(some))*c.r.Float64()*c.r.Float64())])
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

// hold is for how long it holds a lock.
func (c *caller) hold(lock uint16) time.Duration {
	longest := 2 * time.Millisecond
	switch several := LimitOf(c.w.Locks[lock]) > 1; {
	case c.w.Fresh > 0:
		longest = c.w.Hold
	case patient(int(lock)):
		longest = 3 * c.w.Target.TTL
	case several: // or nobody would have to wait
		longest = 30 * time.Millisecond
	case c.r.IntN(10) == 0:
		longest = 50 * time.Millisecond
	}
	return time.Duration(c.r.Int64N(int64(longest)))
}

func (c *caller) once() {
	r := Record{Kind: Asked, Lock: c.lock(), Caller: c.number, Client: c.client, ID: c.w.nextID()}
	name := c.w.Locks[r.Lock]
	r.Weight = uint32(weight(c.r, LimitOf(name)))
	ctx, cancel := c.patience()
	defer cancel()
	c.say(r, now(), 0)
	h, err := c.c.Acquire(ctx, name, int(r.Weight))
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
	end := now() + int64(c.hold(r.Lock))
	for ctx := h.Context(); ; {
		at := now()
		if ctx.Err() != nil {
			return alive, now(), true
		}
		if alive = at; at > end || c.w.going.Err() != nil {
			return alive, now(), false
		}
		r.Kind = Used
		c.touch(&r)
		c.say(r, at, now())
		longest := 5 * time.Millisecond
		if c.w.Fresh > 0 {
			longest = 20 * time.Millisecond // they do little else
		}
		time.Sleep(min(time.Duration(max(end-now(), 0)), time.Duration(c.r.Int64N(int64(longest)))))
	}
}

// touch uses the store once. Whoever holds a name alone adds one; who may not be alone looks whether
// anything changes.
func (c *caller) touch(r *Record) {
	alone := int(r.Weight) == LimitOf(c.w.Locks[r.Lock])
	read := c.w.cells.look
	if alone {
		read = c.w.cells.read
	}
	r.Value, r.OK = read(r.Lock, r.Fence)
	if c.r.IntN(4) == 0 {
		time.Sleep(time.Duration(c.r.Int64N(int64(100 * time.Microsecond)))) // long enough for another to come between
	}
	if alone {
		r.OK = r.OK && c.w.cells.write(r.Lock, r.Fence, r.Value+1)
		return
	}
	value, ok := c.w.cells.look(r.Lock, r.Fence)
	r.OK = r.OK && ok && value == r.Value
}

func (c *caller) say(r Record, t1, t2 int64) {
	r.T1, r.T2 = t1, t2
	c.w.out.add(r)
}
