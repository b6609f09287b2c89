package deployments_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// TestReplicasOfPermits: permits count only if enough replicas have them, whichever way they came; else they are
// given back, and those that others hold stay theirs.
func TestReplicasOfPermits(t *testing.T) {
	t.Parallel()
	master, replicas := locktest.Replicated(t, 1)
	l := holdfast.New(master.Client(), holdfast.WithReplicas(1, 5*time.Second))
	defer l.Close()
	other := holdfast.New(master.Client())
	defer other.Close()
	ctx := atMost(t)

	sem, rest := l.Semaphore("a", 3), other.Semaphore("a", 3)
	replicated, err := sem.Acquire(ctx)
	must(t, err)
	if have, err := replicas[0].Client().HLen(ctx, "a").Result(); err != nil || have != 2 { // the sum, and one holder
		t.Errorf("acquired, and the replica has %d fields: %v", have, err)
	}
	two, err := rest.Acquire(ctx, holdfast.WithWeight(2))
	must(t, err)
	handed := make(chan error, 1)
	go func() { // the hand-off of another process's session
		s, err := sem.Acquire(ctx)
		if err == nil {
			err = s.Release(ctx)
		}
		handed <- err
	}()
	queued(t, rest, 1)
	must(t, two.Release(ctx))
	must(t, <-handed)

	replicas[0].Stop()
	defer replicas[0].Cont()
	short := holdfast.WithReplicas(1, 200*time.Millisecond)
	tooFew := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, holdfast.ErrReplicas) || !strings.Contains(err.Error(), "0 of 1") {
			t.Errorf("%s: %v", what, err)
		}
		locktest.Eventually(t, what+" is undone", func() bool {
			holders, err := rest.Holders(ctx)
			must(t, err)
			return len(holders) == 1 && holders[0].Fence == replicated.Fence()
		})
	}
	tooFew("asked for", second(sem.Acquire(ctx, short)))
	tooFew("tried", second(sem.TryAcquire(ctx, short, holdfast.WithWeight(2))))
	two, err = rest.Acquire(ctx, holdfast.WithWeight(2))
	must(t, err)
	const waiters = 3
	waited := make(chan error, waiters)
	for range waiters {
		go func() { waited <- second(sem.Acquire(ctx, short)) }()
	}
	queued(t, rest, 1)
	must(t, two.Release(ctx))
	for range waiters {
		tooFew("granted, or passed on", <-waited)
	}
	must(t, replicated.Check(ctx)) // which asks the master alone
	must(t, replicated.Release(ctx))
	replicas[0].Cont()
	s, err := sem.Acquire(ctx, holdfast.WithWeight(3))
	must(t, err)
	must(t, s.Release(ctx))
}

// queued waits until n processes wait for permits.
func queued(t *testing.T, sem *holdfast.Semaphore, n int) {
	t.Helper()
	locktest.Eventually(t, "somebody waits", func() bool {
		info, err := sem.Inspect(t.Context())
		must(t, err)
		return info.Waiters >= n
	})
}
