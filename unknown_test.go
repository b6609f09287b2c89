package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Unknown outcomes: a request was sent and its answer never came, or the caller did not
// wait for it. It may have run, or may run yet.

const (
	// unknownLatency is that of the links, each way, so that faults hit what is under way.
	unknownLatency = 10 * time.Millisecond
	// instants is the number of times at which a fault begins.
	instants = 90
	// cleanUp is how long a lock may be left behind: what the documentation of Acquire
	// gives the clean-up in the background.
	cleanUp = 5 * time.Second
)

// instant returns the ith of them. 60 cover an Acquire from the dial to the last answer,
// 2 ms apart; the others are, several times each, those at which answers arrive, so that
// both happen at once, in either order.
func instant(i int) time.Duration {
	if i < 60 {
		return time.Duration(i) * 2 * time.Millisecond
	}
	return time.Duration(i%6+1) * 2 * unknownLatency
}

// mishap is what befalls one request, from one instant on. cancel ends its caller's
// context; wait is how long the network takes to recover.
type mishap struct {
	name string
	do   func(link redistest.Link, cancel func(), wait time.Duration)
}

var mishaps = []mishap{
	{"reset", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.Reset()
	}},
	{"cancelled", func(link redistest.Link, cancel func(), wait time.Duration) {
		cancel()
	}},
	{"reply lost", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.HoldReplies()
		time.Sleep(3 * unknownLatency)
		link.Reset()
		time.Sleep(wait)
		link.Heal()
	}},
	{"reply late", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.HoldReplies()
		time.Sleep(3 * unknownLatency)
		cancel()
		time.Sleep(wait)
		link.Heal()
	}},
	{"request late", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.HoldRequests()
		time.Sleep(unknownLatency)
		cancel()
		time.Sleep(wait)
		link.Heal()
	}},
	{"request late, connection lost", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.HoldRequests()
		time.Sleep(unknownLatency)
		link.ResetLate()
		cancel()
		time.Sleep(wait)
		link.Heal()
	}},
	{"refused", func(link redistest.Link, cancel func(), wait time.Duration) {
		link.Refuse()
		cancel()
		time.Sleep(wait)
		link.Heal()
	}},
}

// kinds are the kinds of locks whose requests differ.
var kinds = []struct {
	name string
	opts []holdfast.Option
}{
	{"plain", []holdfast.Option{holdfast.WithTTL(time.Minute)}},
	{"token", []holdfast.Option{holdfast.WithTTL(time.Minute), holdfast.WithToken("sesame")}},
	{"no TTL", []holdfast.Option{holdfast.WithoutExpiry()}},
}

// trial is one call that a mishap befalls at one instant.
type trial struct {
	e      *env
	others *holdfast.Locker // another process's
	name   string
	locks  *holdfast.Locker
	link   redistest.Link
	mishap mishap
	at     time.Duration
	wait   time.Duration
}

func (r *trial) String() string {
	return fmt.Sprintf("%s: %s after %v, for %v", r.name, r.mishap.name, r.at, r.wait)
}

// trials runs test with each mishap at each instant, those of one mishap and one kind of
// lock all at once. Unless all, each kind has but its share of the instants.
func trials(t *testing.T, all bool, test func(r *trial) error) {
	for k, kind := range kinds {
		for _, m := range mishaps {
			t.Run(kind.name+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				onFake(t, func(t *testing.T, e *env) {
					e.load()
					others := e.crowded(holdfast.WithTTL(time.Minute))
					var runs []func() error
					for i := range redistest.Phases(t, instants, 5) {
						if !all && i%len(kinds) != k {
							continue
						}
						locks, link := e.linked(append(kind.opts[:len(kind.opts):len(kind.opts)], holdfast.WithRetryInterval(50*time.Millisecond))...)
						link.Delay(unknownLatency)
						r := &trial{e, others, fmt.Sprint("lock", i), locks, link, m, instant(i), 0}
						r.wait = []time.Duration{0, 300 * time.Millisecond, 1200 * time.Millisecond, 3 * time.Second}[i%4]
						runs = append(runs, func() error {
							if err := test(r); err != nil {
								return fmt.Errorf("%v: %w", r, err)
							}
							return nil
						})
					}
					atOnce(t, runs)
					e.checkLeft(t)
				})
			})
		}
	}
}

// checkLeft: what is left in Redis at the end expires, and holds no lock.
func (e *env) checkLeft(t *testing.T) {
	t.Helper()
	for _, key := range e.fake.M.Keys() {
		if ttl := e.fake.M.TTL(key); ttl <= 0 || ttl > 367*24*time.Hour {
			t.Errorf("%q is left behind with a TTL of %v", key, ttl)
		}
	}
}

// suffer makes one call under the trial's mishap. When it returns, that is over.
func (r *trial) suffer(call func(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error)) (*holdfast.Session, error) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		time.Sleep(r.at)
		r.mishap.do(r.link, cancel, r.wait)
	}()
	s, err := call(r.locks.Mutex(r.name), ctx)
	<-over
	return s, err
}

func (r *trial) acquire() (*holdfast.Session, error) {
	return r.suffer(func(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error) { return mu.Acquire(ctx) })
}

// stays reports whether the lock is free, or held by that token, for the next seconds.
func (r *trial) stays(token string) error {
	for range 40 {
		time.Sleep(100 * time.Millisecond)
		if got := r.e.tokenIn(r.name); got != token {
			return fmt.Errorf("the key holds %q and should hold %q", got, token)
		}
	}
	return nil
}

// TestUnknownAcquire: an Acquire that failed leaves no lock behind, however and whenever
// it failed and whatever arrives late. One that succeeded holds the lock.
func TestUnknownAcquire(t *testing.T) {
	trials(t, true, func(r *trial) error {
		s, err := r.acquire()
		if err != nil {
			time.Sleep(2 * time.Second) // the network is well already
			return r.stays("")
		}
		if token := r.e.tokenIn(r.name); token != s.Token() {
			return errors.New("acquired, and the key is another's")
		}
		if err := s.Release(context.Background()); err != nil {
			return err
		}
		return r.stays("")
	})
}

// TestUnknownAcquireAgain: who asks again at once, by the same Locker and maybe with the
// same token, is kept out by what the first call left behind for as long as the clean-up
// takes, and keeps what it then gets: the clean-up takes back the first call's lock only.
func TestUnknownAcquireAgain(t *testing.T) {
	trials(t, false, func(r *trial) error {
		first, err := r.acquire()
		if err == nil {
			return first.Release(context.Background())
		}
		start := time.Now()
		s, err := r.locks.Mutex(r.name).Acquire(context.Background())
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
			// The client had kept a connection that the mishap had reset.
			s, err = r.locks.Mutex(r.name).Acquire(context.Background())
		}
		if err != nil {
			return err
		}
		if took := time.Since(start); took > 2*time.Second {
			return fmt.Errorf("the next Acquire waited for %v", took)
		}
		if err := r.stays(s.Token()); err != nil {
			return err
		}
		time.Sleep(cleanUp)
		return errors.Join(s.Check(context.Background()), s.Release(context.Background()))
	})
}

// TestUnknownWhileWaiting: a mishap around the moment at which a waiter's request takes
// the lock. The waiter finds that it has it, and is not told that another holds it.
func TestUnknownWhileWaiting(t *testing.T) {
	trials(t, false, func(r *trial) error {
		const settled = 300 * time.Millisecond
		holder, err := r.others.Mutex(r.name).Acquire(context.Background())
		if err != nil {
			return err
		}
		type result struct {
			s   *holdfast.Session
			err error
			at  time.Time
		}
		got := make(chan result, 1)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			s, err := r.locks.Mutex(r.name).Acquire(ctx)
			got <- result{s, err, time.Now()}
		}()
		time.Sleep(settled)
		if err := holder.Release(context.Background()); err != nil {
			return err
		}
		time.Sleep(r.at)
		r.mishap.do(r.link, func() {}, r.wait)
		healed := time.Now()
		res := <-got
		if res.err != nil {
			return res.err
		}
		// A second's back-off and a quarter, and the round trips of a new connection.
		if late := res.at.Sub(healed); late > 1500*time.Millisecond {
			return fmt.Errorf("the waiter got the lock %v after the network was well", late)
		}
		if res.s.Fence() <= holder.Fence() {
			return fmt.Errorf("the fence went from %d to %d", holder.Fence(), res.s.Fence())
		}
		const claim = 3 * time.Second
		if r.wait >= claim && errors.Is(res.s.Err(), holdfast.ErrExpired) {
			return nil // the network was away for as long as what a waiter is granted lasts
		}
		if err := r.stays(res.s.Token()); err != nil {
			return err
		}
		if err := res.s.Release(context.Background()); err != nil {
			return err
		}
		return r.stays("")
	})
}

// TestUnknownResume: a Resume that failed leaves the lease to its token, and does not
// take it, late, from who resumes it next.
func TestUnknownResume(t *testing.T) {
	trials(t, false, func(r *trial) error {
		ctx := context.Background()
		first, err := r.others.Mutex(r.name).Acquire(ctx)
		if err != nil {
			return err
		}
		token, err := first.Detach(ctx)
		if err != nil {
			return err
		}
		s, err := r.suffer(func(mu *holdfast.Mutex, ctx context.Context) (*holdfast.Session, error) {
			return mu.Resume(ctx, token)
		})
		if err == nil {
			return s.Release(ctx)
		}
		time.Sleep(cleanUp)
		if s, err = r.others.Mutex(r.name).Resume(ctx, token); err != nil {
			return fmt.Errorf("the next Resume: %w", err)
		}
		if s.Fence() <= first.Fence() {
			return fmt.Errorf("the fence went from %d to %d", first.Fence(), s.Fence())
		}
		if err := r.stays(token); err != nil {
			return err
		}
		return errors.Join(s.Check(ctx), s.Release(ctx))
	})
}
