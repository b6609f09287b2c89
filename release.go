package holdfast

import (
	"context"
	"errors"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/release"
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
	if s.inside(ctx) {
		s.end(release.ByRelease)
		l := s.m.l
		l.tasks.Go(func() { _ = s.finish(l.ctx, release.ByRelease, s.giveBack) })
		return nil
	}
	return s.wrap("release", s.finish(ctx, release.ByRelease, s.giveBack))
}

// Detach ends the session with ErrDetached, but keeps the lock: it waits for the groups as
// Release does, renews to the full TTL, stops renewing and returns the token, by which
// [Mutex.Resume], or redis-py, can go on with the lock. ctx is as in [Session.Release]. After
// an error the session is over and the lock expires, unless Detach or Release is called again.
// Releasing a detached session does nothing.
func (s *Session) Detach(ctx context.Context) (string, error) {
	mustContext(ctx)
	if s.inside(ctx) {
		return "", s.wrap("detach", errors.New("called from inside the session's own group, which it waits for"))
	}
	if err := s.finish(ctx, release.ByDetach, s.handOut); err != nil {
		return "", s.wrap("detach", err)
	}
	return s.lease.ID().Token(), nil
}

// finish is the way from a session that holds to one that does not: tell the work, wait for it,
// then let the lock go by last. One call at a time lets it go, and those after it return what it
// returned.
func (s *Session) finish(ctx context.Context, how release.Way, last func(context.Context, *release.Ending) error) error {
	s.end(how)
	if err := s.await(ctx); err != nil {
		return err
	}
	e := s.drain.LockTurn()
	defer s.drain.UnlockTurn()
	switch over, result := e.Over(); {
	case over == 0:
		return last(ctx, e)
	case over == how || how == release.ByRelease:
		return result // releasing what was detached does nothing
	default:
		return ErrReleased
	}
}

// ends is how the context of the session ends by each way.
var ends = [...]*endctx.End{release.ByRelease: endctx.NewEnd(ErrReleased), release.ByDetach: endctx.NewEnd(ErrDetached)}

func (s *Session) giveBack(ctx context.Context, e *release.Ending) error {
	return s.m.l.releaser.GiveBack(ctx, s.lease, s.holder(), e, s.conf.MinHold)
}

func (s *Session) handOut(ctx context.Context, e *release.Ending) error {
	return s.m.l.releaser.HandOut(ctx, s.lease, s.holder(), e)
}

// discard gives back at once the lease of a session that nobody has heard of.
func (s *Session) discard() {
	_ = s.holder().Retry(func(ctx context.Context, e *release.Ending) error {
		return s.m.l.releaser.GiveBack(ctx, s.lease, s.holder(), e, 0)
	})
}

// abandon ends a session and leaves its lock to expire.
func (s *Session) abandon() {
	_ = s.finish(context.Background(), release.ByDetach, func(_ context.Context, e *release.Ending) error {
		return s.m.l.releaser.Abandon(s.lease, e)
	})
}
