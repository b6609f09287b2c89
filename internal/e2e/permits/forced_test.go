package permits

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rig"
)

// TestForced: who is forced out is told at once; the others go on; and who waits is served.
func TestForced(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(3)
		sem := func(i int) *holdfast.Semaphore { return all[i].Semaphore("x", 2) }
		one, other := hold(e, sem(0).TryAcquire), hold(e, sem(1).TryAcquire)
		next := wait(e, sem(2).Acquire)
		began := time.Now()
		e.Must(sem(2).ForceReleaseFence(e.Ctx(), one.Fence()))
		g := next.get()
		within(e, "to be served", g.at.Sub(began))
		ended(e, one, holdfast.ErrForceReleased)
		if err := one.Release(e.Ctx()); !errors.Is(err, holdfast.ErrForceReleased) {
			e.T.Error(err)
		}
		e.Must(errors.Join(other.Check(e.Ctx()), g.Check(e.Ctx())))
		used(e, sem(0), 2, 2)
		e.Must(sem(0).ForceRelease(e.Ctx()))
		ended(e, other, holdfast.ErrForceReleased)
		ended(e, g.Session, holdfast.ErrForceReleased)
		used(e, sem(0), 0, 0)
	})
}

// TestForcedWithoutExpiry: a holder without expiry that was forced out does not keep the key for ever.
func TestForcedWithoutExpiry(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		l := e.Locker()
		s := hold(e, l.Semaphore("x", 2, holdfast.WithoutExpiry()).Acquire)
		if left := e.Direct.PTTL(e.Ctx(), "x").Val(); left >= 0 {
			e.T.Errorf("the key of a holder without expiry ends in %v", left)
		}
		e.Must(l.Semaphore("x", 2).ForceRelease(e.Ctx()))
		ended(e, s, holdfast.ErrForceReleased)
		release(e, hold(e, l.Semaphore("x", 2).TryAcquire))
		if left := e.Direct.PTTL(e.Ctx(), "x").Val(); left < 0 || left > 24*time.Hour {
			e.T.Errorf("the key ends in %v", left)
		}
	})
}

// TestForcedMany: thousands of holders can be forced out at once.
func TestForcedMany(t *testing.T) {
	onReal(t, func(e *rig.Env) {
		const n = 4100
		l := e.Locker(holdfast.WithTTL(time.Minute))
		sem := l.Semaphore("x", n+1)
		// What scripts/lib_permits.lua says, of holders that nobody renews.
		ends, all := time.Now().Add(time.Minute).UnixMilli(), make([]any, 0, 2*n+2)
		for i := range n {
			attempt := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
			all = append(all, "t"+attempt, fmt.Sprintf("%015d%016d%010d%010d%010d%s label", ends, i+1, 1, n+1, 0, attempt))
		}
		all = append(all, "=", fmt.Sprintf("%010d%010d0%015d%015d%010d%015d", n, n+1, ends, ends, n, 0))
		e.Must(e.Direct.HSet(e.Ctx(), "x", all...).Err())
		e.Must(e.Direct.PExpire(e.Ctx(), "x", time.Minute).Err())
		s := hold(e, sem.TryAcquire)
		used(e, sem, n+1, n+1)
		refused(e, sem.TryAcquire)
		e.Must(sem.ForceRelease(e.Ctx()))
		ended(e, s, holdfast.ErrForceReleased)
		used(e, sem, 0, 0)
		if holders, err := sem.Holders(e.Ctx()); err != nil || len(holders) != 0 {
			e.T.Errorf("%d hold, %v", len(holders), err)
		}
		release(e, hold(e, sem.TryAcquire, holdfast.WithWeight(n+1)))
	})
}

// TestTombstones: tombstones that have ended are dropped from AUX when permits are given.
func TestTombstones(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		const aux = "holdfast:2:s:{x}"
		tombstones := strings.Repeat(strings.Repeat("0", 36)+"0000000001", 900)
		e.Must(e.Direct.Set(e.Ctx(), aux, fmt.Sprintf("0000000000000001+0:0:0:0:%d:%s", len(tombstones), tombstones), time.Hour).Err())
		s := hold(e, e.Locker().Semaphore("x", 2).TryAcquire)
		if size := e.Direct.StrLen(e.Ctx(), aux).Val(); size > 100 {
			e.T.Errorf("AUX has %d bytes", size)
		}
		release(e, s)
	})
}

// TestStrangerGoes: with keyspace notifications, who waits for permits is woken when a stranger's key of that
// name goes.
func TestStrangerGoes(t *testing.T) {
	onReal(t, func(e *rig.Env) {
		all, _ := e.Listeners(1, holdfast.WithTTL(30*time.Second), holdfast.WithRetryInterval(5*time.Second))
		sem, quickest := all[0].Semaphore("x", 1), time.Hour
		for range 3 { // else it asks again within a second, and on a busy machine one is no proof
			e.Must(e.Direct.Set(e.Ctx(), "x", "a stranger's", time.Minute).Err())
			w := wait(e, sem.Acquire)
			time.Sleep(200 * time.Millisecond)
			w.none("a stranger has the name")
			began := time.Now()
			e.Must(e.Direct.Del(e.Ctx(), "x").Err())
			g := w.get()
			quickest = min(quickest, g.at.Sub(began))
			release(e, g.Session)
		}
		if quickest > 200*time.Millisecond {
			e.T.Errorf("it was served after %v at best", quickest)
		}
	}, "--notify-keyspace-events", "KA")
}

// TestOtherKinds: a mutex and a semaphore of one name exclude each other, and so does a stranger's hash.
func TestOtherKinds(t *testing.T) {
	rig.Each(t, func(e *rig.Env) {
		all, _ := e.Listeners(2, holdfast.WithRetryInterval(10*time.Millisecond))
		mu, sem, m := all[0].Mutex("x"), all[1].Semaphore("x", 3), all[1].RWMutex("x")
		for i, first := range []acquire{mu.TryAcquire, sem.TryAcquire, m.TryRAcquire, m.TryAcquire} {
			others, then := []acquire{sem.TryAcquire, m.TryAcquire, m.TryRAcquire}, sem.Acquire
			if i > 0 {
				others, then = []acquire{mu.TryAcquire}, mu.Acquire
			}
			s := hold(e, first)
			for _, other := range others {
				refused(e, other)
			}
			w := wait(e, then)
			time.Sleep(soon(e))
			w.none("one of another kind holds the name")
			e.Must(s.Check(e.Ctx()))
			began := time.Now()
			release(e, s)
			g := w.get()
			within(e, "to be served", g.at.Sub(began))
			release(e, g.Session)
		}
		e.Must(e.Direct.HSet(e.Ctx(), "x", "a", "b").Err())
		refused(e, sem.TryAcquire)
		if info, err := sem.Inspect(e.Ctx()); err != nil || !info.Stranger {
			e.T.Errorf("%+v, %v", info, err)
		}
	})
}
