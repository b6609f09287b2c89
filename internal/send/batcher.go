package send

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// batcher sends requests to one server. Those that come at the same moment go in one batch, which
// costs both sides far less than one by one. A request that comes alone goes at once.
type batcher struct {
	s       *Sender
	backend store.Backend
	target
	most int // batches under way

	mu       sync.Mutex
	queue    []*request
	underWay int     // batches, and requests that are sent inline
	taken    uint    // batches that were taken out of the queue
	many     bool    // the last batch was of more than one request, or one of several
	fast     bool    // the last batch was answered within fastAnswer
	waiting  bool    // flushLate will be called
	gather   *gather // if not nil, the queue waits for more

	usual atomic.Int64 // how long the server's answers have taken of late
}

const (
	// While fewBatches are under way, requests wait for one of them to end, but no longer than
	// flushAfter: if none has ended by then, the network is what takes time, and another batch is
	// sent, up to maxBatches and as long as the client has connections for it.
	fewBatches = 3
	maxBatches = 16
	flushAfter = 2 * time.Millisecond
	// maxBatch is how many requests go together, in scripts of at most 256.
	maxBatch = 1024
)

// answeredIn notes how long an answer of the server has taken. Answers that did not come don't
// count: the reason may be the connection and not the server.
func (b *batcher) answeredIn(took time.Duration) {
	usual := b.usual.Load()
	b.usual.Store(usual + (int64(took)-usual)/4)
}

// patience is how long to wait for an answer of the server until the same is asked again. A server
// that is slow must not be asked more and more.
func (b *batcher) patience() time.Duration {
	return min(max(leastGap, 4*time.Duration(b.usual.Load())), mostGap)
}

func (b *batcher) add(r *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, r)
	if b.gather != nil {
		b.arrived()
		return
	}
	b.schedule()
}

// schedule starts a batch, or sees to it that the queue waits no longer than flushAfter for those
// under way. Called with mu held.
func (b *batcher) schedule() {
	if b.start(fewBatches) || b.waiting {
		return
	}
	b.waiting = true
	taken := b.taken
	time.AfterFunc(flushAfter, func() { b.flushLate(taken) })
}

// start starts a batch while fewer than most are under way. Called with mu held.
func (b *batcher) start(most int) bool {
	if b.underWay >= min(most, b.most) {
		return false
	}
	b.underWay++
	b.s.conf.Tasks.Go(b.flush)
	return true
}

// flushLate starts another batch if none has been taken out of the queue since.
func (b *batcher) flushLate(taken uint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = false
	if len(b.queue) == 0 {
		return
	}
	if taken == b.taken {
		b.start(b.most)
	}
	b.schedule()
}

// flush sends batches until the queue is empty.
func (b *batcher) flush() {
	b.mu.Lock()
	for {
		if b.many {
			b.mu.Unlock()
			runtime.Gosched() // those who just had their answers are about to ask again
			b.mu.Lock()
		}
		batch := b.take()
		if batch == nil {
			b.underWay--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		took := b.send(batch)
		b.mu.Lock()
		b.fast = took < fastAnswer
	}
}

// take takes a batch out of the queue; nil if the queue is empty or waits. Called with mu held.
func (b *batcher) take() (batch []*request) {
	if b.gather != nil {
		return nil // what has come waits for more
	}
	rest := b.queue
	for len(rest) > 0 && len(batch) < maxBatch {
		r := rest[0]
		rest = rest[1:]
		switch {
		case r.taken:
		case r.ctx.Err() != nil:
			r.refuse()
		default:
			r.taken = true
			batch = append(batch, r)
		}
	}
	if b.queue = rest; len(rest) == 0 {
		b.queue = nil
	}
	b.taken++
	b.many = len(batch) > 1 || len(batch) == 1 && b.underWay > 1
	return batch
}

// send sends a batch in one round trip, hands out the answers, and returns how long that took.
func (b *batcher) send(batch []*request) (took time.Duration) {
	ctx := batch[0].ctx
	if len(batch) > 1 || ctx.Done() == nil {
		// What some still wait for must not end with the others. But it must end.
		ctx = b.s.batches.context()
	}
	calls, locks := make([]*store.Call, len(batch)), 0
	for i, r := range batch {
		calls[i] = &r.call
		locks += r.call.Locks()
	}
	sent := b.s.conf.Clock.Now()
	b.backend.Do(ctx, calls...)
	took = b.s.conf.Clock.Now() - sent
	if err := calls[0].Err; err == nil || store.Answered(err) {
		b.answeredIn(took)
	}
	b.s.conf.Sent(locks, took)
	for _, r := range batch {
		r.sent = sent
		r.answered <- r
	}
	return took
}
