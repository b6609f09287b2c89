package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast/internal/store"
)

// Group returns an errgroup on the session's context. Release and Detach wait for every
// group made before they were called, and keep the lock while they do. Use the group as
// errgroup has it: call Go from one place, and Wait when done.
func (s *Session) Group() (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained != nil {
		return g, ctx // too late to be waited for, and already told to stop
	}
	s.sweep()
	if s.groups == nil {
		s.groups = map[*errgroup.Group]*member{}
	}
	s.groups[g] = &member{ctx: ctx}
	return g, ctx
}

// member is a group that has not been seen to end.
type member struct {
	ctx    context.Context // the group's
	waited bool            // a goroutine waits for its end
}

// sweep forgets groups that have ended, so that a session that makes one a second for a
// month does not keep them. Called with mu held.
func (s *Session) sweep() {
	for g, m := range s.groups {
		switch {
		case m.ctx.Err() == nil || m.waited:
		case context.Cause(m.ctx) == context.Canceled:
			delete(s.groups, g) // Wait has returned
		default:
			// One of its functions failed. The others have been told to stop; this goroutine
			// ends with them, and nobody needs to join it.
			m.waited = true
			go func() {
				_ = g.Wait()
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.groups, g)
			}()
		}
	}
}

// drain returns a channel that is closed when the session's groups have ended.
func (s *Session) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained == nil {
		drained := make(chan struct{})
		s.drained = drained
		groups := make([]*errgroup.Group, 0, len(s.groups))
		for g := range s.groups {
			groups = append(groups, g)
		}
		if len(groups) == 0 {
			close(drained)
			return drained
		}
		// The goroutine ends with the caller's functions, and nobody joins it before.
		go func() {
			for _, g := range groups {
				_ = g.Wait()
			}
			close(drained)
		}()
	}
	return s.drained
}

// Release ends the session and gives the lock back. In this order: the context is done,
// with ErrReleased; the session's groups end, while the lock is still renewed; renewing
// stops; the lock is deleted in Redis if it is still this session's.
//
// It returns nil if the lock was given back, ErrLost if it was no longer this session's,
// and what Redis or the network says if neither is known; then the lock expires by
// itself, and Release can be called again. ctx bounds the wait for the groups: if they
// outlive it, the lock is not deleted under them, renewing stops so that it expires, and
// the error says so. The deletion has its own bound, 5 s or what is left of the lease, so
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
		s.l.spawn(func() { _ = s.finish(s.l.ctx, ErrReleased, s.giveBack) })
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
	return s.id.Token, nil
}

// inside reports whether ctx comes from the session while a group of it is running.
func (s *Session) inside(ctx context.Context) bool {
	if ctx.Value(withinKey{s}) == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	select {
	case <-s.drained: // nil, which blocks, until somebody drains
		return false
	default:
		return len(s.groups) > 0
	}
}

// finish is the way from a session that holds to one that does not: tell the work, wait
// for it, then let go by last. One call at a time lets go, and those after it return
// what it returned.
func (s *Session) finish(ctx context.Context, how error, last func(context.Context) error) error {
	s.end(how)
	if err := s.await(ctx); err != nil {
		return err
	}
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	switch {
	case s.over == nil:
		return last(context.WithoutCancel(ctx))
	case s.over == how || how == ErrReleased:
		return s.result // releasing what was detached does nothing
	default:
		return s.over
	}
}

// await waits for the groups while the lease is renewed.
func (s *Session) await(ctx context.Context) error {
	drained := s.drain()
	select {
	case <-drained:
		return nil
	default:
	}
	if ctx.Value(withinKey{s}) != nil {
		ctx = context.WithoutCancel(ctx) // which the session itself has ended
	}
	s.stay(+1)
	defer s.stay(-1)
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a group is still running; the lock is left to expire, at %v",
			ended(ctx, context.Cause(ctx)), s.ValidUntil().Format(time.RFC3339Nano))
	}
}

// stay counts the calls that wait for the groups: while there are any the lease is
// renewed, although the context is done.
func (s *Session) stay(n int) {
	s.mu.Lock()
	s.releasing += n
	s.mu.Unlock()
	s.l.dog.wakeBy(s, s.l.clock.Now())
}

// giveBack deletes the lock. Called with the turn held.
func (s *Session) giveBack(ctx context.Context) error {
	lost, left := s.stop()
	if lost != nil && !errors.Is(lost, ErrExpired) && !errors.Is(lost, ErrSuspended) {
		return s.settle(ErrReleased, lost) // Redis has said so
	}
	var tombstone time.Duration
	if s.open {
		tombstone = tombstoneTTL
	}
	// After the end of the lease the key is likely gone; one quick question tells.
	bound := min(max(left, time.Second), cleanupTime)
	r, tries, err := s.l.insist(ctx, bound, func(ctx context.Context) (store.Reply, error) {
		return s.l.store.Release(ctx, s.id, tombstone)
	})
	again := s.asked || tries > 1
	switch {
	case err != nil:
		s.asked = true
		return errors.Join(err, lost)
	case r.Status == store.Held, again && r.Status != store.Forced:
		return s.settle(ErrReleased, nil)
	case lost != nil:
		return s.settle(ErrReleased, lost)
	}
	return s.settle(ErrReleased, lossOf(r.Status))
}

// handOut leaves the lock to its token. Called with the turn held.
func (s *Session) handOut(ctx context.Context) error {
	lost, left := s.stop()
	if lost != nil {
		return s.settle(ErrDetached, lost)
	}
	ttl := s.conf.ttl
	if s.conf.noExpiry {
		ttl = store.NoExpiry
	}
	seq := s.number()
	r, _, err := s.l.insist(ctx, min(left, cleanupTime), func(ctx context.Context) (store.Reply, error) {
		return s.l.store.Renew(ctx, s.id, ttl, seq, true)
	})
	switch {
	case err != nil:
		return err
	case r.Status != store.Held:
		return s.settle(ErrDetached, lossOf(r.Status))
	}
	if s.open {
		(&attempt{m: s.m, id: s.id}).takeBack(s.l.store.Withdraw)
	}
	return s.settle(ErrDetached, nil)
}

// settle notes how the session was let go.
func (s *Session) settle(over, result error) error {
	s.over, s.result = over, result
	s.l.dog.forget(s)
	return result
}
