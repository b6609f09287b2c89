package deployments_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// holds reports whether a server has the key.
func holds(t *testing.T, s *redistest.Server, name string) bool {
	t.Helper()
	n, err := s.Client().Exists(t.Context(), name).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// TestReplicas: an acquisition that the replicas don't confirm is undone and says how many
// did, whichever way it came.
func TestReplicas(t *testing.T) {
	t.Parallel()
	master, replicas := locktest.Replicated(t, 2)
	a := holdfast.New(master.Client(), holdfast.WithReplicas(2, 2*time.Second))
	defer a.Close()
	b := holdfast.New(master.Client(), holdfast.WithReplicas(2, 2*time.Second))
	defer b.Close()
	kinds := map[string][]holdfast.Option{
		"plain": nil, "token": {holdfast.WithToken("given")}, "no expiry": {holdfast.WithoutExpiry()},
		"not renewed": {holdfast.WithoutRenewal()},
	}
	for kind, opts := range kinds {
		s, err := a.Mutex(kind).Acquire(t.Context(), opts...)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, r := range replicas {
			if !holds(t, r, kind) {
				t.Errorf("%s: acquired, and a replica does not have it", kind)
			}
		}
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		next := make(chan error, 1)
		go func() { // the hand-off of another process's session
			s, err := b.Mutex(kind).Acquire(t.Context(), opts...)
			if err == nil {
				err = s.Release(t.Context())
			}
			next <- err
		}()
		time.Sleep(50 * time.Millisecond)
		if err := s.Release(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if err := <-next; err != nil {
			t.Errorf("%s, handed over: %v", kind, err)
		}
	}

	replicas[1].Stop()
	defer replicas[1].Cont()
	const timeout = 300 * time.Millisecond
	for kind, opts := range kinds {
		opts = append(opts, holdfast.WithReplicas(2, timeout))
		_, err := a.Mutex(kind).Acquire(t.Context(), opts...)
		tooFew(t, kind, err)
		if holds(t, master, kind) {
			t.Errorf("%s: it was not undone", kind)
		}
		_, err = a.Mutex(kind).TryAcquire(t.Context(), opts...)
		tooFew(t, kind+", tried", err)
	}
	// One replica is enough for who asks for no more; and nobody for who asks for none.
	// Those who wait in this process, and in another, find the same.
	for n, waiters := range [][]*holdfast.Locker{{a, a}, {a, a, b}} {
		s, err := b.Mutex("fewer").Acquire(t.Context(), holdfast.WithReplicas(n, timeout))
		if err != nil {
			t.Fatal(err)
		}
		wait := make(chan error, len(waiters))
		for _, l := range waiters {
			go func() {
				_, err := l.Mutex("fewer").Acquire(t.Context(), holdfast.WithReplicas(2, timeout))
				wait <- err
			}()
		}
		time.Sleep(50 * time.Millisecond)
		if err := s.Release(t.Context()); err != nil {
			t.Error(err)
		}
		for range cap(wait) {
			tooFew(t, "granted", <-wait)
		}
	}
}

func tooFew(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, holdfast.ErrReplicas) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("%s: %v", what, err)
	}
}

// TestReplicasCome: a wait for replicas goes on while there is time, ends with its context,
// and one of a leader's campaigns is tried again.
func TestReplicasCome(t *testing.T) {
	t.Parallel()
	master, replicas := locktest.Replicated(t, 2)
	l := holdfast.New(master.Client(), holdfast.WithReplicas(2, 7*time.Second))
	defer l.Close()
	pause := func(d time.Duration) (over chan struct{}) {
		replicas[0].Stop()
		over = make(chan struct{})
		time.AfterFunc(d, func() { replicas[0].Cont(); close(over) })
		return over
	}

	_ = pause(6 * time.Second) // longer than the client waits for other answers
	s, err := l.Mutex("late").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Release(t.Context()); err != nil {
		t.Error(err)
	}

	over := pause(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = l.Mutex("cancelled").Acquire(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	locktest.Eventually(t, "it is undone", func() bool { return !holds(t, master, "cancelled") })

	<-over
	var terms int
	resigned := errors.New("resigned")
	err = l.Mutex("lead", holdfast.WithReplicas(2, 2*time.Second)).Lead(t.Context(), func(ctx context.Context) error {
		if terms++; terms > 1 {
			return resigned
		}
		_ = pause(5 * time.Second)
		s, _ := holdfast.FromContext(ctx)
		_ = master.Client().Del(ctx, "lead").Err()
		_ = s.Check(ctx) // finds the lock lost
		return nil
	})
	if !errors.Is(err, resigned) || terms != 2 {
		t.Errorf("%d terms: %v", terms, err)
	}
}

func TestReplicasRefused(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	l := holdfast.New(client)
	defer l.Close()
	for want, opts := range map[string][]holdfast.Option{
		"-1 replicas":     {holdfast.WithReplicas(-1, time.Second)},
		"0s is under 1ms": {holdfast.WithReplicas(1, 0)},
		"10s is not under the 9.78s that a TTL of 10s can be trusted for": {holdfast.WithReplicas(1, 10*time.Second)},
	} {
		if err := l.Mutex("a", opts...).Err(); !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, opts := range [][]holdfast.Option{
		{holdfast.WithReplicas(1, time.Hour), holdfast.WithReplicas(0, 0)},
		{holdfast.WithReplicas(1, time.Hour), holdfast.WithoutExpiry()},
	} {
		if err := l.Mutex("a", opts...).Err(); err != nil {
			t.Error(err)
		}
	}
}
