// Package failover has the tests of the failover grace: each interleaving of a master, the one that
// replaces it and their clients that could make two owners, made without chance.
package failover_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) { locktest.Main(m) }

const (
	ttl = time.Second
	// grace leaves a little less than 1.5 s for which a master that was replaced may go on answering.
	grace  = 2500 * time.Millisecond
	window = 1450 * time.Millisecond
)

// rig is a master A, and B, which replicates it by a stream that the test can hold. B has a replica, too,
// so that the number of replicas does not tell them apart. There is no Sentinel: the test promotes, and
// tells each member who is the master.
type rig struct {
	t      *testing.T
	a, b   *redistest.Server
	stream *redistest.Proxy
}

// newRig starts A and B. A's history is settled.
func newRig(t *testing.T) *rig {
	t.Parallel()
	r := &rig{t: t, a: redistest.Start(t, "--repl-diskless-sync-delay", "0")}
	r.stream = r.a.Proxy(t)
	host, port, _ := net.SplitHostPort(r.stream.Addr())
	r.b = redistest.Start(t, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	locktest.Answering(t, r.a.Client(), 1)
	host, port, _ = net.SplitHostPort(r.b.Addr())
	redistest.Start(t, "--replicaof", host, port)
	locktest.Eventually(t, "B has a replica", func() bool { return replicas(t, r.b) == 1 })
	settle(t, r.member())
	return r
}

// promote makes B a master, and waits until that is so.
func (r *rig) promote() {
	r.t.Helper()
	must(r.t, r.b.Client().ReplicaOf(ctx(r.t), "NO", "ONE").Err())
}

// hold keeps what A acknowledges from now on from B. What was acknowledged before is at B.
func (r *rig) hold() {
	r.t.Helper()
	locktest.Answering(r.t, r.a.Client(), 1)
	r.stream.HoldReplies()
}

// member is a Locker, of a process of its own, and which server it holds to be the master.
type member struct {
	*holdfast.Locker
	t *testing.T

	mu     sync.Mutex
	to     string        // empty: it is cut off
	turned chan struct{} // closed when that changes
	conns  []net.Conn
}

// member makes a Locker that follows A, with these options in addition to the TTL and the grace.
func (r *rig) member(opts ...holdfast.Option) *member {
	return newMember(r.t, r.a.Addr(), opts...)
}

func newMember(t *testing.T, addr string, opts ...holdfast.Option) *member {
	return newClient(t, addr, new(redis.Options), opts...)
}

// newClient is newMember with these options of its client.
func newClient(t *testing.T, addr string, o *redis.Options, opts ...holdfast.Option) *member {
	m := &member{t: t, to: addr, turned: make(chan struct{})}
	o.Addr, o.Dialer = "master", m.dial
	client := redis.NewClient(o)
	m.Locker = holdfast.New(client, append([]holdfast.Option{holdfast.WithTTL(ttl), holdfast.WithFailoverGrace(grace)}, opts...)...)
	t.Cleanup(func() {
		if m.to == "" {
			m.turn(addr)
		}
		_ = m.Close()
		_ = client.Close()
	})
	return m
}

func (m *member) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	m.mu.Lock()
	to, turned := m.to, m.turned
	m.mu.Unlock()
	if to == "" {
		select {
		case <-turned:
		case <-ctx.Done():
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("cut off")}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, to)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.to != to {
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("another is the master now")}
	}
	m.conns = append(m.conns, conn)
	return conn, nil
}

// follow tells the member who is the master, and ends its connections to another.
func (m *member) follow(s *redistest.Server) { m.turn(s.Addr()) }

// cutOff lets nothing of the member reach a server, and nothing of a server the member.
func (m *member) cutOff() { m.turn("") }

func (m *member) turn(to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = to
	close(m.turned)
	m.turned = make(chan struct{})
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
}

// try is TryAcquire, which must succeed.
func (m *member) try(name string) *holdfast.Session {
	m.t.Helper()
	s, err := m.Mutex(name).TryAcquire(ctx(m.t))
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// refused fails the test unless TryAcquire says that there is a grace.
func (m *member) refused(name string) {
	m.t.Helper()
	s, err := m.Mutex(name).TryAcquire(ctx(m.t))
	if !errors.Is(err, holdfast.ErrFailoverGrace) || !errors.Is(err, holdfast.ErrHeld) {
		m.t.Fatalf("TryAcquire: %v, %v", s, err)
	}
}

// got is what came of a call that waits.
type got struct {
	*holdfast.Session
	err error
	at  time.Time
}

// start makes a call that waits.
func start(call func() (*holdfast.Session, error)) chan got {
	done := make(chan got, 1)
	go func() {
		s, err := call()
		done <- got{s, err, time.Now()}
	}()
	return done
}

// wait waits for the lock.
func (m *member) wait(name string, opts ...holdfast.Option) chan got {
	return start(func() (*holdfast.Session, error) { return m.Mutex(name).Acquire(ctx(m.t), opts...) })
}

// only fails the test unless the lock came, no earlier than least after from, and while none of the
// others was live.
func only(t *testing.T, done chan got, from time.Time, least time.Duration, others ...*holdfast.Session) *holdfast.Session {
	t.Helper()
	g := <-done
	if g.err != nil {
		t.Fatal(g.err)
	}
	if took := g.at.Sub(from); took < least {
		t.Errorf("the lock came after %v, sooner than %v", took, least)
	}
	for _, o := range others {
		if o.Err() == nil {
			t.Errorf("two owners: %v, %v", o, g.Session)
		}
	}
	return g.Session
}

// none fails the test if the lock has come already.
func none(t *testing.T, done chan got) {
	t.Helper()
	select {
	case g := <-done:
		t.Fatalf("the wait has ended: %v, %v", g.Session, g.err)
	default:
	}
}

// settle tells a server that its history is settled.
func settle(t *testing.T, m *member) {
	t.Helper()
	must(t, m.SettleHistory(ctx(t)))
}

// queued waits until so many stand in the lock's queue at a server.
func queued(t *testing.T, s *redistest.Server, name string, n int) {
	t.Helper()
	client := s.Client()
	locktest.Eventually(t, "the waiters stand in the queue", func() bool {
		order, _ := client.HGet(ctx(t), locktest.QueueOf(name), "q").Result()
		return len(order) == 36*n
	})
}

// there waits until a server has the key.
func there(t *testing.T, s *redistest.Server, key string) {
	t.Helper()
	client := s.Client()
	locktest.Eventually(t, key+" is there", func() bool { return client.Exists(ctx(t), key).Val() == 1 })
}

// replicas returns how many replicas a server has.
func replicas(t *testing.T, s *redistest.Server) int {
	return count(t, s.Client(), "replication", "connected_slaves:")
}

// ctx returns a context that ends with the test, or when the test hangs.
func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// commands returns how many commands a server has run, and this one.
func commands(t *testing.T, s *redistest.Server) (n int) {
	t.Helper()
	return count(t, s.Client(), "stats", "total_commands_processed:")
}

// count returns the number after a text in what INFO says; 0 if the text is not there.
func count(t *testing.T, admin *redis.Client, section, text string) (n int) {
	t.Helper()
	info, err := admin.Info(ctx(t), section).Result()
	must(t, err)
	_, info, _ = strings.Cut(info, text)
	info = info[:len(info)-len(strings.TrimLeft(info, "0123456789"))]
	n, _ = strconv.Atoi(info)
	return n
}

func second[A any](_ A, err error) error { return err }

// heard waits until so many listen at a server.
func heard(t *testing.T, s *redistest.Server, n int) {
	t.Helper()
	client := s.Client()
	locktest.Eventually(t, "they listen", func() bool { return len(client.PubSubChannels(ctx(t), "holdfast:2:w:*").Val()) == n })
}
