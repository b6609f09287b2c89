package deployments_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestClusterAll: on a Cluster, locks of one slot are taken in one request, others in several, in order;
// nothing is left behind if one can't be had, and calls don't wait for each other.
func TestClusterAll(t *testing.T) {
	c := redistest.StartCluster(t)
	var trips atomic.Int64
	l := holdfast.New(c.Client(), holdfast.WithObserver(&holdfast.Observer{Sent: func(what holdfast.Traffic, _ int, _ time.Duration) {
		if what == holdfast.Calls {
			trips.Add(1)
		}
	}}))
	defer l.Close()
	other := holdfast.New(c.Client())
	defer other.Close()
	for _, of := range []struct {
		names []string
		trips int64
	}{
		{[]string{"{one}:c", "{one}:a", "{one}:b"}, 1},
		{[]string{"b{x}", "a{x}", "c", "d", "e{y}", "f{y}"}, 4},
	} {
		for _, busy := range of.names {
			s := acquire(t, other.Mutex(busy))
			held, err := l.TryAcquireAll(atMost(t), of.names)
			if held != nil || !errors.Is(err, holdfast.ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("%q", busy)) {
				t.Errorf("%s is held: %v", busy, err)
			}
			must(t, s.Release(atMost(t)))
			for _, name := range of.names {
				if is, err := other.Mutex(name).Locked(atMost(t)); err != nil || is {
					t.Errorf("%s is held: %s is left, %v", busy, name, err)
				}
			}
		}
		trips.Store(0)
		held, err := l.AcquireAll(atMost(t), of.names)
		must(t, err)
		if n := trips.Load(); n != of.trips {
			t.Errorf("%q: %d round trips, not %d", of.names, n, of.trips)
		}
		for name := range held.All() {
			if is, err := other.Mutex(name).Locked(atMost(t)); err != nil || !is {
				t.Errorf("%s is not held: %v", name, err)
			}
		}
		must(t, held.Release(atMost(t)))
	}

	var holders [4]atomic.Int32
	names := []string{"a", "b{x}", "c{x}", "d"}
	var all sync.WaitGroup
	for i, l := range []*holdfast.Locker{l, other, l, other} {
		all.Go(func() {
			for round := range 20 {
				first, second := (i+round)%4, (i*round+1)%4
				held, err := l.AcquireAll(atMost(t), []string{names[first], names[second]})
				if err != nil {
					t.Error(err)
					return
				}
				for at, name := range names {
					if held.Fence(name) != 0 && holders[at].Add(1) != 1 {
						t.Errorf("%s has two holders", name)
					}
				}
				for at, name := range names {
					if held.Fence(name) != 0 {
						holders[at].Add(-1)
					}
				}
				if err := held.Release(atMost(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
