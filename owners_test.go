package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Never two owners: whatever happens between a holder and Redis, its context is done
// before another can have the lock.

// duel is one holder that is cut off while another waits for its lock.
type duel struct {
	e       *env
	name    string
	ttl     time.Duration
	fault   fault
	begin   time.Duration // when to acquire
	after   time.Duration // from the acquisition to the cut
	latency time.Duration // of the holder's link, each way
	thaw    time.Duration // from the holder's end to the end of a fault that stops all
	noise   time.Duration // by which the test's own measurements may be late

	locks, rivals *holdfast.Locker
	link          redistest.Link
}

func (d *duel) String() string {
	return fmt.Sprintf("TTL %v, %s %v after the acquisition, latency %v, thawed %v after the end",
		d.ttl, d.fault.name, d.after, d.latency, d.thaw)
}

// prepare makes the two clients.
func (d *duel) prepare(e *env, name string) *duel {
	d.e, d.name = e, name
	opts := []holdfast.Option{holdfast.WithTTL(d.ttl), holdfast.WithRetryInterval(d.ttl / 4)}
	d.locks, d.link = e.linked(opts...)
	d.rivals = e.locker(opts...)
	return d
}

// won is the rival's acquisition.
type won struct {
	s      *holdfast.Session
	err    error
	at     time.Time
	before error // the holder's Err at that moment
}

// fight returns what went wrong.
func (d *duel) fight() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	time.Sleep(d.begin)
	d.link.Delay(d.latency)
	holder, err := d.locks.Mutex(d.name).Acquire(ctx)
	if err != nil {
		return err
	}
	start, ended := time.Now(), endOf(holder)
	rival := make(chan won, 1)
	go func() {
		s, err := d.rivals.Mutex(d.name).Acquire(ctx)
		rival <- won{s, err, time.Now(), holder.Err()}
	}()
	time.Sleep(time.Until(start.Add(d.after)))
	if d.e.fake != nil {
		synctest.Wait() // the rival has been told that the lock is held
	}
	until := holder.ValidUntil()
	d.fault.cut(d.e, d.link)
	cut := time.Now()
	done := <-ended
	if err := d.checkEnd(holder, cut, until, done); err != nil {
		return err
	}
	if d.fault.all {
		time.Sleep(d.thaw)
		d.fault.restore(d.e, d.link)
	}
	w := <-rival
	switch {
	case w.err != nil:
		return fmt.Errorf("the rival: %w", w.err)
	case w.before == nil:
		return errors.New("two owners: the rival's Acquire returned and the holder's Err was nil")
	case !done.Add(-d.noise).Before(w.at):
		return fmt.Errorf("two owners for %v", done.Sub(w.at))
	case w.s.Fence() <= holder.Fence():
		return fmt.Errorf("the fence went from %d to %d", holder.Fence(), w.s.Fence())
	case w.at.Sub(done) > d.thaw+2*d.ttl+2*time.Second:
		return fmt.Errorf("the rival waited for %v", w.at.Sub(done))
	}
	return d.checkAfter(ctx, holder, w.s)
}

// checkEnd: the holder ended because of the fault, neither before its lease was over nor
// after its key could expire.
func (d *duel) checkEnd(holder *holdfast.Session, cut, until, done time.Time) error {
	if f := d.e.fake; f != nil {
		// Up to here the key is the holder's, and another margin long, so no request of
		// another's could have succeeded.
		token := d.e.tokenIn(d.name)
		if left := f.M.TTL(d.name); token != holder.Token() || left < marginOf(d.ttl) {
			return fmt.Errorf("at the holder's end its key has %v left, less than the margin of %v", left, marginOf(d.ttl))
		}
	}
	err := holder.Err()
	switch {
	case !errors.Is(err, holdfast.ErrLost) || !errors.Is(err, holdfast.ErrExpired):
		return fmt.Errorf("the cause is %v", err)
	case done.Before(until.Add(-time.Millisecond)):
		return fmt.Errorf("the session ended %v early", until.Sub(done))
	case done.After(cut.Add(d.ttl - marginOf(d.ttl) + d.noise)):
		return fmt.Errorf("the session lived for %v after the cut", done.Sub(cut))
	}
	return nil
}

// checkAfter: nothing that the holder's requests do when they come late brings it back,
// or hurts the rival.
func (d *duel) checkAfter(ctx context.Context, holder, rival *holdfast.Session) error {
	d.fault.restore(d.e, d.link)
	d.link.Delay(0)
	time.Sleep(d.ttl / 4)
	if err := holder.Err(); !errors.Is(err, holdfast.ErrExpired) {
		return fmt.Errorf("after the fault the holder's Err is %v", err)
	}
	if err := holder.Release(ctx); !errors.Is(err, holdfast.ErrLost) {
		return fmt.Errorf("releasing what was lost: %v", err)
	}
	time.Sleep(d.ttl)
	if err := rival.Check(ctx); err != nil {
		return fmt.Errorf("the rival lost the lock: %w", err)
	}
	if err := rival.Release(ctx); err != nil {
		return fmt.Errorf("the rival's release: %w", err)
	}
	return nil
}

const phases = 20

// TestOwnersFake cuts the holder off at each phase of its cycle of renewals.
func TestOwnersFake(t *testing.T) {
	for _, ttl := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
		for _, f := range cutoffs {
			t.Run(fmt.Sprintf("%v/%s", ttl, f.name), func(t *testing.T) {
				t.Parallel()
				interval := ttl / 2
				for i := range redistest.Phases(t, phases, 7) {
					phase := interval * time.Duration(i) / phases
					for _, d := range []*duel{
						{after: phase},
						{after: phase, latency: ttl / 40, thaw: ttl / 100},
						{after: phase + 3*interval, latency: ttl / 40, thaw: ttl},
					} {
						d.ttl, d.fault = ttl, f
						onFake(t, func(t *testing.T, e *env) {
							if i%2 == 0 {
								e.load() // else a renewal's first answer is that its script is unknown
							}
							if err := d.prepare(e, "duel").fight(); err != nil {
								t.Errorf("%v: %v", d, err)
							}
						})
					}
				}
			})
		}
	}
}

// realNoise is what a busy machine may add to a measurement. What would be a bug here is
// longer by far: the peers' double ownership lasts for half a TTL.
const realNoise = 200 * time.Millisecond

// TestOwnersReal is the same on a real server, all at once. The phases past the first
// renewal come by themselves: renewals are not in step.
func TestOwnersReal(t *testing.T) {
	t.Parallel()
	ttls := []time.Duration{2 * time.Second, 3 * time.Second}
	ttls = ttls[:redistest.Rounds(t, len(ttls), 2)]
	onRealCrowd(t, realNoise, func(e *env, pace time.Duration) error {
		var duels []*duel
		for _, ttl := range ttls {
			ttl *= pace
			for _, f := range cutoffs {
				for i := range 5 {
					if !f.all {
						after := ttl / 2 * time.Duration(2*i+1) / 5 // two intervals
						d := &duel{ttl: ttl, fault: f, after: after, noise: realNoise * pace}
						duels = append(duels, d.prepare(e, fmt.Sprint("duel ", len(duels))))
					}
				}
			}
		}
		return together(duels)
	})
}

// TestOwnersStopped stops a real server once, for holders in different phases.
func TestOwnersStopped(t *testing.T) {
	t.Parallel()
	onRealCrowd(t, realNoise, func(e *env, pace time.Duration) error {
		stopped, going := make(chan struct{}), make(chan struct{})
		stop := fault{
			name: "stopped", all: true,
			cut:     func(*env, redistest.Link) { <-stopped },
			restore: func(*env, redistest.Link) { <-going },
		}
		var duels []*duel
		for i := range 8 {
			for _, ttl := range []time.Duration{1500 * time.Millisecond, 2 * time.Second} {
				ttl *= pace
				d := &duel{ttl: ttl, fault: stop, begin: ttl / 2 * time.Duration(i) / 8, noise: realNoise * pace}
				duels = append(duels, d.prepare(e, fmt.Sprint("duel ", len(duels))))
			}
		}
		go func() {
			time.Sleep(pace * 2500 * time.Millisecond)
			e.server.Stop()
			close(stopped)
			time.Sleep(pace * 2100 * time.Millisecond)
			e.server.Cont()
			close(going)
		}()
		return together(duels)
	})
}

// together fights all duels at the same time.
func together(duels []*duel) error {
	var runs []func() error
	for _, d := range duels {
		runs = append(runs, func() error {
			if err := d.fight(); err != nil {
				return fmt.Errorf("%v: %w", d, err)
			}
			return nil
		})
	}
	return errorsOf(runs)
}
