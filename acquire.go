package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/internal/store"
)

// attempt is one call of Acquire, or of Resume. Its id makes its requests one: whichever
// of them Redis runs, and however often, at most this attempt holds the lock.
type attempt struct {
	m    *Mutex
	conf config
	id   store.ID
	// open is set when the outcome of one of its requests is unknown: it may have run,
	// or may run yet.
	open bool
}

// campaign is how an attempt goes on after a first try that failed.
type campaign struct {
	once    bool // not at all
	patient bool // also if Redis could not be asked
}

// tombstoneTTL is how long a request that was taken back is remembered, for the case
// that it arrives yet: longer than a network holds on to a packet.
const tombstoneTTL = time.Minute

// begin checks what can be checked without Redis.
func (m *Mutex) begin(ctx context.Context, opts []Option) (*attempt, error) {
	mustContext(ctx)
	if m.err != nil {
		return nil, m.err
	}
	conf, err := m.conf.with(opts)
	if err != nil {
		return nil, err
	}
	if holder, ok := ctx.Value(nestKey{m.l, m.name}).(*Session); ok && holder.Err() == nil {
		return nil, ErrNested
	}
	if m.l.ctx.Err() != nil {
		return nil, ErrClosed
	}
	a := &attempt{m: m, conf: conf}
	own := uuid.NewString() // from crypto/rand
	a.id = store.ID{Keys: m.keys, Token: own, Owner: own}
	if conf.hasToken {
		a.id.Token, a.id.Owner = conf.token, own+conf.token
	}
	return a, nil
}

func (m *Mutex) acquire(ctx context.Context, opts []Option, c campaign) (*Session, error) {
	a, err := m.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	m.l.enter() // Close waits for what this call leaves to be taken back
	defer m.l.leave()
	bound, done := m.l.bind(ctx)
	defer done()
	s, err := a.run(ctx, bound, c)
	if err != nil && a.open {
		a.takeBack(m.l.store.Release)
	}
	return s, ended(bound, err)
}

// run asks for the lock until it is held, or there is a reason to stop.
func (a *attempt) run(parent, ctx context.Context, c campaign) (*Session, error) {
	w := newWaiter(a.m.l.clock, &a.conf)
	var last error // of the tries since Redis last answered
	told := c.patient
	for {
		try, done := w.bound(ctx)
		s, r, err := a.try(parent, try)
		done()
		switch {
		case s != nil:
			return s, nil
		case err == nil && c.once:
			return nil, ErrHeld
		case err == nil:
			told, last = true, nil
		case ctx.Err() != nil, errors.Is(err, ErrWaitTimeout):
			return nil, join(err, last)
		case c.once, !told, !store.Transient(err):
			return nil, err
		default:
			last = err
		}
		if err := w.pause(ctx, r, err); err != nil {
			return nil, join(err, last)
		}
	}
}

// try asks once: a session, or an answer that says how long another holds the lock, or
// an error.
func (a *attempt) try(parent, ctx context.Context) (*Session, store.Reply, error) {
	l := a.m.l
	ttl := a.conf.ttl
	if a.conf.noExpiry {
		ttl = claimTTL
	}
	sent := l.clock.Now()
	r, err := a.ask(ctx, func(ctx context.Context) (store.Reply, error) {
		return l.store.Acquire(ctx, a.id, ttl, a.conf.label)
	})
	if err == nil && r.Status == store.Held && a.conf.noExpiry {
		var p store.Reply
		if p, err = a.ask(ctx, func(ctx context.Context) (store.Reply, error) {
			return l.store.Renew(ctx, a.id, store.NoExpiry, 0, true)
		}); err == nil && p.Status != store.Held {
			err = lossOf(p.Status)
		}
		a.open = a.open || err != nil // the lock is there for the short TTL
		r.TTL = store.NoExpiry
	}
	switch {
	case err != nil:
		return nil, r, err
	case r.Status == store.Busy:
		return nil, r, nil
	case r.Status == store.Held:
		s, err := a.hold(parent, sent, r)
		return s, r, err
	}
	return nil, r, fmt.Errorf("the attempt was withdrawn (status %d)", r.Status)
}

// ask sends one request of the attempt and notes whether its outcome is known.
func (a *attempt) ask(ctx context.Context, request func(context.Context) (store.Reply, error)) (store.Reply, error) {
	r, err := a.m.l.ask(ctx, request)
	a.open = a.open || undecided(err)
	return r, err
}

// hold makes the session of a request that was sent at sent and granted the lock.
func (a *attempt) hold(parent context.Context, sent time.Duration, r store.Reply) (*Session, error) {
	l := a.m.l
	s := newSession(parent, a, sent, r)
	if now := l.clock.Now(); now >= s.validUntil {
		// Nothing that a late answer grants can be trusted. The lock is in Redis for a
		// while, and asking again finds it there.
		a.open = true
		s.cancel(ErrExpired)
		return nil, fmt.Errorf("the answer took %v, longer than the %v of its lease that can be trusted",
			now-sent, s.validUntil-sent)
	}
	if !l.dog.watch(s) {
		a.open = true
		s.cancel(ErrClosed)
		return nil, ErrClosed
	}
	return s, nil
}

// takeBack sees to it in the background that no request of the attempt leaves anything
// in Redis, those that come late included.
func (a *attempt) takeBack(how func(context.Context, store.ID, time.Duration) (store.Reply, error)) {
	l, id := a.m.l, a.id
	l.spawn(func() {
		_, _, _ = l.insist(context.Background(), cleanupTime, func(ctx context.Context) (store.Reply, error) {
			return how(ctx, id, tombstoneTTL)
		})
	})
}

func (m *Mutex) resume(ctx context.Context, opts []Option, token string) (*Session, error) {
	a, err := m.begin(ctx, append(opts[:len(opts):len(opts)], WithToken(token)))
	if err != nil {
		return nil, err
	}
	m.l.enter()
	defer m.l.leave()
	bound, done := m.l.bind(ctx)
	defer done()
	ttl := a.conf.ttl
	if a.conf.noExpiry {
		ttl = store.NoExpiry
	}
	sent := m.l.clock.Now()
	r, err := a.ask(bound, func(ctx context.Context) (store.Reply, error) {
		return m.l.store.Resume(ctx, a.id, ttl, a.conf.label)
	})
	if err != nil {
		if a.open {
			a.takeBack(m.l.store.Withdraw) // the lease stays its token's
		}
		return nil, ended(bound, err)
	}
	if r.Status != store.Held {
		return nil, lossOf(r.Status)
	}
	return a.hold(ctx, sent, r)
}

// lossOf is the error for a status that says the lock is not ours.
func lossOf(status store.Status) error {
	switch status {
	case store.Gone:
		return ErrGone
	case store.Taken:
		return ErrTaken
	case store.Forced:
		return ErrForceReleased
	}
	return fmt.Errorf("unexpected status %d", status)
}
