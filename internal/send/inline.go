package send

import (
	"context"
	"sync"
	"time"
)

const (
	// inlineTime is how long a caller sends a request itself, while it notices nothing else. It does
	// so only if the server has just answered within fastAnswer.
	inlineTime = 50 * time.Millisecond
	fastAnswer = inlineTime / 5
)

// sendInline sends a lone request in its caller's goroutine. False if others are waiting or the
// server is slow. An answer that takes longer than inlineTime is not waited for: the request is put
// into the queue, and goes to Redis a second time.
func (b *batcher) sendInline(r *request) bool {
	inliner := b.s.inliner
	b.mu.Lock()
	if !b.fast || inliner == nil || !inliner.CanInline() || b.many || b.underWay > 0 || len(b.queue) > 0 || b.gather != nil {
		b.mu.Unlock()
		return false
	}
	b.underWay++
	r.taken = true
	b.mu.Unlock()

	b.s.conf.Tasks.Enter() // Close waits for it
	defer b.s.conf.Tasks.Leave()
	sent := b.s.conf.Clock.Now()
	answered := inliner.DoInline(b.s.inlineContext(r.ctx), inlineTime, &r.call)
	took := b.s.conf.Clock.Now() - sent
	defer b.s.conf.Sent(r.call.Locks(), took)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay--
	b.taken++
	b.fast = answered && took < fastAnswer
	if answered {
		b.answeredIn(took)
		r.sent = sent
		r.answered <- r
	} else {
		r.taken, r.inDoubt, r.call.Err = false, true, nil
		b.queue = append(b.queue, r)
	}
	if len(b.queue) > 0 {
		b.schedule()
	}
	return true
}

// inlineContext returns a context that ends within inlineTime, or ctx itself if that ends sooner. It
// does not follow ctx's cancellation: that would cost much of what sending inline saves, and
// go-redis ignores it while it reads.
func (s *Sender) inlineContext(ctx context.Context) context.Context {
	inline := s.inline.context()
	end, _ := inline.Deadline()
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		return ctx
	}
	return mergedCtx{inline, ctx}
}

// mergedCtx is a context that ends with one context and has the values of another.
type mergedCtx struct {
	context.Context
	values context.Context
}

func (m mergedCtx) Value(key any) any {
	if v := m.Context.Value(key); v != nil { // package context asks, to find out how it ends
		return v
	}
	return m.values.Value(key)
}

// sharedContext is one context, and one timer, for all that is sent at about the same time. It ends
// between length and 1.25 × length from now. (go-redis looks at nothing but Done while it waits for
// a connection, so a deadline alone would not do.)
type sharedContext struct {
	length time.Duration
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc // not called: the context ends by itself
	ends   time.Time
}

func (c *sharedContext) context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.ends.Sub(now) < c.length {
		c.ends = now.Add(c.length + c.length/4)
		c.ctx, c.cancel = context.WithDeadline(context.Background(), c.ends)
	}
	return c.ctx
}
