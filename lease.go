package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// The lease of a session: up to when it can be trusted, when it is renewed, and what an
// answer of Redis changes. This is the one place that decides it.

// keepEvery is how often a renewal keeps the lock's aux key, which lives a day longer
// than the lock, from expiring.
const keepEvery = time.Hour

// requests numbers the session's requests that set the TTL. Redis may run them in
// another order, and late. Those that only add time do no harm then; one that may shorten
// must not come after a later one that was counted on. So as long as such a one has not
// been answered, the requests after it carry their number to Redis, which from then on
// refuses smaller ones, and until that is confirmed nothing raises validUntil.
type requests struct {
	last     uint64 // the number of the last request
	answered uint64 // the largest number whose answer counted
	shorten  uint64 // the last request that may shorten
	open     bool   // it has not been answered, nor outrun
}

// trust counts a lease whose TTL the server gave in answer to a request that was sent at
// sent. The server's clock started on it later than that, so it ends no earlier.
// Called with mu held, or before the session is shared.
func (s *Session) trust(sent, ttl time.Duration) {
	if ttl < 0 {
		s.validUntil = forever
	} else {
		s.validUntil = sent + window(ttl)
	}
	s.slept = s.l.clock.Asleep()
	s.failure = nil
	s.renewAt = forever
	if !s.conf.noRenewal {
		// Up to a tenth early, so that sessions that began together don't renew together.
		every := s.conf.renewEvery()
		s.renewAt = sent + every - rand.N(every/10+1)
	}
	s.limit()
}

// limit puts into effect what changed of validUntil or holdUntil. Called with mu held.
func (s *Session) limit() {
	if s.renewAt != forever && s.validUntil != forever {
		// A TTL that was set short is renewed earlier: with as much time left for further
		// tries as otherwise, or with half of it.
		now := s.l.clock.Now()
		tries := window(s.conf.ttl) - s.conf.renewEvery()
		s.renewAt = min(s.renewAt, max(s.validUntil-tries, now+(s.validUntil-now)/2))
	}
	s.until.Store(int64(min(s.validUntil, s.holdUntil)))
}

// expect numbers a request that is about to be sent at sent, to give the lock the TTL
// ttl or, unless replace, to add that to it. If it may shorten the lease, the lease is
// shorter from here on: the request may run, and its answer may not come.
func (s *Session) expect(sent, ttl time.Duration, replace bool) uint64 {
	s.mu.Lock()
	s.requests.last++
	seq := s.requests.last
	if replace {
		s.requests.shorten, s.requests.open = seq, true
		s.validUntil = min(s.validUntil, sent+window(ttl))
		s.limit()
	}
	next := s.next()
	s.mu.Unlock()
	s.l.dog.wakeBy(s, next)
	return seq
}

// number numbers a request that only adds time, and returns 0 if Redis need not know.
func (s *Session) number() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.last++
	if s.requests.open {
		return s.requests.last
	}
	return 0
}

// answered takes the server's answer to the request seq, sent at sent.
func (s *Session) answered(seq uint64, sent time.Duration, r store.Reply) error {
	if r.Status != store.Held {
		return s.lose(lossOf(r.Status))
	}
	s.look() // an answer that comes too late does not bring the session back
	s.mu.Lock()
	if s.lost == nil && !s.stopped && seq > s.requests.answered && seq >= s.requests.shorten {
		s.requests.answered, s.requests.open = seq, false
		s.trust(sent, r.TTL)
	}
	lost, next := s.lost, s.next()
	s.mu.Unlock()
	s.l.dog.wakeBy(s, next)
	return lost
}

// next returns when the watchdog has to look at the session. Called with mu held.
func (s *Session) next() time.Duration {
	return min(s.renewAt, s.validUntil, s.holdUntil)
}

// tick does what is due, and returns when to look again, or 0 for never.
func (s *Session) tick() time.Duration {
	s.look()
	ask := s.askNow.Swap(false)
	ended := s.ctx.Context.Err() != nil
	now := s.l.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.lost != nil || ended && s.releasing == 0 {
		return 0
	}
	if ended {
		s.holdUntil = forever // it is no longer held, only kept while its groups end
	}
	if !s.conf.noRenewal && now >= s.renewAt || ask {
		s.renew(now)
	}
	return s.next()
}

// renew sends a renewal, and plans the next try in case that it fails: a try that is
// stuck does not hold up those after it. Called with mu held.
func (s *Session) renew(now time.Duration) {
	r := &s.requests
	r.last++
	seq, void := r.last, uint64(0)
	if r.open {
		void = seq
	}
	s.renewAt = now + jitter(s.conf.retryRenewal())
	keep := now >= s.keepAt
	if keep {
		s.keepAt = now + keepEvery
	}
	ttl, bound := s.conf.ttl, s.validUntil-now
	if s.conf.noExpiry {
		ttl, bound = store.NoExpiry, s.conf.renewEvery()
	}
	request := func(ctx context.Context) (store.Reply, error) {
		return s.l.store.Renew(ctx, s.id, ttl, void, keep)
	}
	if s.conf.noRenewal { // asked because of the clock: only a loss counts
		s.renewAt, seq = forever, 0
		request = func(ctx context.Context) (store.Reply, error) { return s.l.store.Check(ctx, s.id) }
	}
	// Nobody waits for this goroutine but Close. It ends with the client's time-outs.
	s.l.spawn(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		reply, err := request(ctx)
		if err != nil {
			s.failed(err)
			return
		}
		_ = s.answered(seq, now, reply)
	})
}

// failed notes a renewal that failed; the next try is planned already.
func (s *Session) failed(err error) {
	s.mu.Lock()
	over := s.lost != nil || s.stopped
	if !over {
		s.failure = err
	}
	s.mu.Unlock()
	if !over {
		s.conf.log.Info("holdfast: renewal failed", s.attrs(err)...)
	}
}

// shortSleep is what may be the noise of two clocks: too little to be named as the cause.
const shortSleep = 50 * time.Millisecond

// look ends the session if its time is up. It is called whenever somebody looks at the
// context, and costs a reading of the clock.
func (s *Session) look() {
	if int64(s.l.clock.Now()) < s.until.Load() {
		return
	}
	s.mu.Lock()
	now := s.l.clock.Now()
	switch {
	case s.lost != nil:
		lost := s.lost
		s.mu.Unlock()
		s.cancel(lost) // whoever found the loss may not have got to it yet
	case s.stopped:
		s.mu.Unlock()
	case now >= s.validUntil:
		cause := s.expired(now)
		s.mu.Unlock()
		_ = s.lose(cause)
	case now >= s.holdUntil:
		s.mu.Unlock()
		s.cancel(s.wrap("hold", fmt.Errorf("%w: %v", ErrMaxHold, s.conf.maxHold)))
	default:
		s.mu.Unlock()
	}
}

// expired says why the lease could not be kept. Called with mu held.
func (s *Session) expired(now time.Duration) error {
	if slept := s.l.clock.Asleep() - s.slept; slept > shortSleep && now-slept < s.validUntil {
		return fmt.Errorf("%w for %v", ErrSuspended, slept.Round(time.Millisecond))
	}
	if s.failure != nil {
		return fmt.Errorf("%w (last renewal: %w)", ErrExpired, s.failure)
	}
	return ErrExpired
}

// lose ends a session whose lock is known not to be its own, or can't be trusted to be,
// and returns the first reason given.
func (s *Session) lose(cause error) error {
	s.mu.Lock()
	if s.stopped { // on its way back already: what is found there is no loss
		s.mu.Unlock()
		return cause
	}
	first := s.lost == nil
	if first {
		s.lost = s.wrap("hold", cause)
	}
	cause = s.lost
	s.mu.Unlock()
	s.cancel(cause) // not only the first: the caller relies on it, and the first may not have got there
	if first {
		s.l.dog.forget(s)
		// Not here: a handler that blocks must not hold up the watchdog.
		s.l.spawn(func() { s.conf.log.Warn("holdfast: lock lost", s.attrs(cause)...) })
	}
	return cause
}

// end ends the context with a cause that is not a loss, unless its time was up before.
func (s *Session) end(cause error) {
	s.look()
	s.cancel(s.wrap("hold", cause))
}

// stop marks the session as no longer renewed, for good, and returns how long its lease
// can be trusted yet, and why it was lost, if it was.
func (s *Session) stop() (left time.Duration, lost error) {
	s.look()
	now := s.l.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	return s.validUntil - now, s.lost
}

func (s *Session) attrs(err error) []any {
	return []any{slog.String("lock", s.m.name), slog.Int64("fence", s.fence), slog.Any("error", err)}
}
