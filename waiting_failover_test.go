package holdfast_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// postponed keeps a Locker's messages back until it is told to deliver them.
type postponed struct {
	arrived chan struct{} // closed when the first message is there
	deliver chan struct{}
}

func postpone(ears *radio) *postponed {
	p := &postponed{make(chan struct{}), make(chan struct{})}
	var first atomic.Bool
	ears.set(func(_ int, piece []byte) bool {
		if isMessage(piece) {
			if first.CompareAndSwap(false, true) {
				close(p.arrived)
			}
			<-p.deliver
		}
		return true
	})
	return p
}

// waiterAt returns a Locker whose client asks the server that at points to, and listens there.
func waiterAt(t *testing.T, at *atomic.Pointer[redistest.Proxy]) (*holdfast.Locker, *radio) {
	ears := &radio{dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at.Load().Addr())
	}}
	client := at.Load().Client(func(o *redis.Options) {
		o.DialerRetries = 1
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := ears.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &ear{Conn: conn, r: ears}, nil
		}
	})
	l := holdfast.New(client)
	t.Cleanup(func() { _ = l.Close() })
	return l, ears
}

// lockerAt returns a Locker at a server.
func lockerAt(t *testing.T, s *redistest.Server) *holdfast.Locker {
	l := holdfast.New(s.Client())
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// entry returns what a server's copy of a lock's queue says of the waiter that listens, the only
// one that does; empty if there is none.
func entry(t *testing.T, client *redis.Client, name string) string {
	t.Helper()
	values, err := client.HVals(t.Context(), queueOf(name)).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if strings.Contains(v, "holdfast:2:w:") {
			return v
		}
	}
	return ""
}

// TestWaitingGrantBeforeFailover: a failover comes between. The old master has granted a waiter
// the lock for a claim, and the message is late. The new one, which does not know of it, has
// answered meanwhile that the waiter waits. When the message arrives, the waiter does not count the
// claim from that answer: the claim ends earlier, and then another may have the lock.
func TestWaitingGrantBeforeFailover(t *testing.T) {
	t.Parallel()
	old, replicas := locktest.Replicated(t, 1)
	next := replicas[0]
	oldLink, nextLink := old.Proxy(t), next.Proxy(t)
	nextLink.Refuse()
	var at atomic.Pointer[redistest.Proxy]
	at.Store(oldLink)
	l, ears := waiterAt(t, &at)
	message := postpone(ears)

	holder, err := lockerAt(t, old).Mutex("a").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); nextLink.Heal() }()
	waited := make(chan *holdfast.Session, 1)
	go func() {
		s, _ := l.Mutex("a").Acquire(ctx)
		waited <- s
	}()
	stale := next.Client()
	eventually(t, "the replica has the waiter, and where it listens", func() bool { return entry(t, stale, "a") != "" })

	oldLink.HoldRequests() // the waiter asks the old master nothing more
	if err := stale.Do(t.Context(), "replicaof", "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	if err := holder.Release(t.Context()); err != nil { // at the old master
		t.Fatal(err)
	}
	granted := time.Now()
	<-message.arrived
	at.Store(nextLink)
	oldLink.Refuse()
	before := entry(t, stale, "a")
	time.Sleep(time.Until(granted.Add(2 * time.Second)))
	nextLink.Heal()
	eventually(t, "the new master has answered the waiter", func() bool { return entry(t, stale, "a") != before })
	time.Sleep(50 * time.Millisecond) // the answer is there
	nextLink.Cut()
	close(message.deliver)

	other, err := lockerAt(t, old).Mutex("a").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the old master gave the lock to another %v after the grant", time.Since(granted))
	select {
	case s := <-waited:
		began := time.Now()
		if s.Err() != nil || other.Err() != nil {
			t.Fatalf("the sessions say %v, %v", s.Err(), other.Err())
		}
		<-s.Done()
		t.Errorf("two owners for %v", time.Since(began))
	case <-time.After(500 * time.Millisecond):
	}
}

// TestWaitingGrantIsTrusted: what comes from one server makes a session without another request,
// whether the answer before was to an acquisition or to a release that brought the waiter along.
func TestWaitingGrantIsTrusted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client()
	for _, how := range []string{"asked", "brought along"} {
		t.Run(how, func(t *testing.T) {
			var at atomic.Pointer[redistest.Proxy]
			at.Store(s.Proxy(t))
			l, ears := waiterAt(t, &at)
			message := postpone(ears)
			close(message.deliver)
			acquire := func(l *holdfast.Locker) <-chan *holdfast.Session {
				got := make(chan *holdfast.Session, 1)
				go func() {
					s, err := l.Mutex(how).Acquire(t.Context())
					if err != nil {
						t.Error(err)
					}
					got <- s
				}()
				return got
			}
			waiters := func(n int64) func() bool {
				return func() bool {
					return client.HLen(t.Context(), queueOf(how)).Val() == n+1 && entry(t, client, how) != ""
				}
			}
			release := func(s *holdfast.Session) {
				if err := s.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			var holder *holdfast.Session
			var got <-chan *holdfast.Session
			if how == "asked" {
				holder = <-acquire(lockerAt(t, s))
				got = acquire(l)
			} else {
				first := <-acquire(l)
				second := acquire(lockerAt(t, s))
				eventually(t, "another process waits", waiters(1))
				time.Sleep(50 * time.Millisecond) // too late to pass the lock on in the process
				got = acquire(l)
				time.Sleep(50 * time.Millisecond)
				release(first)
				holder = <-second
			}
			eventually(t, "the waiter waits", waiters(1))
			time.Sleep(50 * time.Millisecond) // and has its answer
			at.Load().HoldRequests()
			began := time.Now()
			release(holder)
			select {
			case next := <-got:
				t.Logf("%v after the call of Release", time.Since(began))
				at.Load().Heal()
				release(next)
			case <-time.After(500 * time.Millisecond):
				t.Error("the message alone made no session")
				at.Load().Heal()
				release(<-got)
			}
		})
	}
}

// TestWaitingMemoryFull: a full memory does not keep a lock from those who wait for it, be it that
// they stand in the queue or that a release brings them along.
func TestWaitingMemoryFull(t *testing.T) {
	t.Parallel()
	onRealSteady(t, time.Second, func(e *env, pace time.Duration) error {
		lockers, _ := e.listeners(2)
		first := e.acquire(lockers[0].Mutex("full"))
		second := e.wait(lockers[1].Mutex("full"))
		time.Sleep(50 * time.Millisecond) // too late to pass the lock on in the process
		third := e.wait(lockers[0].Mutex("full"))
		time.Sleep(50 * time.Millisecond)
		e.must(e.direct.ConfigSet(e.ctx(), "maxmemory", "1").Err())
		began := time.Now()
		e.must(first.Release(e.ctx()))
		e.must((<-second).Release(e.ctx()))
		s := <-third
		took := time.Since(began)
		e.must(s.Release(e.ctx()))
		if took > pace*time.Second {
			return fmt.Errorf("two hand-offs took %v", took)
		}
		return nil
	})
}
