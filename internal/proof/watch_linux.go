package proof

import (
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// watch looks who is master until the returned function is called. Where several servers
// decide that among themselves they may, on a busy machine, take one for dead that is only
// slow: a failover that is not among the faults, with the same consequences.
func (d *director) watch() (stop func()) {
	if d.Deployment != Sentinel && d.Deployment != Cluster {
		return func() {}
	}
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		before, last := d.rig.roles(nil), now() // last: when they were seen to be as before
		for {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
			}
			at, moving := now(), d.moving.Load()
			roles := d.rig.roles(before)
			if moving || d.moving.Load() || slices.Equal(roles, before) {
				before, last = roles, at
				continue
			}
			window := d.open(Window{Name: "failover that nobody asked for", From: last, Excuses: true})
			err := d.rig.replicated()
			before, last = d.rig.roles(nil), now()
			d.shut(window, func(w *Window) {
				w.Err = err
				w.Excused, w.To = last+int64(d.TTL), last+int64(d.TTL)+int64(5*time.Second)
			})
		}
	})
	return func() {
		close(quit)
		watching.Wait()
	}
}

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
