package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Requests that change the TTL and run late, or in another order than they were sent.

// lease is a session and the name of its lock.
type lease struct {
	name string
	s    *holdfast.Session
}

// sound reports a session that trusts its lease for longer than Redis keeps the key. It
// looks past the network, and is to be called when nothing else runs.
func (l lease) sound(e *env) error {
	if err := l.s.Err(); err != nil {
		return nil
	}
	token := e.tokenIn(l.name)
	trusted, left := time.Until(l.s.ValidUntil()), e.fake.M.TTL(l.name)
	if token == l.s.Token() && trusted <= left {
		return nil
	}
	return fmt.Errorf("the lease is trusted for %v yet, but the key (the session's: %t) is left for %v",
		trusted, token == l.s.Token(), left)
}

// watched is one of many sessions that are looked at all the time, and what is done to it.
type watched struct {
	lease
	what string
	run  func(w *watched) error
}

// watch runs all at the same time and looks at all every few milliseconds.
func (e *env) watch(sessions []*watched, for_ time.Duration) {
	e.t.Helper()
	errs := make(chan error, len(sessions))
	for _, w := range sessions {
		go func() { errs <- w.run(w) }()
	}
	for start := time.Now(); time.Since(start) < for_; time.Sleep(7 * time.Millisecond) {
		synctest.Wait()
		for i, w := range sessions {
			if w == nil {
				continue
			}
			if err := w.sound(e); err != nil {
				e.t.Errorf("%s, %s: %v", w.name, w.what, err)
				sessions[i] = nil
			}
		}
	}
	for range sessions {
		if err := <-errs; err != nil {
			e.t.Error(err)
		}
	}
	for _, w := range sessions {
		if w == nil {
			continue
		}
		if err := w.s.Err(); err != nil && !errors.Is(err, holdfast.ErrExpired) {
			e.t.Errorf("%s, %s: the session ended: %v", w.name, w.what, err)
		}
	}
}

// TestOwnersLateSetTTL: a SetTTL whose connection dies, and which arrives all the same
// when the network heals, never shortens a lease that is trusted.
func TestOwnersLateSetTTL(t *testing.T) {
	t.Parallel()
	const ttl, latency = 2 * time.Second, 20 * time.Millisecond
	phases := redistest.Phases(t, 8, 3)
	onFake(t, func(t *testing.T, e *env) {
		var sessions []*watched
		for _, d := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond, 1900 * time.Millisecond, 5 * time.Second} {
			for _, held := range []time.Duration{30 * time.Millisecond, 400 * time.Millisecond, time.Second, 1700 * time.Millisecond} {
				for i := range phases {
					at := ttl/2 + ttl/2*time.Duration(i)/8
					locks, link := e.linked(holdfast.WithTTL(ttl))
					link.Delay(latency)
					w := &watched{what: fmt.Sprintf("SetTTL(%v) at %v, held for %v", d, at, held)}
					w.name = fmt.Sprint("late", len(sessions))
					w.s = e.acquire(locks.Mutex(w.name))
					w.run = func(w *watched) error {
						time.Sleep(at)
						link.HoldRequests()
						failed := make(chan error, 1)
						go func() { failed <- w.s.SetTTL(context.Background(), d) }()
						time.Sleep(latency / 2)
						link.ResetLate()
						time.Sleep(held)
						link.Heal()
						if err := <-failed; err == nil {
							return fmt.Errorf("%s: no error", w.what)
						}
						return nil
					}
					sessions = append(sessions, w)
				}
			}
		}
		e.watch(sessions, 4*ttl)
	})
}

// TestOwnersOvertaken: the same with requests that overtake each other: a SetTTL is long
// under way while renewals and what else the caller asks for get through, some of these
// in their turn after the next.
func TestOwnersOvertaken(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	after := map[string]func(s *holdfast.Session, ctx context.Context) error{
		"nothing":   func(s *holdfast.Session, ctx context.Context) error { return nil },
		"reacquire": (*holdfast.Session).Reacquire,
		"extend":    func(s *holdfast.Session, ctx context.Context) error { return s.Extend(ctx, time.Second) },
		"set":       func(s *holdfast.Session, ctx context.Context) error { return s.SetTTL(ctx, ttl/2) },
	}
	phases := redistest.Phases(t, 4, 2)
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		var sessions []*watched
		for _, d := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond, 1900 * time.Millisecond} {
			for _, held := range []time.Duration{30 * time.Millisecond, 600 * time.Millisecond, 1300 * time.Millisecond, 2100 * time.Millisecond} {
				for then, op := range after {
					for i := range phases {
						at := ttl/2 + ttl/2*time.Duration(i)/4
						w := &watched{what: fmt.Sprintf("SetTTL(%v) at %v, under way for %v, then %s", d, at, held, then)}
						w.name = fmt.Sprint("overtaken", len(sessions))
						p := &tap{}
						w.s = e.acquire(e.tapped(p, holdfast.WithTTL(ttl)).Mutex(w.name))
						w.run = func(w *watched) error {
							time.Sleep(at)
							var extends, renewals atomic.Int32
							p.setDeliver(func(c call, send func() error) error {
								switch {
								case c.script == "extend" && extends.Add(1) == 1:
									time.Sleep(held)
								case c.script == "renew" && renewals.Add(1)%3 == 1:
									time.Sleep(held / 2)
								}
								return send()
							})
							ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
							defer cancel()
							if err := w.s.SetTTL(ctx, d); err == nil {
								return fmt.Errorf("%s: no error", w.what)
							}
							time.Sleep(20 * time.Millisecond)
							_ = op(w.s, context.Background())
							return nil
						}
						sessions = append(sessions, w)
					}
				}
			}
		}
		e.watch(sessions, 4*ttl)
	})
}

// TestOwnersNumbersNeverGoBack: a renewal that carries an older number and comes late
// must not make Redis forget a newer one, or a SetTTL between the two, given up and
// outrun, shortens a lease that is trusted:
//
//	SetTTL A    held: from here on requests carry their numbers
//	renewal 1   held
//	renewal 2   answered: A can't do harm any more
//	SetTTL B    held
//	renewal 3   answered: B can't do harm any more; the lease is trusted again
//	renewal 1   comes late, with its smaller number
//	SetTTL B    comes late
func TestOwnersNumbersNeverGoBack(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := &tap{}
		l := lease{"numbers", e.acquire(e.tapped(p, holdfast.WithTTL(10*time.Second)).Mutex("numbers"))}
		setTTL := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			if err := l.s.SetTTL(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		setA := p.holdNext("extend")
		setTTL(9 * time.Second)
		renewal1 := p.holdNext("renew")
		p.await("renew") // renewal 1
		p.await("renew") // renewal 2
		setB := p.holdNext("extend")
		setTTL(time.Second)
		p.await("renew") // renewal 3
		defer setA()
		defer renewal1()
		defer setB()
		for _, late := range []func(){renewal1, setB, setA} {
			late()
			for range 150 {
				synctest.Wait()
				if err := errors.Join(l.sound(e), l.s.Err()); err != nil {
					t.Fatalf("a SetTTL that was outrun took effect: %v", err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
}
