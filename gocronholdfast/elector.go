package gocronholdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/go-co-op/gocron/v2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
	"github.com/holdfast-go/holdfast/internal/tick"
)

// ErrNotLeader: another leads, or nobody does. [Elector.IsLeader] returns it.
var ErrNotLeader = errors.New("not the leader")

// Elector is a [gocron.Elector]: the schedulers of one machine run their jobs, those of the others
// wait until they lead. It is safe for concurrent use, and may serve several schedulers that have
// different jobs.
type Elector struct {
	who    *election.Elector
	name   string
	term   atomic.Pointer[holdfast.Session] // while this machine leads
	cancel context.CancelFunc
	ended  chan struct{} // closed when the campaign has ended
	err    error         // that has ended it for good, when ended is closed; else nil
}

var _ gocron.Elector = (*Elector)(nil)

// StartElector begins to campaign for a lock, and goes on until Close. The configuration says how to
// report who leads; the zero value is ready for use. What is wrong with the lock is refused at once.
// That a campaign has ended for good is logged at Error to slog.Default.
func StartElector(mu *holdfast.Mutex, conf election.Config) (*Elector, error) {
	if err := mu.Err(); err != nil {
		return nil, fmt.Errorf("gocronholdfast: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Elector{who: election.New(mu, conf), name: mu.Name(), cancel: cancel, ended: make(chan struct{})}
	go func() { // ends with the campaign, by Close, which waits for it
		defer close(e.ended)
		err := e.who.Run(ctx, e.lead)
		if ctx.Err() == nil {
			e.err = fmt.Errorf("gocronholdfast: the campaign has ended: %w", err)
			slog.Error("gocronholdfast: this machine will not lead any more", "lock", e.name, "error", err)
		}
	}()
	return e, nil
}

// lead is one term.
func (e *Elector) lead(ctx context.Context) error {
	s, _ := holdfast.FromContext(ctx)
	e.term.Store(s)
	defer e.term.Store(nil)
	<-s.Draining() // with WithDrain that comes before the end of ctx: no tick shall begin after it
	return nil
}

// leading returns the session of the term; nil if this machine does not lead.
func (e *Elector) leading() *holdfast.Session {
	if s := e.term.Load(); s != nil && s.Err() == nil {
		return s
	}
	return nil
}

// IsLeader returns nil if this machine leads. It asks nobody, and does not use its context. Never does
// it return nil on two machines at the same time; but see [holdfast] for what is not promised. The
// error is an [ErrNotLeader], or what has ended the campaign for good.
func (e *Elector) IsLeader(context.Context) error {
	if e.leading() != nil {
		return nil
	}
	select {
	case <-e.ended:
		if e.err != nil {
			return e.err
		}
	default:
	}
	return fmt.Errorf("gocronholdfast: lock %q: %w", e.name, ErrNotLeader)
}

// Leader asks Redis who leads: see [election.Elector.Leader].
func (e *Elector) Leader(ctx context.Context) (election.Leader, error) { return e.who.Leader(ctx) }

// Close ends the campaign, and resigns if this machine leads: the contexts of the tasks that run are
// done, and when their functions have returned another can lead. Call it after Scheduler.Shutdown. It
// returns what has ended the campaign earlier, or nil, and may be called again.
func (e *Elector) Close() error {
	e.cancel()
	<-e.ended
	return e.err
}

// Task returns a task for a scheduler that has this Elector. The context of fn is done when the
// leadership is lost, before another can have it, at Close, and when the scheduler is shut down or the
// job removed; [holdfast.FromContext] returns the session of the term. If the leadership is lost while
// fn runs, that is in the error of the job, too. Until fn has returned this machine does not resign.
// fn is not called if this machine does not lead any more.
func (e *Elector) Task(fn func(ctx context.Context) error) gocron.Task {
	return gocron.NewTask(func(ctx context.Context) error {
		s := e.leading()
		if s == nil {
			return fmt.Errorf("gocronholdfast: run a job under lock %q: %w", e.name, ErrNotLeader)
		}
		over := make(chan struct{})
		group, _ := s.Group()
		defer func() { close(over); _ = group.Wait() }() // without Wait the session would keep the group's context
		group.Go(func() error { <-over; return nil })    // ends with the task; the session's release waits for it
		ctx, forget := tick.Within(ctx, s)
		defer forget()
		return tick.Do(ctx, s, fn) // in this goroutine: gocron may recover from a panic
	})
}
