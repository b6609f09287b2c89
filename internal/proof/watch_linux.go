package proof

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// watch looks at the servers until the returned function is called, for what happens to them
// that is none of the faults: the machine may be busy.
func (d *director) watch() (stop func()) {
	quit := make(chan struct{})
	var watching sync.WaitGroup
	for _, s := range d.rig.servers {
		watching.Go(func() { d.watchAnswers(s, quit) })
	}
	if d.rig.sentinel != nil {
		watching.Go(func() { d.watchSentinels(quit) })
	}
	if d.rig.several() {
		watching.Go(func() { d.watchMasters(quit) })
	}
	return func() {
		close(quit)
		watching.Wait()
	}
}

// every waits for the next look; false ends it.
func every(pause time.Duration, quit <-chan struct{}) bool {
	select {
	case <-quit:
		return false
	case <-time.After(pause):
		return true
	}
}

// slow is an answer that takes too long for what is said about waiting to be expected.
const slow = 300 * time.Millisecond

// watchAnswers marks the times in which a server did not answer, because of its disk, say. It
// excuses no overlap.
func (d *director) watchAnswers(s *redistest.Server, quit <-chan struct{}) {
	for every(slow/3, quit) {
		from := now()
		_ = d.rig.nodes[s].Ping(context.Background()).Err()
		if to := now(); to-from > int64(slow) && !d.struck(from, to) {
			at := d.open(Window{Name: "server slow, and no fault the reason", From: from})
			d.shut(at, func(w *Window) { w.To, w.Excused = to+int64(d.TTL), to })
		}
	}
}

// struck reports whether a fault was at work on the servers then.
func (d *director) struck(from, to int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.windows, func(w Window) bool { return w.Groups == 0 && w.From <= from && w.To >= to })
}

// lookPause is the time between two looks at who is master.
const lookPause = 100 * time.Millisecond

// watchMasters looks who is master. Where several servers decide that among themselves they
// may, on a busy machine, take one for dead that is only slow: a failover that is not among the
// faults, with the same consequences.
func (d *director) watchMasters(quit <-chan struct{}) {
	before, last := d.rig.roles(nil), now() // last: when they were seen to be as before
	for every(lookPause, quit) {
		at, moving := now(), d.moving.Load()
		roles := d.rig.roles(before)
		if moving || d.moving.Load() || slices.Equal(roles, before) {
			before, last = roles, at
			continue
		}
		window := d.open(Window{Name: "failover that nobody asked for", From: last, Excuses: d.rig.grace == 0, Loses: true})
		err := d.rig.replicated()
		before, last = d.rig.roles(nil), now()
		d.shut(window, func(w *Window) {
			w.Err = err
			w.Excused, w.To = last+int64(d.TTL), last+int64(d.TTL+d.rig.grace)+int64(5*time.Second)
		})
	}
}

// watchSentinels looks whether they are of one mind about who is master. While they are not, a
// client may be sent to the old one, which is a master itself as long as none of them has made
// it a replica.
func (d *director) watchSentinels(quit <-chan struct{}) {
	last := now() // when they were
	for every(200*time.Millisecond, quit) {
		if d.rig.sentinel.Agree() {
			last = now()
			continue
		}
		window := d.open(Window{Name: "Sentinels of two minds", From: last, Excuses: d.rig.grace == 0, Loses: true})
		err := await("the Sentinels agree", agreeTime, d.rig.sentinel.Agree)
		last = now()
		d.shut(window, func(w *Window) {
			w.Err = err
			w.Excused, w.To = last+int64(d.TTL), last+int64(d.TTL+d.rig.grace)+int64(5*time.Second)
		})
	}
}

// agreeTime is longer than a Sentinel in TILT, which knows that the machine was busy, does
// nothing (30 s).
const agreeTime = time.Minute

// roles returns whether each server is a master; of one that does not answer, what it was.
func (g *rig) roles(before []bool) []bool {
	roles := make([]bool, len(g.servers))
	var asking sync.WaitGroup
	for i, s := range g.servers {
		asking.Go(func() { roles[i] = g.isMaster(s, before != nil && before[i]) })
	}
	asking.Wait()
	return roles
}

func (g *rig) isMaster(s *redistest.Server, before bool) bool {
	switch g.role(s) {
	case "master":
		return true
	case "slave":
		return false
	}
	return before
}
