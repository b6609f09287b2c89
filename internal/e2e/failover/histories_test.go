package failover_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestThereAndBack: the address of the master goes to another and back. The first kept its history all
// along, and does not know what the second has given.
func TestThereAndBack(t *testing.T) {
	r := newRig(t)
	y, u := r.member(), r.member()
	u.try("other")
	r.promote()
	y.follow(r.b)
	settle(t, y) // as if B had been master for long
	lost := y.try("lock")
	y.cutOff()
	u.follow(r.b)
	u.try("another")
	u.follow(r.a)
	u.refused("lock")
	waits := u.wait("lock")
	time.Sleep(grace + ttl)
	none(t, waits)
	u.follow(r.b)
	only(t, waits, time.Now(), 0, lost)
}

// TestRenewedByReplaced: a renewal by a master that was replaced counts for nobody who knows of the other.
func TestRenewedByReplaced(t *testing.T) {
	r := newRig(t)
	x := r.member()
	held := x.try("lock")
	r.hold()
	r.promote()
	must(t, r.a.Client().Persist(ctx(t), "lock").Err()) // so that it does not run out there
	x.follow(r.b)
	x.refused("another")
	must(t, held.Check(ctx(t)))
	began := time.Now()
	x.follow(r.a)
	if err := held.Check(ctx(t)); err == nil || errors.Is(err, holdfast.ErrLost) {
		t.Errorf("at the old master, Check says %v", err)
	}
	<-held.Done()
	if err := held.Err(); !errors.Is(err, holdfast.ErrExpired) || time.Since(began) > 3*ttl {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// TestFewerReplicas: a master that has lost a replica gives nothing until that is back, or the master
// would have been told that it was replaced.
func TestFewerReplicas(t *testing.T) {
	r := newRig(t)
	u := r.member()
	u.try("other")
	r.b.Kill()
	locktest.Eventually(t, "the master has no replica", func() bool { return replicas(t, r.a) == 0 })
	began := time.Now()
	u.refused("lock")
	only(t, u.wait("lock"), began, window)
	u.try("another")
	newMember(t, r.a.Addr()).try("a third") // the stamp says that the replica is not missed any more
}

// TestReplicaIsGone: an operator can say that a replica that has gone is not missed.
func TestReplicaIsGone(t *testing.T) {
	r := newRig(t)
	const long = time.Hour
	r.member().try("other")
	r.b.Kill()
	locktest.Eventually(t, "the master has no replica", func() bool { return replicas(t, r.a) == 0 })
	newMember(t, r.a.Addr(), holdfast.WithFailoverGrace(long)).refused("lock")
	settle(t, r.member())
	newMember(t, r.a.Addr(), holdfast.WithFailoverGrace(long)).try("lock")
}

// TestReplicaUnseen: who knows a master without replicas looks whether others know of one. A replica that comes
// back does not change the history.
func TestReplicaUnseen(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(a.Addr())
	b := redistest.Start(t, "--replicaof", host, port)
	locktest.Answering(t, a.Client(), 1)
	promote := func() { must(t, b.Client().ReplicaOf(ctx(t), "NO", "ONE").Err()) }
	promote()
	locktest.Eventually(t, "A has no replica", func() bool { return replicas(t, a) == 0 })
	u := newMember(t, a.Addr())
	settle(t, u)
	u.try("other")
	must(t, b.Client().ReplicaOf(ctx(t), host, port).Err())
	locktest.Answering(t, a.Client(), 1)
	x := newMember(t, a.Addr())
	x.try("lock")
	promote()
	locktest.Eventually(t, "A has no replica again", func() bool { return replicas(t, a) == 0 })
	x.follow(b) // where the lease is renewed; at A it runs out
	locktest.Eventually(t, "the key at A runs out", func() bool { return a.Client().Exists(ctx(t), "lock").Val() == 0 })
	u.refused("lock")
}

// TestReplicaIsBack: a master that has all its replicas again gives at once.
func TestReplicaIsBack(t *testing.T) {
	r := newRig(t)
	u := r.member(holdfast.WithFailoverGrace(time.Hour))
	settle(t, u)
	u.try("other")
	r.b.Kill()
	locktest.Eventually(t, "the master has no replica", func() bool { return replicas(t, r.a) == 0 })
	u.refused("lock")
	info, err := u.Mutex("lock").Inspect(ctx(t))
	if err != nil || info.Grace < time.Minute {
		t.Errorf("%v, %v", info.Grace, err)
	}
	waits := u.wait("lock")
	before := commands(t, r.a)
	time.Sleep(time.Second)
	if n := commands(t, r.a) - before; n > 100 {
		t.Errorf("a waiter has had %d commands run within a second", n)
	}
	none(t, waits)
	r.b.Restart()
	only(t, waits, time.Now(), 0)
}

// TestMoreReplicas: a replica more delays nobody.
func TestMoreReplicas(t *testing.T) {
	r := newRig(t)
	u := r.member()
	u.try("other")
	host, port, _ := net.SplitHostPort(r.a.Addr())
	redistest.Start(t, "--replicaof", host, port)
	locktest.Eventually(t, "the master has two replicas", func() bool { return replicas(t, r.a) == 2 })
	u.try("lock")
}

// TestDeaf: a client that was not told of a failover goes on asking the old master, where the lock runs
// out that its owner renews at the new one.
func TestDeaf(t *testing.T) {
	r := newRig(t)
	x, u := r.member(), r.member()
	held := x.try("lock")
	u.try("other")
	waits := u.wait("lock")
	queued(t, r.b, "lock", 1)
	r.promote()
	began := time.Now()
	x.follow(r.b)
	locktest.Eventually(t, "the lock has run out at the old master", func() bool { return r.a.Client().Exists(ctx(t), "lock").Val() == 0 })
	u.refused("another")
	time.Sleep(time.Until(began.Add(window)))
	host, port, _ := net.SplitHostPort(r.b.Addr())
	must(t, r.a.Client().ReplicaOf(ctx(t), host, port).Err()) // the old master is told
	u.follow(r.b)
	must(t, held.Check(ctx(t)))
	none(t, waits)
	must(t, held.Release(ctx(t)))
	only(t, waits, began, grace, held)
}

// TestDeafToANewReplica: a client that was not told of a failover goes on asking the old master, which has another
// replica now in place of the one that was promoted.
func TestDeafToANewReplica(t *testing.T) {
	r := newRig(t)
	x, u := r.member(), r.member()
	held := x.try("lock")
	u.try("other")
	there(t, r.b, "lock")
	r.promote()
	began := time.Now()
	x.follow(r.b)
	locktest.Eventually(t, "the old master has no replica", func() bool { return replicas(t, r.a) == 0 })
	host, port, _ := net.SplitHostPort(r.a.Addr())
	redistest.Start(t, "--replicaof", host, port)
	locktest.Eventually(t, "the old master has another replica", func() bool { return replicas(t, r.a) == 1 })
	locktest.Eventually(t, "the lock has run out at the old master", func() bool { return r.a.Client().Exists(ctx(t), "lock").Val() == 0 })
	if time.Since(began) < window { // else the old master would have been told
		u.refused("lock")
	}
	must(t, held.Check(ctx(t)))
}

// long is the TTL of those who yet trust what a master gives that was frozen for a second.
const long = 4 * time.Second

// thawed makes a master that was frozen while it was replaced, and thawed again. A lock has run out
// there whose owner holds it at the new one, and somebody asked for it while the master was frozen,
// before its replica left. It returns a function that does all that: the lock is still the owner's.
func thawed(t *testing.T, ask func(u *member)) (r *rig, end func(waits chan got)) {
	r = newRig(t)
	opts := []holdfast.Option{holdfast.WithTTL(long), holdfast.WithFailoverGrace(7 * time.Second)}
	x := r.member(opts...)
	// Without a time-out, the question stays on a connection that the master has accepted already.
	u := newClient(t, r.a.Addr(), &redis.Options{ReadTimeout: -2}, opts...)
	settle(t, x)
	held := x.try("lock")
	must(t, u.try("other").Release(ctx(t)))
	return r, func(waits chan got) {
		r.hold()
		must(t, r.a.Client().PExpire(ctx(t), "lock", 500*time.Millisecond).Err()) // as if it was renewed a while ago
		r.a.Stop()
		ask(u)
		time.Sleep(150 * time.Millisecond) // the question lies in the master's socket
		r.promote()
		x.follow(r.b)
		must(t, held.Check(ctx(t)))
		time.Sleep(1200 * time.Millisecond)
		r.a.Cont()
		time.Sleep(300 * time.Millisecond)
		must(t, held.Check(ctx(t)))
		none(t, waits)
	}
}

// TestThawed: the first that a master does which was frozen while it was replaced is to give a lock, for
// it does not know yet that it has lost its replica.
func TestThawed(t *testing.T) {
	waits := make(chan got, 1)
	_, end := thawed(t, func(u *member) {
		go func() { waits <- <-u.wait("lock") }()
	})
	end(waits)
}

// TestThawedGrants: the same, and the lock is given to one that stands in the queue, who learns it by a
// message.
func TestThawedGrants(t *testing.T) {
	done := make(chan error, 1)
	r, end := thawed(t, func(u *member) {
		go func() { done <- second(u.Mutex("lock").TryAcquire(ctx(t))) }() // gives it to the one that waits
	})
	z := r.member(holdfast.WithTTL(long), holdfast.WithFailoverGrace(7*time.Second))
	waits := z.wait("lock")
	queued(t, r.b, "lock", 1)
	end(waits)
	if err := <-done; !errors.Is(err, holdfast.ErrHeld) {
		t.Error(err)
	}
}

// TestPlaces: waiters keep their places over a failover and the grace, and are served in order.
func TestPlaces(t *testing.T) {
	r := newRig(t)
	x := r.member()
	held := x.try("lock")
	var members []*member
	var waits []chan got
	for i := range 3 {
		members = append(members, r.member(holdfast.WithLabel(fmt.Sprint(i))))
		waits = append(waits, members[i].wait("lock"))
		queued(t, r.b, "lock", i+1)
	}
	r.promote()
	x.cutOff()
	began := time.Now()
	for i := range members { // the last comes first
		members[2-i].follow(r.b)
		members[2-i].refused("another")
	}
	members = append(members, r.member())
	members[3].follow(r.b)
	waits = append(waits, members[3].wait("lock"))
	queued(t, r.b, "lock", 4)
	for i, w := range waits {
		s := only(t, w, began, grace, held)
		for _, later := range waits[i+1:] {
			none(t, later)
		}
		must(t, s.Release(ctx(t)))
	}
}
