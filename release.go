package holdfast

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast/internal/endctx"
)

// Release ends the session and gives the lock back, in this order: the context is done, with
// ErrReleased; the session's groups end, while the lock is still renewed; renewing stops; if
// the session still holds the lock, whoever has waited longest gets it, in this process or,
// by the script that releases it, in another.
//
// ctx bounds the wait for the groups. If they outlive it, the lock is not released under them:
// renewing stops, the lock expires, and the error says so. The request to Redis does not depend
// on ctx; its bound is 5 s or what is left of the lease, if that is less.
//
// Release returns nil if the lock was given back, ErrLost if the session no longer held it, and
// otherwise the error of Redis or of the network. After such an error the release is tried again
// in the background, with back-off, until the lease is over or the Locker is closed (for up to
// 1,024 locks of a Locker; the others expire). Release may be called again and returns the result.
//
// With [WithMinHold], a lock that was held for less than that is kept in Redis for the rest of
// the time, without this process. Release does not wait for that.
//
// Release may be called twice, concurrently, after the parent context has ended, after a loss,
// and after Close. If it is called from inside one of the session's groups, with a context that
// is derived from the session's, it returns nil at once, and the lock is given back when the
// group has ended.
func (s *Session) Release(ctx context.Context) error {
	mustContext(ctx)
	return s.wrap("release", s.m.l.engine.Releaser.Release(ctx, s.holder(), s.conf.MinHold))
}

// Detach ends the session with ErrDetached, but keeps the lock: it waits for the groups as
// Release does, renews to the full TTL, stops renewing and returns the token, by which
// [Mutex.Resume], or redis-py, can go on with the lock. ctx is as in [Session.Release]. After
// an error the session is over and the lock expires, unless Detach or Release is called again.
// Releasing a detached session does nothing.
func (s *Session) Detach(ctx context.Context) (string, error) {
	mustContext(ctx)
	if err := s.m.l.engine.Releaser.Detach(ctx, s.holder()); err != nil {
		return "", s.wrap("detach", err)
	}
	return s.lease.ID().Token(), nil
}

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
	return &Group{g, s}, endctx.Looking(ctx, &s.ctx)
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
