// Package tick runs a job of a scheduler on one of the machines that have the same schedule, by a lock
// of Holdfast. It is what the modules gocronholdfast and cronholdfast share.
//
// At each tick of a job every machine tries to take the job's lock, and the one that gets it runs the
// job. The same tick comes later on one machine than on another, by up to the skew: their clocks
// differ, and a scheduler may be late. A try takes up to half of the skew. So the lock is kept for one
// and a half times the skew from when it was taken, even if the job takes a millisecond: then no try
// that belongs to the same tick gets it. The next tick has to come after that.
//
// A Job's mutex guards its own fields only. The package starts no goroutine.
package tick

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Skew is by how much later the same tick may come on one machine than on another.
type Skew time.Duration

// The skew if nothing else is said, and the least.
const (
	DefaultSkew = Skew(time.Second)
	LeastSkew   = Skew(10 * time.Millisecond)
)

// Try is how long a try to take the lock may take.
func (s Skew) Try() time.Duration { return time.Duration(s) / 2 }

// Hold is for how long the lock is kept at least.
func (s Skew) Hold() time.Duration { return time.Duration(s) + s.Try() }

// Check refuses a skew that is too small, or that the defaults of locks don't allow.
func (s Skew) Check(locks *holdfast.Locker) error {
	if s < LeastSkew {
		return fmt.Errorf("%w: skew %v is under %v", holdfast.ErrInvalid, time.Duration(s), time.Duration(LeastSkew))
	}
	if err := locks.Mutex("job", holdfast.WithMinHold(s.Hold())).Err(); err != nil {
		return fmt.Errorf("a skew of %v keeps a lock for %v: %w", time.Duration(s), s.Hold(), err)
	}
	return nil
}

// ErrTooOften: the lock is kept from the last run of this job, which is the tick before: ticks come
// sooner one after another than the skew allows. Such an error is an ErrHeld, too.
var ErrTooOften = errors.New("ticks come too often for the skew")

// IsFault reports whether err, for which a tick was skipped, says more than that another has the lock.
func IsFault(err error) bool {
	for _, fault := range []error{ErrTooOften, holdfast.ErrFailoverGrace} { // they are an ErrWaitTimeout, too
		if errors.Is(err, fault) {
			return true
		}
	}
	return !errors.Is(err, holdfast.ErrWaitTimeout)
}

// Job is one job of one scheduler. It is safe for concurrent use and must not be copied.
type Job struct {
	Mutex *holdfast.Mutex
	Skew  Skew

	mu    sync.Mutex
	taken time.Time // when it last had the lock
	told  bool      // that its ticks come too often
}

// Once takes the lock for one tick, for the one machine that shall run the job. The error is an
// ErrHeld if another has it or had it a short time ago. While Redis can't be reached, Once goes on
// trying for half of the skew; then the error is an ErrNoAnswer, also if the lock came too late. In a
// failover grace it does the same, and the error is an ErrFailoverGrace. ctx ends that, and is the
// parent of the run's context.
func (j *Job) Once(ctx context.Context) (*Run, error) {
	limit, cancel := context.WithTimeout(ctx, j.Skew.Try())
	defer cancel()
	s, err := j.take(limit, func() (*holdfast.Session, error) {
		return j.Mutex.TryAcquire(context.WithoutCancel(ctx), holdfast.WithWaitContext(limit), holdfast.WithMinHold(j.Skew.Hold()))
	})
	if err == nil && limit.Err() != nil && ctx.Err() == nil {
		// The lock of the one that ran the tick may have ended meanwhile. The rest of the hold is left as it is.
		if err = s.Release(context.WithoutCancel(ctx)); err == nil {
			err = errors.New("the answer came late")
		}
	}
	switch {
	case err == nil:
		j.note()
		return newRun(ctx, s), nil
	case errors.Is(err, holdfast.ErrFailoverGrace): // nobody has the tick
		return nil, err
	case errors.Is(err, holdfast.ErrHeld):
		return nil, j.tooOften(err)
	case limit.Err() != nil && ctx.Err() == nil: // the deadline is not the caller's
		return nil, fmt.Errorf("take lock %q for a tick: %w in %v, half of the skew: %v",
			j.Mutex.Name(), holdfast.ErrNoAnswer, j.Skew.Try(), err)
	}
	return nil, err
}

// InTurn waits in line for the lock, for a job that shall run on every machine, on one at a time. ctx
// ends the wait, and is the parent of the run's context. If Redis can't be reached, InTurn goes on
// trying for half of the skew.
func (j *Job) InTurn(ctx context.Context) (*Run, error) {
	s, err := j.take(ctx, func() (*holdfast.Session, error) {
		return j.Mutex.Acquire(context.WithoutCancel(ctx), holdfast.WithWaitContext(ctx))
	})
	if err != nil {
		return nil, err
	}
	return newRun(ctx, s), nil
}

// take calls try until it has an answer, or half of the skew is over. Its error is that of the last try
// that ctx did not end, if there was one.
func (j *Job) take(ctx context.Context, try func() (*holdfast.Session, error)) (*holdfast.Session, error) {
	end := time.Now().Add(j.Skew.Try())
	pauses := backoff.Pauses{Least: min(50*time.Millisecond, j.Skew.Try()/4), Most: time.Second}
	var last error
	for {
		s, err := try()
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil && last != nil:
			return nil, last
		case ctx.Err() != nil || !mayPass(err, last) || time.Now().After(end):
			return nil, err
		}
		last = err
		if !pauses.Sleep(ctx) {
			return nil, last
		}
	}
}

// mayPass reports whether a try that failed with err, after one that failed with last, may succeed a
// moment later. If there was a last one, it may have had no answer, and the lock: until that is undone,
// another that holds the lock may be this one.
func mayPass(err, last error) bool {
	if errors.Is(err, holdfast.ErrFailoverGrace) || errors.Is(err, holdfast.ErrHeld) && last != nil {
		return true
	}
	for _, final := range []error{holdfast.ErrWaitTimeout, holdfast.ErrInvalid, holdfast.ErrNested, holdfast.ErrClosed} {
		if errors.Is(err, final) {
			return false
		}
	}
	return store.Transient(err)
}

// note notes that this job has the lock.
func (j *Job) note() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.taken = time.Now()
}

// tooOften says in err, which is an ErrHeld, that the ticks come too often. It says so once.
func (j *Job) tooOften(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	ago := time.Since(j.taken)
	if j.told || j.taken.IsZero() || ago >= j.Skew.Hold() {
		return err
	}
	j.told = true
	return fmt.Errorf("%w: the last run began %v ago, and with a skew of %v the lock is kept for %v: %w",
		ErrTooOften, ago.Round(time.Millisecond), time.Duration(j.Skew), j.Skew.Hold(), err)
}
