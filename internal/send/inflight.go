package send

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
)

// InFlight is a request and its copies, of which the first answer counts. A request that has no
// answer after a while is sent again by another connection: its own may have been cut off without a
// word while it was idle, by a NAT or a load balancer, and others of the client's with it.
//
// It belongs to the goroutine that waits for the answer.
type InFlight struct {
	s      *Sender
	ctx    context.Context
	call   store.Call
	first  *request      // nil before it is sent, and once its answer was taken
	others []*request    // copies without an answer
	other  chan *request // copies that were answered
	gap    time.Duration // between the last copy and the next: it doubles
	due    time.Duration // the clock's time at which the next copy is sent; 0 if not known yet
	copies int           // how many copies may still be sent
	broken bool          // a copy ended without an answer: it may have run, or may still run
}

const (
	// Copies of a request are sent after leastGap, or after four times what the server's answers
	// have taken of late if that is more, and in gaps that double.
	leastGap = 200 * time.Millisecond
	mostGap  = 10 * time.Second
	// maxCopies is how many copies of one request are sent: four of them are sent within the
	// client's time-out of 5 s.
	maxCopies = 4
	// maxInFlight is more copies than can be under way at once: each ends with the client's
	// time-outs.
	maxInFlight = 64
)

// Event is why a wait has ended.
type Event int

// The reasons.
const (
	Answered Event = iota // the answer is there
	Due                   // of a copy: UntilAnswered only
	Woken                 // Events.Wake
	Closed                // Events.Closed
	Ticked                // Events.Tick
	Ended                 // the request's context is done
)

// Events are channels that end a wait, besides the answer and the context. Each may be nil.
type Events struct {
	Wake, Closed <-chan struct{}
	Tick         <-chan time.Time
}

// Prepare makes a request that is not sent yet.
func (s *Sender) Prepare(ctx context.Context, call store.Call) InFlight {
	return InFlight{s: s, ctx: ctx, call: call, copies: maxCopies}
}

// Send sends the request or, if the last one sent has no answer yet, a copy of it. If inline, the
// caller may send it, and then the answer is there when Send returns.
func (f *InFlight) Send(inline bool) {
	if f.first == nil {
		f.first = f.s.requests.Get().(*request)
		f.first.ctx, f.first.call = f.ctx, f.call
		f.s.send(f.first, false, inline)
		return
	}
	if f.other == nil {
		f.other = make(chan *request, maxInFlight)
	}
	r := &request{ctx: f.ctx, call: f.call, answered: f.other}
	// One by a connection of its own, the next by the client's again.
	aside := len(f.others)%2 == 0
	f.others = append(f.others, r)
	f.copies--
	f.s.send(r, aside, false)
}

// Wait waits for the answer, for the end of the context, or for one of the events, and sends copies
// meanwhile.
func (f *InFlight) Wait(e Events) (Answer, Event) {
	for {
		got, event := f.next(clock.Forever, e)
		if event != Due {
			return got, event
		}
		f.Send(false)
	}
}

// Await waits for the answer, or ctx's cause if ctx is done before. It is the end of the request.
func (f *InFlight) Await() (store.Reply, error) {
	got, event := f.Wait(Events{})
	f.Drop()
	if event == Ended {
		var ok bool
		if got, ok = f.ready(); !ok { // else both at once
			return store.Reply{}, context.Cause(f.ctx)
		}
	}
	return got.Reply, CauseOf(f.ctx, got.Err)
}

// next is Wait that returns when a copy is due, or at the clock's time until.
func (f *InFlight) next(until time.Duration, e Events) (Answer, Event) {
	if got, ok := f.ready(); ok {
		return got, Answered
	}
	now := f.s.conf.Clock.Now()
	if f.due == 0 {
		f.due = f.nextCopy(now)
	}
	timer := f.s.timers.Get().(*time.Timer)
	defer f.s.timers.Put(timer)
	timer.Reset(min(f.due, until) - now)
	defer timer.Stop()
	for {
		select {
		case r := <-f.first.answered:
			return f.takeFirst(r), Answered
		case r := <-f.other:
			if got, ok := f.takeOther(r); ok {
				return got, Answered
			}
		case <-timer.C:
			f.due = 0
			return Answer{}, Due
		case <-e.Wake:
			return Answer{}, Woken
		case <-e.Closed:
			return Answer{}, Closed
		case <-e.Tick:
			return Answer{}, Ticked
		case <-f.ctx.Done():
			return Answer{}, Ended
		}
	}
}

// nextCopy returns when the next copy is to be sent.
func (f *InFlight) nextCopy(now time.Duration) time.Duration {
	switch {
	case f.copies <= 0:
		return clock.Forever
	case f.gap == 0:
		f.gap = leastGap
		if b := f.first.batcher; b != nil {
			f.gap = b.patience()
		}
	default:
		f.gap = min(2*f.gap, mostGap)
	}
	return now + f.gap
}

// ready returns the answer to the first request if it is there.
func (f *InFlight) ready() (Answer, bool) {
	if f.first != nil {
		select {
		case r := <-f.first.answered:
			return f.takeFirst(r), true
		default:
		}
	}
	return Answer{}, false
}

func (f *InFlight) takeFirst(r *request) Answer {
	f.first = nil
	return f.s.take(r)
}

// takeOther takes the answer to a copy, and reports whether it is Redis's: how else a copy ended
// says nothing about the others.
func (f *InFlight) takeOther(r *request) (Answer, bool) {
	f.others = slices.DeleteFunc(f.others, func(o *request) bool { return o == r })
	got := r.answer()
	f.broken = f.broken || got.InDoubt
	return got, got.Err == nil || store.Answered(got.Err)
}

// Moved reports whether another server has the lock by now than the one that was asked.
func (f *InFlight) Moved() bool { return f.first != nil && f.first.moved() }

// Drop gives up the requests without an answer, and reports whether one of them may have run, or may
// still run.
func (f *InFlight) Drop() (mayRun bool) {
	mayRun = f.broken
	if f.first != nil {
		mayRun = !f.first.drop() || mayRun
	}
	for _, r := range f.others {
		mayRun = !r.drop() || mayRun
	}
	return mayRun
}
