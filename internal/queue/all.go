package queue

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

// Several locks are taken in the order of their names. Whoever waits for one of them holds only such as
// come before it. So of those who take several locks, the one that holds the last of all names waits for
// nobody, and nobody waits without end.
//
// What is free is taken in one request, as far as one script call can see all of it; the first that is
// not is waited for like any other lock, in its queue.

// All takes the locks of ws, which are in the order of their names and have the same terms. got is told
// of each that it has, in order, and with an error if that came with the lock: then, and if got returns
// one, no other is taken. The error of All is about the lock of ws[at]; what was had is the caller's to
// give back. once means not to wait: then one request takes all of its locks or none.
func (qs *Queues) All(ws []*Waiter, once bool, got func(at int, h lease.Holder, err error) error) (at int, err error) {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = w.Lock.Name
	}
	for at < len(ws) {
		n := qs.Store.Together(names[at:])
		if n > 1 {
			hs, failed, err := qs.together(ws[at:at+n], once)
			first := at
			for _, h := range hs {
				if e := got(at, h, nil); e != nil && err == nil {
					failed, err = at-first, e
				}
				at++
			}
			switch {
			case store.CrossSlot(err) && qs.Store.Together(names[at:]) < n:
				continue // it was not known that the servers are several
			case err != nil:
				return first + failed, err
			case len(hs) == n:
				continue
			}
		}
		h, err := qs.oneOf(ws[at], once)
		if h != nil {
			err = got(at, h, err)
		}
		if err != nil {
			return at, err
		}
		at++
	}
	return at, nil
}

func (qs *Queues) oneOf(w *Waiter, once bool) (lease.Holder, error) {
	if once {
		return qs.Once(w)
	}
	return qs.Wait(w)
}

// together asks for the locks of ws in one request. It returns the Holders of those that it has taken,
// which are the first of ws. once means all or none, and that an error says why; failed is which of ws it
// is about. Otherwise there is only an error if the wait is over: what else is wrong is for Wait to find.
func (qs *Queues) together(ws []*Waiter, once bool) (hs []lease.Holder, failed int, err error) {
	t := qs.newTogether(ws, !once)
	defer t.withdraw()
	defer qs.asksOutside(slices.Clone(t.attempts)...)()
	ctx, done := ws[0].bound(firstTry)
	defer done()
	began := qs.Now()
	got := t.ask(ctx)
	for again := 0; ctx.Err() == nil && ws[0].again(got.Err, &again); {
		got = t.ask(ctx)
	}
	// Their holders were told to give back what rests, which takes about a round trip.
	pause := qs.Now() - began
	for try := 0; once && try < restTries && got.Err == nil && got.Reply.Status == store.Resting && qs.sleep(ctx, pause<<try); try++ {
		got = t.ask(ctx)
	}
	if got.Err == nil {
		for i, r := range got.Reply.Each {
			h, err := t.take(ctx, i, got.Sent, r)
			if err != nil {
				return hs, i, err
			}
			hs = append(hs, h)
		}
	}
	switch over := ws[0].over(); {
	case got.Err != nil && (once || over || store.CrossSlot(got.Err)):
		return hs, 0, got.Err
	case got.Err == nil && once && len(hs) < len(ws):
		return hs, int(got.Reply.Place), qs.notHad(got.Reply)
	}
	return hs, 0, nil
}

// together is one request for the locks of several waiters, each with an attempt of its own.
type together struct {
	qs       *Queues
	ws       []*Waiter
	attempts []*Attempt // nil where the lock was had
	some     bool       // those before the first that can't be had are enough
}

func (qs *Queues) newTogether(ws []*Waiter, some bool) *together {
	t := &together{qs, ws, make([]*Attempt, len(ws)), some}
	for i, w := range ws {
		w.begin(qs)
		t.attempts[i] = newAttempt(w)
	}
	return t
}

// ask sends the request. An answer after which too little is left of a lease is an error: asked again,
// the attempts still hold their locks.
func (t *together) ask(ctx context.Context) send.Answer {
	qs, first := t.qs, t.attempts[0]
	requests := make([]store.Attempt, len(t.attempts))
	qs.mu.Lock()
	for i, a := range t.attempts {
		a.Channel, a.epoch = qs.Notify.Channel()
		requests[i] = a.Attempt
		if a.terms.NoExpiry {
			requests[i].TTL = trust.ClaimTTL
		}
	}
	first.inFlight++
	qs.mu.Unlock()
	got, _ := qs.ask(ctx, t.ws[0], first, qs.Store.AcquireAll(requests, t.some))
	now := qs.Now()
	for _, r := range got.Reply.Each {
		if got.Err == nil {
			got.Err = first.tooLate(now, got.Sent, r.TTL)
		}
	}
	inDoubt := first.inDoubt || got.Err != nil && len(got.Reply.Each) > 0
	for _, a := range t.attempts {
		a.inDoubt = inDoubt // one request, one outcome
	}
	return got
}

// take makes the lease of a lock that was granted.
func (t *together) take(ctx context.Context, i int, sent time.Duration, r store.Reply) (lease.Holder, error) {
	qs, a, w := t.qs, t.attempts[i], t.ws[i]
	var err error
	if a.terms.NoExpiry {
		r, err = qs.confirm(ctx, w, a, r)
	}
	l, _, err := qs.answered(w, a, sent, r, err)
	if err != nil {
		for _, a := range t.attempts[i:] {
			a.inDoubt = true // granted, and not had
		}
		return nil, err
	}
	t.attempts[i] = nil
	return l.Holder(), nil
}

// withdraw undoes what the request may have taken that was not had.
func (t *together) withdraw() {
	for _, a := range t.attempts {
		if a != nil {
			t.qs.withdraw(a)
		}
	}
}
