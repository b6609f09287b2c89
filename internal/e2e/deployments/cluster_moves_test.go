package deployments_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// migration is a slot of a Cluster that goes from node to node, key by key.
type migration struct {
	t        *testing.T
	nodes    []*redis.Client
	ids      []string
	slot     int64
	from, to int // of nodes
}

func migrationOf(t *testing.T, c *redistest.Cluster, name string) *migration {
	client := c.Client()
	m := &migration{t: t, slot: client.ClusterKeySlot(t.Context(), name).Val()}
	owner, err := client.MasterForKey(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range c.Nodes {
		m.nodes = append(m.nodes, n.Client())
		m.ids = append(m.ids, m.do(i, "cluster", "myid").(string))
		if n.Addr() == owner.Options().Addr {
			m.from = i
		}
	}
	return m
}

func (m *migration) do(node int, args ...any) any {
	v, err := m.nodes[node].Do(m.t.Context(), args...).Result()
	if err != nil {
		m.t.Errorf("%v: %v", args, err)
	}
	return v
}

// begin marks the slot as on its way.
func (m *migration) begin() {
	m.to = (m.from + 1) % len(m.nodes)
	m.do(m.to, "cluster", "setslot", m.slot, "importing", m.ids[m.from])
	m.do(m.from, "cluster", "setslot", m.slot, "migrating", m.ids[m.to])
}

// move moves up to n of the slot's keys, and reports whether there were any.
func (m *migration) move(n int) bool {
	list, _ := m.do(m.from, "cluster", "getkeysinslot", m.slot, n).([]any)
	if len(list) == 0 {
		return false
	}
	_, port, _ := strings.Cut(m.nodes[m.to].Options().Addr, ":")
	m.do(m.from, append([]any{"migrate", "127.0.0.1", port, "", 0, 5000, "keys"}, list...)...)
	return true
}

// finish moves the rest, and makes the slot the other node's.
func (m *migration) finish() {
	for m.move(100) {
	}
	m.do(m.to, "cluster", "setslot", m.slot, "node", m.ids[m.to])
	for i := range m.nodes {
		m.do(i, "cluster", "setslot", m.slot, "node", m.ids[m.to])
	}
	m.from = m.to
}

// handOff is a lock in a slot that migrates, and who had it in which order.
type handOff struct {
	*migration
	name     string
	locker   func() *holdfast.Locker
	mu       sync.Mutex
	order    []int
	released atomic.Int32
	all      sync.WaitGroup
}

// hold notes that the ith has the lock, and gives it back.
func (h *handOff) hold(i int, s *holdfast.Session) {
	h.mu.Lock()
	h.order = append(h.order, i)
	h.mu.Unlock()
	began := time.Now()
	if err := s.Release(h.t.Context()); err != nil {
		h.t.Errorf("release %d, after %v: %v", i, time.Since(began), err)
	}
	h.released.Add(1)
}

// wait lets the ith wait for the lock and give it back.
func (h *handOff) wait(i int) {
	l := h.locker()
	h.all.Go(func() {
		s, err := l.Mutex(h.name).Acquire(h.t.Context())
		if err != nil {
			h.t.Errorf("waiter %d: %v", i, err)
			return
		}
		h.hold(i, s)
	})
}

// TestClusterHandOffWhileSlotMoves: in a slot that migrates, releases whose waiters are there give
// the lock to those in the order in which they came; and those who ask then wait.
func TestClusterHandOffWhileSlotMoves(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	locker := func() *holdfast.Locker {
		l := holdfast.New(c.Client(), holdfast.WithTTL(20*time.Second))
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	for _, moved := range []bool{false, true} {
		t.Run(fmt.Sprintf("keys moved %v", moved), func(t *testing.T) {
			name := fmt.Sprintf("hand-off %v", moved)
			h := &handOff{migration: migrationOf(t, c, name), name: name, locker: locker}
			first, err := locker().Mutex(name).Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				h.wait(i + 1)
				locktest.Eventually(t, "it waits", func() bool {
					return h.nodes[h.from].HLen(t.Context(), locktest.QueueOf(name)).Val() == int64(i+2)
				})
			}
			time.Sleep(50 * time.Millisecond)
			h.begin()
			// The last one's grant comes from another server than the answer before, if the keys
			// have moved, and what would confirm it can't run until the slot has.
			had := int32(4)
			if moved {
				for h.move(100) {
				}
				had = 3
			}
			h.hold(0, first)
			locktest.Eventually(t, "those who can have had it, and given it back", func() bool { return h.released.Load() >= had })
			if !moved {
				h.wait(4) // who comes while the slot moves and the queue's key is not there
			}
			time.Sleep(time.Second)
			h.finish()
			h.all.Wait()
			if want := []int{0, 1, 2, 3, 4}; len(h.order) < 4 || !slices.Equal(h.order, want[:len(h.order)]) {
				t.Errorf("the order was %v", h.order)
			}
		})
	}
}

// TestClusterReleaseOfKeysApart: in a slot that migrates, a lock is given back also while its keys are
// on two nodes; but not by a session whose lock another has taken up by the same token.
func TestClusterReleaseOfKeysApart(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	ctx := t.Context()
	m := migrationOf(t, c, "{apart}")
	locks := holdfast.New(c.Client())
	defer locks.Close()
	acquire := func(name string) *holdfast.Session {
		s, err := locks.Mutex(name).Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, resumed := acquire("plain{apart}"), acquire("resumed{apart}")
	heir, err := locks.Mutex("resumed{apart}").Resume(ctx, resumed.Token())
	if err != nil {
		t.Fatal(err)
	}
	m.begin()
	_, port, _ := strings.Cut(m.nodes[m.to].Options().Addr, ":")
	m.do(m.from, "migrate", "127.0.0.1", port, "", 0, 5000, "keys", "holdfast:2:t:plain{apart}", "holdfast:2:t:resumed{apart}")
	began := time.Now()
	if err := plain.Release(ctx); err != nil || m.nodes[m.from].Exists(ctx, "plain{apart}").Val() != 0 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	_ = resumed.Release(ctx)
	if m.nodes[m.from].Exists(ctx, "resumed{apart}").Val() != 1 {
		t.Error("the lock of who has taken it up is gone")
	}
	m.finish()
	if err := heir.Release(ctx); err != nil {
		t.Error(err)
	}
}

// turnsTaken counts what happens to those who take three locks of one slot by turns.
type turnsTaken struct {
	t       *testing.T
	holders [3]atomic.Int32
	fences  [3]atomic.Int64
	holds   atomic.Int64
	mu      sync.Mutex
	failed  map[string]int
}

// count counts an error, by what it says.
func (c *turnsTaken) count(what string, err error) {
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed[what+": "+err.Error()]++
	}
}

// take takes a lock once.
func (c *turnsTaken) take(mu *holdfast.Mutex, lock int) {
	ctx := c.t.Context()
	s, err := mu.Acquire(ctx)
	if err != nil {
		c.count("acquire", err)
		return
	}
	if n := c.holders[lock].Add(1); n != 1 {
		c.t.Errorf("%d have lock %d", n, lock)
	}
	if last := c.fences[lock].Swap(s.Fence()); last >= s.Fence() {
		c.t.Errorf("the fence of lock %d went from %d to %d", lock, last, s.Fence())
	}
	c.holds.Add(1)
	time.Sleep(rand.N(3 * time.Millisecond))
	switch rand.N(10) {
	case 0:
		c.count("check", s.Check(ctx))
	case 1:
		c.count("extend", s.Extend(ctx, time.Second))
	}
	c.count("session", s.Err())
	c.holders[lock].Add(-1)
	c.count("release", s.Release(ctx))
}

// TestClusterSlotMovesAgainAndAgain: four processes take three locks by turns while their slot goes
// from node to node. Nobody is told of it by an error, and nobody holds a lock with another.
func TestClusterSlotMovesAgainAndAgain(t *testing.T) {
	t.Parallel()
	const lasts, keys = 12 * time.Second, 1000
	c := redistest.StartCluster(t)
	m := migrationOf(t, c, "{m}")
	for i := range keys {
		m.do(m.from, "set", fmt.Sprintf("other %d{m}", i), i)
	}
	var stop atomic.Bool
	var workers sync.WaitGroup
	taken := &turnsTaken{t: t, failed: map[string]int{}}
	for range 4 {
		l := holdfast.New(c.Client())
		defer l.Close()
		for lock := range taken.holders {
			workers.Go(func() {
				for mu := l.Mutex(fmt.Sprintf("%c{m}", 'a'+lock)); !stop.Load(); {
					taken.take(mu, lock)
				}
			})
		}
	}
	moves := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); moves++ {
		m.begin()
		for m.move(5) {
			time.Sleep(time.Millisecond)
		}
		m.finish()
		time.Sleep(50 * time.Millisecond)
	}
	stop.Store(true)
	workers.Wait()
	t.Logf("%d holds, %d moves", taken.holds.Load(), moves)
	for what, n := range taken.failed {
		t.Errorf("%d times: %s", n, what)
	}
	if taken.holds.Load() < 30 {
		t.Error("hardly any turns were taken")
	}
}
