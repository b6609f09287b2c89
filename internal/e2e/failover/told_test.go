package failover_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestErrors: whoever is given no lock because of a grace is told so, and for how long.
func TestErrors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := newMember(t, server.Addr(), holdfast.WithFailoverGrace(time.Hour))
	m.refused("lock")
	soon := func() context.Context {
		c, cancel := context.WithTimeout(ctx(t), 100*time.Millisecond)
		t.Cleanup(cancel)
		return c
	}
	for name, c := range map[string]struct {
		call  func() (*holdfast.Session, error)
		want  error
		other error // it is not
	}{
		"try":     {func() (*holdfast.Session, error) { return m.Mutex("lock").TryAcquire(ctx(t)) }, holdfast.ErrHeld, nil},
		"no wait": {func() (*holdfast.Session, error) { return m.Mutex("lock").Acquire(ctx(t), holdfast.WithWaitTimeout(0)) }, holdfast.ErrHeld, nil},
		"wait timeout": {func() (*holdfast.Session, error) {
			return m.Mutex("lock").Acquire(ctx(t), holdfast.WithWaitTimeout(100*time.Millisecond))
		}, holdfast.ErrWaitTimeout, nil},
		"context": {func() (*holdfast.Session, error) { return m.Mutex("lock").Acquire(soon()) }, context.DeadlineExceeded, holdfast.ErrHeld},
		"second to wait": {func() (*holdfast.Session, error) {
			return m.Mutex("waited for").Acquire(ctx(t), holdfast.WithWaitTimeout(300*time.Millisecond))
		}, holdfast.ErrWaitTimeout, nil},
	} {
		if name == "second to wait" {
			stop, leave := context.WithCancel(ctx(t))
			first := start(func() (*holdfast.Session, error) { return m.Mutex("waited for").Acquire(stop) })
			queued(t, server, "waited for", 1)
			defer func() { leave(); <-first }()
		}
		s, err := c.call()
		if !errors.Is(err, holdfast.ErrFailoverGrace) || !errors.Is(err, c.want) || c.other != nil && errors.Is(err, c.other) {
			t.Errorf("%s: %v, %v", name, s, err)
		} else if !strings.Contains(err.Error(), "59m") {
			t.Errorf("%s: %v does not say for how long", name, err)
		}
	}
}

// TestResumeWaits: Resume waits for the end of the grace as long as it may.
func TestResumeWaits(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := newMember(t, server.Addr(), holdfast.WithFailoverGrace(time.Hour))
	plain := holdfast.New(server.Client())
	defer plain.Close()
	s, err := plain.Mutex("lock").TryAcquire(ctx(t))
	must(t, err)
	token, err := s.Detach(ctx(t))
	must(t, err)
	_, err = m.Mutex("lock").Resume(ctx(t), token, holdfast.WithWaitTimeout(100*time.Millisecond))
	if !errors.Is(err, holdfast.ErrWaitTimeout) || !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Error(err)
	}
	soon, cancel := context.WithTimeout(ctx(t), 100*time.Millisecond)
	defer cancel()
	_, err = m.Mutex("lock").Resume(soon, token)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Error(err)
	}
	settle(t, m)
	s, err = m.Mutex("lock").Resume(ctx(t), token)
	must(t, err)
	must(t, s.Release(ctx(t)))

	s, err = plain.Mutex("lock").TryAcquire(ctx(t), holdfast.WithoutExpiry())
	must(t, err)
	token, err = s.Detach(ctx(t))
	must(t, err)
	if s, err = m.Mutex("lock").Resume(ctx(t), token); !errors.Is(err, holdfast.ErrNoExpiry) {
		t.Errorf("a lock without expiry: %v, %v", s, err)
	}
}

// TestObserved: the observer is told once of each change of the history, and Inspect for how long no
// lock is given.
func TestObserved(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var changes atomic.Int32
	m := newMember(t, server.Addr(), holdfast.WithObserver(&holdfast.Observer{HistoryChanged: func(d time.Duration) {
		if d != grace {
			t.Errorf("a grace of %v", d)
		}
		changes.Add(1)
	}}))
	settle(t, m)
	m.try("lock")
	for restarts := range 3 {
		if n := changes.Load(); int(n) != restarts {
			t.Fatalf("%d changes, %d restarts", n, restarts)
		}
		info, err := m.Mutex("lock").Inspect(ctx(t))
		if err != nil || restarts == 0 && info.Grace != 0 {
			t.Errorf("%v, %v", info.Grace, err)
		}
		server.Restart()
		waits := []chan got{m.wait("one"), m.wait("two"), m.wait("three")}
		queued(t, server, "one", 1)
		if info, err = m.Mutex("lock").Inspect(ctx(t)); err != nil || info.Grace <= 0 || info.Grace > grace {
			t.Errorf("%v, %v", info.Grace, err)
		}
		if info, _, err = m.Mutex("lock").InspectQueue(ctx(t)); err != nil || info.Grace <= 0 || info.Grace > grace {
			t.Errorf("%v, %v", info.Grace, err)
		}
		for _, w := range waits {
			s := only(t, w, time.Time{}, 0)
			must(t, s.Release(ctx(t)))
		}
	}
}

// TestRefused: what does not go with a grace is refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // no request is sent
	defer client.Close()
	locker := func(opts ...holdfast.Option) *holdfast.Locker {
		l := holdfast.New(client, opts...)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	with, without := locker(holdfast.WithTTL(ttl), holdfast.WithFailoverGrace(grace)), locker()
	for name, m := range map[string]*holdfast.Mutex{
		"a grace that is too short":   locker(holdfast.WithFailoverGrace(10199 * time.Millisecond)).Mutex("lock"),
		"a grace that is too long":    locker(holdfast.WithFailoverGrace(1 << 62)).Mutex("lock"),
		"a negative one":              locker(holdfast.WithFailoverGrace(-1)).Mutex("lock"),
		"a Locker without expiry":     locker(holdfast.WithFailoverGrace(grace), holdfast.WithoutExpiry()).Mutex("lock"),
		"a lock without expiry":       with.Mutex("lock", holdfast.WithoutExpiry()),
		"a longer TTL":                with.Mutex("lock", holdfast.WithTTL(ttl+1)),
		"another grace":               with.Mutex("lock", holdfast.WithFailoverGrace(grace+1)),
		"none":                        with.Mutex("lock", holdfast.WithFailoverGrace(0)),
		"one that the Locker has not": without.Mutex("lock", holdfast.WithFailoverGrace(time.Minute)),
	} {
		if err := m.Err(); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if s, err := m.TryAcquire(ctx(t)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	for name, opt := range map[string]holdfast.Option{
		"without expiry": holdfast.WithoutExpiry(), "a longer TTL": holdfast.WithTTL(2 * ttl),
		"another grace": holdfast.WithFailoverGrace(2 * grace),
	} {
		if s, err := with.Mutex("lock").TryAcquire(ctx(t), opt); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s, of a call: %v, %v", name, s, err)
		}
	}
	for name, m := range map[string]*holdfast.Mutex{
		"the least":         locker(holdfast.WithFailoverGrace(10200 * time.Millisecond)).Mutex("lock"),
		"hundred years":     locker(holdfast.WithFailoverGrace(100 * 365 * 24 * time.Hour)).Mutex("lock"),
		"the same":          with.Mutex("lock", holdfast.WithFailoverGrace(grace)),
		"a shorter TTL":     with.Mutex("lock", holdfast.WithTTL(ttl/2)),
		"another's options": with.Mutex("lock", holdfast.WithLabel("label")),
	} {
		if err := m.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, l := range map[string]*holdfast.Locker{
		"no grace": without, "a wrong one": locker(holdfast.WithFailoverGrace(time.Second)),
	} {
		if err := l.SettleHistory(ctx(t)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("SettleHistory, %s: %v", name, err)
		}
	}
}

// TestNoHistory: what does not tell its history, as miniredis and some proxies do not, gives nothing, says
// why, and keeps nothing.
func TestNoHistory(t *testing.T) {
	fake := redistest.NewFake(t)
	l := holdfast.New(fake.NewLink().Client(), holdfast.WithFailoverGrace(time.Minute))
	defer l.Close()
	for name, call := range map[string]func() error{
		"TryAcquire":    func() error { return second(l.Mutex("lock").TryAcquire(ctx(t))) },
		"Acquire":       func() error { return second(l.Mutex("lock").Acquire(ctx(t))) },
		"Resume":        func() error { return second(l.Mutex("lock").Resume(ctx(t), "a-token-of-somebody")) },
		"SettleHistory": func() error { return l.SettleHistory(ctx(t)) },
	} {
		if err := call(); err == nil || errors.Is(err, holdfast.ErrHeld) || !strings.Contains(strings.ToLower(err.Error()), "info") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys := fake.M.Keys(); len(keys) > 0 {
		t.Errorf("there are keys: %q", keys)
	}
}

// TestRights: a user without the right to INFO is told so; with what docs/acl.md lists, it works.
func TestRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	settle(t, newMember(t, server.Addr()))
	everywhere := []string{}
	for _, right := range redistest.Rights(t)["everywhere"] {
		everywhere = append(everywhere, strings.ReplaceAll(right, "NAME", "lock*"))
	}
	server.SetUser(t, "poor", everywhere...)
	poor := newClient(t, server.Addr(), &redis.Options{Username: "poor", Password: "secret"})
	for name, err := range map[string]error{
		"TryAcquire":    second(poor.Mutex("lock").TryAcquire(ctx(t))),
		"Acquire":       second(poor.Mutex("lock").Acquire(ctx(t))),
		"SettleHistory": poor.SettleHistory(ctx(t)),
	} {
		if err == nil || errors.Is(err, holdfast.ErrHeld) || !strings.Contains(strings.ToLower(err.Error()), "info") {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.SetUser(t, "enough", append(everywhere, redistest.Rights(t)["WithFailoverGrace"]...)...)
	enough := newClient(t, server.Addr(), &redis.Options{Username: "enough", Password: "secret"})
	must(t, enough.try("lock").Release(ctx(t)))
}

// TestAtAReplica: a client that is connected to a replica settles nothing, and takes nothing.
func TestAtAReplica(t *testing.T) {
	r := newRig(t)
	m := r.member()
	m.follow(r.b)
	if err := m.SettleHistory(ctx(t)); err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("SettleHistory: %v", err)
	}
	if s, err := m.Mutex("lock").TryAcquire(ctx(t)); err == nil {
		t.Errorf("acquired at a replica: %v", s)
	}
	m.follow(r.a)
	m.try("lock")
}
