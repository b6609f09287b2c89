package holdfast

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// request is one call on somebody's behalf. It is used again once its answer was taken.
type request struct {
	ctx      context.Context // when it is done nobody waits for the answer any more
	call     store.Call
	sent     time.Duration
	answered chan *request // has room
	courier  *courier
	off      bool // on its way, or dropped; under the courier's mu
	open     bool // it was sent before, without an answer: that may have run; under mu, too
}

// take returns what came of a request whose answer has come, which ends it.
func (r *request) take(l *Locker) answer {
	got := r.answer()
	*r = request{answered: r.answered}
	l.requests.Put(r)
	return got
}

func (r *request) answer() answer {
	return answer{r.sent, r.call.Reply, r.call.Err, r.open || undecided(r.call.Err)}
}

// answer is what came of a request that was sent at sent.
type answer struct {
	sent  time.Duration
	reply store.Reply
	err   error
	open  bool // it may have run, or may run yet, in another way than the answer says
}

// send starts one request. go-redis ignores a cancellation in mid-flight, so whoever waits
// for the answer looks at ctx himself, and the request goes on until the client's time-out.
func (l *Locker) send(ctx context.Context, call store.Call) *request {
	return l.request(ctx, call, false)
}

// run is send for a request that does no harm if it runs twice. It may come back with the
// answer: see courier.errand.
func (l *Locker) run(ctx context.Context, call store.Call) *request {
	return l.request(ctx, call, true)
}

func (l *Locker) request(ctx context.Context, call store.Call, errand bool) *request {
	r := l.requests.Get().(*request)
	r.ctx, r.call = ctx, call
	l.start(r, errand)
	return r
}

func (l *Locker) start(r *request, errand bool) {
	if r.ctx.Err() != nil {
		r.unasked()
		return
	}
	r.courier = l.couriers.courier(l.store.Server(r.call.Lock.Name))
	if !errand || !r.courier.errand(r) {
		r.courier.add(r)
	}
}

// unasked answers a request that was not sent and won't be.
func (r *request) unasked() {
	r.off = true
	r.call.Err = &unasked{context.Cause(r.ctx)}
	r.answered <- r
}

// drop gives up a request; false if it is on its way, or was.
func (r *request) drop() bool {
	if r.courier == nil {
		return true
	}
	r.courier.mu.Lock()
	defer r.courier.mu.Unlock()
	was := r.off || r.open
	r.off = true
	return !was
}

// moved reports whether another server has what the request is about by now.
func (r *request) moved() bool {
	if r.courier == nil || r.courier.server == "" { // which was not known
		return false
	}
	now := r.courier.l.store.Server(r.call.Lock.Name)
	return now != "" && now != r.courier.server
}

// ask runs one request and returns when it is answered or ctx is done, with ctx's cause
// if that comes first.
func (l *Locker) ask(ctx context.Context, call store.Call) (store.Reply, error) {
	return l.await(ctx, l.send(ctx, call))
}

// await is the second half of ask: it returns what came of a request that send started.
func (l *Locker) await(ctx context.Context, r *request) (store.Reply, error) {
	select {
	case <-r.answered:
	case <-ctx.Done():
		r.drop()
		select {
		case <-r.answered:
		default:
			return store.Reply{}, context.Cause(ctx)
		}
	}
	got := r.take(l)
	return got.reply, causeOf(ctx, got.err)
}

// causeOf returns the cause of ctx's end in the place of its Err, which is all that go-redis
// tells if it looked at ctx first.
func causeOf(ctx context.Context, err error) error {
	if err != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// unasked is the error of a request that was not sent at all.
type unasked struct{ error }

func (u *unasked) Unwrap() error { return u.error }

// undecided reports whether a request that failed with err may have run, or may run yet.
func undecided(err error) bool {
	if err == nil {
		return false
	}
	var unasked *unasked
	return !store.Answered(err) && !store.Unsent(err) && !errors.As(err, &unasked)
}

// cleanupTime bounds what is done after the caller's context has ended: giving a lock
// back and taking a request back.
const cleanupTime = 5 * time.Second

// uncancelled is ctx without its end.
func uncancelled(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// insist asks until the server has answered or the time is up, also if ctx has ended, and
// says whether a request other than the one that was answered may have run.
func (l *Locker) insist(ctx context.Context, bound time.Duration, call func() store.Call) (r store.Reply, open bool, err error) {
	ctx = uncancelled(ctx)
	end := l.clock.Now() + bound
	// A connection that says nothing must not use up the time of those after it. But Redis
	// may be slow: whichever request is answered first, counts.
	patience := max(bound/3, 10*minGap)
	var out unanswered
	pause := minGap
	for left := bound; ; left = end - l.clock.Now() {
		out.send(l, ctx, call())
		got, ok := out.wait(l, min(patience, left))
		switch {
		case ok:
			r, err = got.reply, got.err
			open = open || got.open
			pause = jitter(pause)
			if err == nil || !store.Transient(err) || end-l.clock.Now() <= pause {
				return r, out.drop() || open, err
			}
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
		case l.clock.Now() >= end:
			return store.Reply{}, out.drop() || open, errCleanup
		}
	}
}

// unanswered are requests that ask the same. The first answer counts.
type unanswered struct {
	first *request
	more  []*request
	other chan *request // those of more that were answered
}

// mostUnanswered is more than insist can ask: its pauses double from 10 ms on, and after
// three times its patience it is over.
const mostUnanswered = 32

func (u *unanswered) send(l *Locker, ctx context.Context, call store.Call) {
	if u.first == nil {
		u.first = l.run(ctx, call)
		return
	}
	if u.other == nil {
		u.other = make(chan *request, mostUnanswered)
	}
	r := &request{ctx: ctx, call: call, answered: u.other}
	u.more = append(u.more, r)
	l.start(r, false)
}

// wait waits for an answer, no longer than d; false if there is none.
func (u *unanswered) wait(l *Locker, d time.Duration) (answer, bool) {
	if u.first != nil {
		select {
		case r := <-u.first.answered:
			u.first = nil
			return r.take(l), true
		default:
		}
	}
	timer := l.timers.Get().(*time.Timer)
	defer l.timers.Put(timer)
	timer.Reset(d)
	defer timer.Stop()
	var first chan *request
	if u.first != nil {
		first = u.first.answered
	}
	select {
	case r := <-first:
		u.first = nil
		return r.take(l), true
	case r := <-u.other:
		u.more = slices.DeleteFunc(u.more, func(o *request) bool { return o == r })
		return r.answer(), true
	case <-timer.C:
		return answer{}, false
	}
}

// drop gives up the others, and reports whether one may have run, or may run yet.
func (u *unanswered) drop() (may bool) {
	if u.first != nil {
		may = !u.first.drop()
	}
	for _, r := range u.more {
		may = !r.drop() || may
	}
	return may
}

var errCleanup = errors.New("no answer in time")
