// Package election elects a leader among processes, by a lock of Holdfast, and says who it is.
//
//	e := election.New(locks.Mutex("scheduler"), election.Config{})
//	http.HandleFunc("/leader", func(w http.ResponseWriter, r *http.Request) {
//		fmt.Fprintln(w, e.IsLeader())
//	})
//	err := e.Run(ctx, schedule) // for ever, in one process at a time
//
// [holdfast.Mutex.Lead] is enough where nobody asks who leads.
package election

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// DefaultInterval is used where [Config] says nothing.
const DefaultInterval = 5 * time.Second

// ErrNoLeader: nobody leads. [Elector.Leader] returns it.
var ErrNoLeader = errors.New("nobody leads")

// Config has the settings of an Elector. The zero value is ready for use.
type Config struct {
	// OnNewLeader is called for each new leader, this process or another, while Run runs and its
	// context lasts. A term of this Elector is reported when it begins, without a question to
	// Redis. For the terms of others Redis is asked each Interval, so they are reported up to an
	// Interval and 100 ms late, and a term that is over by then is not. If Redis has given this
	// Elector the lock and the message was lost, the term is reported first without Self, and again
	// when it begins. That nobody leads is not reported.
	//
	// The calls come one after another, in a goroutine of their own. Terms that begin during a
	// call are left out but for the last. Run waits for a call that it has begun. Default: nil;
	// then nothing is asked.
	OnNewLeader func(Leader)
	// Interval is how often Redis is asked who leads, varied by a quarter. It counts only with
	// OnNewLeader, and while this process does not lead. Default: [DefaultInterval]; the least is
	// 1 ms.
	Interval time.Duration
}

// Leader is who leads.
type Leader struct {
	// Label is that of the session, by default host:pid (see [holdfast.WithLabel]). It is empty if
	// a worker of another library holds the lock.
	Label string
	// Fence is that of the term: each term has a larger one than those before. It is 0 if a worker
	// of another library holds the lock.
	Fence int64
	// Since is when the term began, by the clock of the Redis server. It is zero if Fence is.
	Since time.Time
	// Self is whether the term is this Elector's.
	Self bool
}

// Elector runs a function in one process at a time, and knows whether that is this one. It is safe
// for concurrent use.
type Elector struct {
	mu      *holdfast.Mutex
	conf    Config
	running atomic.Bool
	term    atomic.Pointer[holdfast.Session]   // while fn runs
	began   chan struct{}                      // capacity 1: a term has begun
	ask     atomic.Pointer[context.CancelFunc] // ends the question who leads that is under way
}

// New returns an Elector on a lock. It asks nothing of Redis and starts no goroutine. It panics if mu
// is nil; what is wrong with the configuration, Run says.
func New(mu *holdfast.Mutex, conf Config) *Elector {
	if mu == nil {
		panic("election: nil mutex")
	}
	if conf.Interval == 0 {
		conf.Interval = DefaultInterval
	}
	return &Elector{mu: mu, conf: conf, began: make(chan struct{}, 1)}
}

// Run campaigns for the lock and calls fn for each term, as [holdfast.Mutex.Lead] does: it goes on
// while Redis can't be reached, and again after a loss, until ctx ends or fn returns by itself. Its
// errors are those of Lead. Options concern the sessions of this call. Run may be called again when
// it has returned, but not twice at once: that is an [holdfast.ErrInvalid].
func (e *Elector) Run(ctx context.Context, fn func(context.Context) error, opts ...holdfast.Option) error {
	if e.conf.Interval < time.Millisecond {
		return fmt.Errorf("election: run %q: %w: interval %v is under 1ms", e.mu.Name(), holdfast.ErrInvalid, e.conf.Interval)
	}
	if !e.running.CompareAndSwap(false, true) {
		return fmt.Errorf("election: run %q: %w: Run of this Elector has not returned", e.mu.Name(), holdfast.ErrInvalid)
	}
	defer e.running.Store(false)
	if e.conf.OnNewLeader != nil {
		defer e.watch(ctx)()
	}
	return e.mu.Lead(ctx, func(ctx context.Context) error {
		s, _ := holdfast.FromContext(ctx)
		e.term.Store(s)
		defer e.term.Store(nil)
		if end := e.ask.Load(); end != nil {
			(*end)() // Redis may not answer
		}
		select {
		case e.began <- struct{}{}:
		default:
		}
		return fn(ctx)
	}, opts...)
}

// IsLeader reports whether this Elector leads: its function runs, and its session holds the lock. It
// asks nobody. It is false before the lease can end, as the session's context is done by then, so
// never do two Electors of one lock say true at the same time; but see [holdfast] for what is not
// promised. It is true while a session drains.
func (e *Elector) IsLeader() bool { return e.leading() != nil }

func (e *Elector) leading() *holdfast.Session {
	if s := e.term.Load(); s != nil && s.Err() == nil {
		return s
	}
	return nil
}

// Leader asks Redis who leads. The error is [ErrNoLeader] if nobody does, or that of
// [holdfast.Mutex.Inspect]. ctx bounds the request. The answer may be out of date when it comes.
func (e *Elector) Leader(ctx context.Context) (Leader, error) {
	info, err := e.mu.Inspect(ctx)
	switch {
	case err != nil:
		return Leader{}, err
	case !info.Held, info.Kept: // released, and kept for the rest of its minimum hold
		return Leader{}, fmt.Errorf("election: %q: %w", e.mu.Name(), ErrNoLeader)
	}
	// Redis learns late of a fence that was made within the process.
	if s := e.leading(); s != nil && !info.Stranger && info.Fence <= s.Fence() {
		return self(s), nil
	}
	return Leader{Label: info.Label, Fence: info.Fence, Since: info.Since}, nil
}

// self is the leader whose session this is. A fence is the server's time, in microseconds.
func self(s *holdfast.Session) Leader {
	return Leader{Label: s.Label(), Fence: s.Fence(), Since: time.UnixMicro(s.Fence()).UTC(), Self: true}
}
