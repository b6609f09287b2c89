package deployments_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestClusterPermitsWhileSlotMoves: sessions of a semaphore are renewed, and released, while the slot of its
// name migrates, whether its keys have been moved yet or not.
func TestClusterPermitsWhileSlotMoves(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	c := redistest.StartCluster(t)
	m := migrationOf(t, c, "x")
	l := holdfast.New(c.Client(), holdfast.WithTTL(ttl))
	t.Cleanup(func() { _ = l.Close() })
	var held []*holdfast.Session
	for range 3 {
		s, err := l.Semaphore("x", 3).Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, s)
	}
	last := func(when string) {
		t.Helper()
		time.Sleep(ttl + ttl/3)
		s := held[0]
		if err := s.Err(); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		began := time.Now()
		if err := s.Release(t.Context()); err != nil {
			t.Fatalf("%s, after %v: %v", when, time.Since(began), err)
		}
		held = held[1:]
	}
	m.begin()
	last("while no key has been moved")
	for m.move(100) {
	}
	last("while all have been moved")
	m.finish()
	last("when the slot is the other node's")
	if n := c.Client().Exists(t.Context(), "x").Val(); n != 0 {
		t.Error("the key is left behind")
	}
}
