package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Group is an errgroup whose functions its session waits for. It counts them itself:
// errgroup's Wait must not be called while another goroutine calls Go.
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
	g.s.enter()
	g.Group.Go(g.s.counted(f))
}

// TryGo calls f in a new goroutine if the group's limit allows it, as
// [errgroup.Group.TryGo] does.
func (g *Group) TryGo(f func() error) bool {
	g.s.enter()
	if !g.Group.TryGo(g.s.counted(f)) {
		g.s.leave()
		return false
	}
	return true
}

func (s *Session) counted(f func() error) func() error {
	return func() error {
		defer s.leave()
		return f()
	}
}

func (s *Session) enter() {
	s.lease.mu.Lock()
	s.working++
	s.lease.mu.Unlock()
}

func (s *Session) leave() {
	s.lease.mu.Lock()
	defer s.lease.mu.Unlock()
	if s.working--; s.working == 0 && s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// drain returns a channel that is closed when no function of a group is running; nil if
// none is now.
func (s *Session) drain() <-chan struct{} {
	s.lease.mu.Lock()
	defer s.lease.mu.Unlock()
	if s.working > 0 && s.drained == nil {
		s.drained = make(chan struct{})
	}
	return s.drained
}

// Release ends the session and gives the lock back. In this order: the context is done,
// with ErrReleased; the session's groups end, while the lock is still renewed; renewing
// stops; the lock is given, if it is still this session's, to the one who has waited longest:
// to a call of this process, or by the script that releases it in Redis.
//
// It returns nil if the lock was given back, ErrLost if it was no longer this session's,
// and what Redis or the network says if neither is known; then the lock expires by
// itself, and Release can be called again. ctx bounds the wait for the groups: if they
// outlive it, the lock is not given away under them, renewing stops so that it expires, and
// the error says so. The request has its own bound, 5 s or what is left of the lease, so
// it is tried also if ctx is done.
//
// Release may be called twice, concurrently, after the parent context has ended, after a
// loss, and after Close. Called from inside one of its own groups, with a context that
// comes from the session, it returns nil at once, and the lock is given back when the
// group has ended.
func (s *Session) Release(ctx context.Context) error {
	mustContext(ctx)
	if s.inside(ctx) {
		s.end(ErrReleased)
		l := s.lease.m.l
		l.spawn(func() { _ = s.finish(l.ctx, ErrReleased, s.giveBack) })
		return nil
	}
	return s.wrap("release", s.finish(ctx, ErrReleased, s.giveBack))
}

// Detach ends the session, with ErrDetached as its context's cause, and keeps the lock:
// it waits for the groups like Release, sees to it that the full TTL is left, stops
// renewing and returns the token. [Mutex.Resume], or redis-py, takes the lock up by it.
// After an error the session is over and the lock expires, unless Detach or Release is
// called again. Releasing a detached session does nothing.
func (s *Session) Detach(ctx context.Context) (string, error) {
	mustContext(ctx)
	if s.inside(ctx) {
		return "", s.wrap("detach", errors.New("called from inside the session's own group, which it waits for"))
	}
	if err := s.finish(ctx, ErrDetached, s.handOut); err != nil {
		return "", s.wrap("detach", err)
	}
	return s.lease.ident().Token(), nil
}

// inside reports whether ctx comes from the session while a group of it is running.
func (s *Session) inside(ctx context.Context) bool {
	if ctx.Value(withinKey{s}) == nil {
		return false
	}
	s.lease.mu.Lock()
	defer s.lease.mu.Unlock()
	return s.working > 0
}

// finish is the way from a session that holds to one that does not: tell the work, wait
// for it, then let go by last. One call at a time lets go, and those after it return
// what it returned.
func (s *Session) finish(ctx context.Context, how error, last func(context.Context) error) error {
	s.end(how)
	if err := s.await(ctx); err != nil {
		return err
	}
	e := s.letGo()
	defer s.letGone()
	switch {
	case e.over == nil:
		return last(ctx)
	case e.over == how || how == ErrReleased:
		return e.result // releasing what was detached does nothing
	default:
		return e.over
	}
}

// last is how a session that holds lets go.
type last struct {
	// Of the one whose turn it is to release or detach:
	over   error // ErrReleased or ErrDetached when that is done
	result error
	asked  bool // a request to release was sent before, its outcome unknown

	// Under the lease's mu.
	taken bool          // it is somebody's turn
	next  chan struct{} // closed when it is over; nil unless somebody waits
}

// letGo waits for the turn to let go.
func (s *Session) letGo() *last {
	l := s.lease
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.last == nil {
		s.last = new(last)
	}
	for s.last.taken {
		if s.last.next == nil {
			s.last.next = make(chan struct{})
		}
		next := s.last.next
		l.mu.Unlock()
		<-next
		l.mu.Lock()
	}
	s.last.taken = true
	return s.last
}

// letGone ends the turn.
func (s *Session) letGone() {
	s.lease.mu.Lock()
	defer s.lease.mu.Unlock()
	s.last.taken = false
	if s.last.next != nil {
		close(s.last.next)
		s.last.next = nil
	}
}

// await waits for the groups while the lease is renewed.
func (s *Session) await(ctx context.Context) error {
	drained := s.drain()
	if drained == nil {
		return nil
	}
	if ctx.Value(withinKey{s}) != nil {
		ctx = uncancelled(ctx) // which the session itself has ended
	}
	s.stay(+1)
	defer s.stay(-1)
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		select {
		case <-drained:
			return nil // both at once
		default:
		}
		return fmt.Errorf("%w: a group is still running; the lock is left to expire, at %v",
			ended(ctx, context.Cause(ctx)), s.ValidUntil().Format(time.RFC3339Nano))
	}
}

// stay counts the calls that wait for the groups: while there are any the lease is
// renewed, although the context is done.
func (s *Session) stay(n int) {
	s.lease.mu.Lock()
	s.releasing += int32(n)
	s.lease.mu.Unlock()
	s.lease.m.l.dog.wakeBy(s.lease, s.lease.m.l.clock.Now())
}

// giveBack passes the lease on, to a call that waits in this process or by way of Redis.
// Called with the turn held.
func (s *Session) giveBack(ctx context.Context) error {
	l := s.lease
	lines := l.m.l.lines
	passed, wanted := lines.pass(s)
	if passed {
		s.last.over = ErrReleased
		s.conf.observer.released(s, true)
		return nil
	}
	left, fence, lost := l.stop()
	if lost != nil && !l.open && !errors.Is(lost, ErrExpired) && !errors.Is(lost, ErrSuspended) {
		return s.settle(ErrReleased, lost) // Redis has said so
	}
	var tombstone time.Duration
	if l.open {
		tombstone = tombstoneTTL
	}
	var heir *attempt
	var next *store.Attempt
	if wanted {
		heir = lines.heir(l)
	}
	if heir != nil {
		next = &heir.Attempt
	}
	// After the end of the lease the key is likely gone; one quick question tells.
	bound := min(max(left, time.Second), cleanupTime)
	sent := l.m.l.clock.Now()
	r, open, err := l.m.l.insist(ctx, bound, func() store.Call {
		return l.m.l.store.Release(l.ident(), tombstone, fence, next)
	})
	lines.released(l, heir, sent, r, open, err)
	s.last.asked = s.last.asked || open
	switch {
	case err != nil:
		return errors.Join(err, lost)
	case r.Status == store.Held, r.Status == store.Granted:
		return s.settle(ErrReleased, nil)
	case lost != nil:
		return s.settle(ErrReleased, lost)
	case s.last.asked && r.Status != store.Forced:
		return s.settle(ErrReleased, nil) // an earlier request of ours did it
	}
	return s.settle(ErrReleased, lossOf(r.Status))
}

// handOut leaves the lock to its token. Called with the turn held.
func (s *Session) handOut(ctx context.Context) error {
	l := s.lease
	l.keepPrivate(s)
	left, fence, lost := l.stop()
	defer l.m.l.lines.abandon(l)
	if lost != nil {
		return s.settle(ErrDetached, lost)
	}
	ttl := l.conf.ttl
	if l.conf.noExpiry {
		ttl = store.NoExpiry
	}
	seq := l.number()
	r, _, err := l.m.l.insist(ctx, min(left, cleanupTime), func() store.Call {
		return l.m.l.store.Renew(l.ident(), ttl, seq, true, fence)
	})
	switch {
	case err != nil:
		return err
	case r.Status != store.Held:
		return s.settle(ErrDetached, lossOf(r.Status))
	}
	if l.open {
		l.m.l.takeBack(l.ident(), l.m.l.store.Withdraw)
	}
	return s.settle(ErrDetached, nil)
}

// settle notes how the session was let go.
func (s *Session) settle(over, result error) error {
	s.last.over, s.last.result = over, result
	s.lease.m.l.dog.forget(s.lease)
	if over == ErrReleased && result == nil {
		s.conf.observer.released(s, false)
	}
	return result
}
