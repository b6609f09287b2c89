package holdfast

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Group is an errgroup. Release and Detach of its session wait for its functions.
//
// Do not call Wait while another goroutine may still call Go, as with every errgroup.
type Group struct {
	*errgroup.Group
	s *Session
}

// Group returns an errgroup on the session's context. Release and Detach wait until no
// function of any group of the session is running, and keep the lock while they do.
func (s *Session) Group() (*Group, context.Context) {
	g, ctx := errgroup.WithContext(&s.ctx)
	return &Group{g, s}, ctx
}

// Go calls f in a new goroutine, as [errgroup.Group.Go] does.
func (g *Group) Go(f func() error) {
	g.s.drain.Enter()
	g.Group.Go(g.s.drain.Leaving(f))
}

// TryGo calls f in a new goroutine if the group's limit allows it, as
// [errgroup.Group.TryGo] does.
func (g *Group) TryGo(f func() error) bool {
	g.s.drain.Enter()
	if !g.Group.TryGo(g.s.drain.Leaving(f)) {
		g.s.drain.Leave()
		return false
	}
	return true
}
