package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// topology is which server of a Cluster has which slots. The Cluster's client knows it, and looks by
// itself only once a minute.
type topology struct {
	cluster *redis.ClusterClient // nil if there is only one server

	mu        sync.Mutex
	last      time.Time // when the last refresh began
	underWay  int       // refreshes that have not ended
	refreshes *refreshes
}

// refreshes are those that one Close ends and waits for.
type refreshes struct {
	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup
}

const (
	// SuspectAfter: a server that has not answered for that long may no longer be the one that has
	// the lock.
	SuspectAfter = 300 * time.Millisecond
	// refreshEvery is how often the topology is refreshed at most. Each refresh under way doubles
	// it: another node may answer while one hangs, but if all servers are slow, or this process
	// is, more questions make it worse.
	refreshEvery = SuspectAfter / 3
	// refreshTime is how long a refresh takes at most, apart from the client's time-outs.
	refreshTime = 10 * time.Second
)

// Ended is a context that has ended, for what must not wait for anybody.
var Ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Sharded reports whether several servers share the locks, and may pass them on to each other.
func (s *Store) Sharded() bool { return s.topology.cluster != nil }

// Server names the server that has a lock's keys, as far as that is known without asking. Empty if
// there is only one.
func (s *Store) Server(name string) string {
	if s.topology.cluster == nil {
		return ""
	}
	master, err := s.topology.cluster.MasterForKey(Ended, name)
	if err != nil {
		return ""
	}
	return master.Options().Addr
}

// RefreshTopology asks a Cluster's nodes, in a goroutine, which of them has which slots. It is for
// when a server could not be asked, or has not answered. [Store.Close] ends the goroutine and waits
// for it.
//
// It is done by ForEachMaster, which loads the slots for itself: ReloadState does nothing while an
// earlier call of it hangs. Each load asks nodes in an order of its own, so not all ask the one
// that hangs. go-redis looks at the context only between nodes; an answer that does not come ends
// with the client's time-outs.
func (s *Store) RefreshTopology() {
	t := &s.topology
	if t.cluster == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.last.IsZero() && now.Sub(t.last) < refreshEvery<<min(t.underWay, 10) {
		return
	}
	t.last = now
	t.underWay++
	if t.refreshes == nil || t.refreshes.ctx.Err() != nil { // the store is used after Close
		t.refreshes = &refreshes{}
		t.refreshes.ctx, t.refreshes.end = context.WithCancel(context.Background())
	}
	all := t.refreshes
	all.running.Go(func() { t.refresh(all.ctx) })
}

func (t *topology) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	_ = t.cluster.ForEachMaster(ctx, func(context.Context, *redis.Client) error { return nil })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay--
}

// close ends the refreshes under way and waits for them. Calls at the same time all wait.
func (t *topology) close() {
	t.mu.Lock()
	all := t.refreshes
	if all != nil {
		all.end()
	}
	t.mu.Unlock()
	if all != nil {
		all.running.Wait()
	}
}

// suspectLate refreshes the topology if answered is not called within SuspectAfter. A refresh that
// it begins has begun when answered returns: Close, which waits for requests first, does not miss
// it.
func (s *Store) suspectLate() (answered func()) {
	begun := make(chan struct{})
	timer := time.AfterFunc(SuspectAfter, func() {
		defer close(begun)
		s.RefreshTopology()
	})
	return func() {
		if !timer.Stop() {
			<-begun
		}
	}
}

// suspectFailed refreshes the topology if one of the servers could not be asked.
func (s *Store) suspectFailed(batches []*batch) {
	for _, b := range batches {
		if err := b.cmd.Err(); err != nil && !Answered(err) && !errors.Is(err, context.Canceled) {
			s.RefreshTopology()
			return
		}
	}
}
