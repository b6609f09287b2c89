package send

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// request is one call on somebody's behalf. It is used again once its answer was taken.
type request struct {
	ctx      context.Context // when it is done nobody waits for the answer any more
	call     store.Call
	sent     time.Duration
	answered chan *request // has room
	batcher  *batcher      // nil if the request was never given to one

	// Under the batcher's mu.
	taken   bool // it is on its way, or given up: no batch may take it
	inDoubt bool // Redis may have run it, or may still, whatever the answer says: it was sent before
}

// Answer is what came of a request.
type Answer struct {
	Sent  time.Duration // the clock's time just before the request was sent
	Reply store.Reply
	Err   error
	// InDoubt: Redis may have run the request, or may still run it, in another way than Reply and
	// Err say.
	InDoubt bool
}

func (r *request) answer() Answer {
	return Answer{r.sent, r.call.Reply, r.call.Err, r.inDoubt || inDoubt(r.call.Err)}
}

// take returns the answer to a request, which ends it.
func (s *Sender) take(r *request) Answer {
	got := r.answer()
	*r = request{answered: r.answered}
	s.requests.Put(r)
	return got
}

// send gives a request to its batcher. If inline, the caller may send it: then its answer is there
// when send returns. That is for requests that do no harm if they run twice.
func (s *Sender) send(r *request, aside, inline bool) {
	if r.ctx.Err() != nil {
		r.refuse()
		return
	}
	r.batcher = s.batcher(s.conf.Backend.Server(r.call.Lock.Name()), aside)
	if !inline || !r.batcher.sendInline(r) {
		r.batcher.add(r)
	}
}

// refuse answers a request that was not sent, and won't be, because its context has ended.
func (r *request) refuse() {
	r.taken = true
	r.call.Err = &notSent{context.Cause(r.ctx)}
	r.answered <- r
}

// drop gives a request up; false if it is on its way, or was.
func (r *request) drop() bool {
	if r.batcher == nil {
		return true
	}
	r.batcher.mu.Lock()
	defer r.batcher.mu.Unlock()
	sent := r.taken || r.inDoubt
	r.taken = true
	return !sent
}

// moved reports whether another server has the request's lock by now.
func (r *request) moved() bool {
	if r.batcher == nil || r.batcher.server == "" { // it was not known which server had it
		return false
	}
	now := r.batcher.s.conf.Backend.Server(r.call.Lock.Name())
	return now != "" && now != r.batcher.server
}

// notSent is the error of a request that was not sent at all.
type notSent struct{ error }

func (e *notSent) Unwrap() error { return e.error }

// inDoubt reports whether a request that failed with err may have run, or may still run.
func inDoubt(err error) bool {
	if err == nil {
		return false
	}
	var never *notSent
	return !store.Answered(err) && !store.Unsent(err) && !errors.As(err, &never)
}
