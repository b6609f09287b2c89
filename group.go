package holdfast

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast/internal/operr"
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
	g.Group.Go(g.s.counted(f))
}

// TryGo calls f in a new goroutine if the group's limit allows it, as
// [errgroup.Group.TryGo] does.
func (g *Group) TryGo(f func() error) bool {
	g.s.drain.Enter()
	if !g.Group.TryGo(g.s.counted(f)) {
		g.s.drain.Leave()
		return false
	}
	return true
}

func (s *Session) counted(f func() error) func() error {
	return func() error {
		defer s.drain.Leave()
		return f()
	}
}

// inside reports whether ctx comes from the session while a group of it is running.
func (s *Session) inside(ctx context.Context) bool {
	return ctx.Value(withinKey{s}) != nil && s.drain.Working()
}

// await waits for the groups while the lease is renewed.
func (s *Session) await(ctx context.Context) error {
	if ctx.Value(withinKey{s}) != nil {
		ctx = context.WithoutCancel(ctx) // the session itself has ended it
	}
	if s.drain.Await(ctx, s.lookNow) {
		return nil
	}
	return fmt.Errorf("%w: a group is still running; the lock is left to expire, at %v",
		operr.Ended(ctx, context.Cause(ctx)), s.ValidUntil().Format(time.RFC3339Nano))
}

// lookNow has the watchdog look whether the lease is still to be renewed.
func (s *Session) lookNow() { s.m.l.env.Sched.By(s.lease, s.m.l.clock.Now()) }
