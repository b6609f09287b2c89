package send

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/backoff"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

// Config is what a Sender works with.
type Config struct {
	// Backend sends by the client's connections. If it is an [Inliner] too, lone requests are sent
	// inline.
	Backend store.Backend
	// Aside sends by other connections: copies of requests that have no answer.
	Aside store.Backend
	// Connections is how many the client keeps to a server; 0 if that is not known. Batches leave a
	// quarter of them to others, such as renewals.
	Connections int
	// MaxAside is how many batches are under way by Aside to one server, at most; 0 if Aside has no
	// connections of its own.
	MaxAside int
	// NoAnswer makes the error of a request that has had no answer for that long.
	NoAnswer func(took time.Duration) error
	// Sent is told of each round trip, and for how many locks it was; may be nil.
	Sent func(locks int, took time.Duration)
	// Tasks joins what the Sender starts.
	Tasks *task.Group
	Clock *clock.Clock
}

// Inliner is a Backend by which a caller can send a request without waiting long for its answer.
type Inliner interface {
	// CanInline reports whether DoInline can be used.
	CanInline() bool
	// DoInline makes a call, and waits no longer than d for its answer: false if none came.
	DoInline(ctx context.Context, d time.Duration, call *store.Call) (answered bool)
}

// MovingPause is the longest pause before a request is sent again while a slot migrates. A lock's
// keys are at two nodes for a moment only, and if slots migrate one after the other, the moment in
// which they are together is short.
const MovingPause = 50 * time.Millisecond

const (
	// leastPause is the shortest pause before a request is sent again that Redis has refused.
	// The last try has as much time for its answer.
	leastPause = 10 * time.Millisecond
	mostPause  = time.Second
)

// Sender sends requests. It is safe for concurrent use.
type Sender struct {
	conf     Config
	inliner  Inliner // nil if there is none
	most     int     // batches under way to one server, by the client's connections
	mu       sync.Mutex
	batchers map[target]*batcher

	batches, inline sharedContext
	requests        sync.Pool // that were answered
	repeating       atomic.Int64
	timers          sync.Pool // that are not set
}

// New makes a Sender. It starts no goroutine.
func New(conf Config) *Sender {
	s := &Sender{conf: conf, most: maxBatches, batchers: make(map[target]*batcher)}
	if conf.Sent == nil {
		s.conf.Sent = func(int, time.Duration) {}
	}
	if conf.Connections > 0 {
		s.most = min(max(conf.Connections*3/4, 1), maxBatches)
	}
	s.inliner, _ = conf.Backend.(Inliner)
	s.batches.length = CleanupTime
	s.inline.length = inlineTime * 4 / 5 // a sharedContext lasts up to a quarter longer
	s.requests.New = func() any { return &request{answered: make(chan *request, 1)} }
	s.timers.New = func() any { return time.NewTimer(clock.Forever) }
	return s
}

// target is where a batcher sends requests, and by which connections.
type target struct {
	server string // the backend's name of it
	aside  bool
}

func (s *Sender) batcher(server string, aside bool) *batcher {
	to := target{server, aside}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batchers[to]
	if b == nil {
		b = &batcher{s: s, target: to, backend: s.conf.Backend, most: s.most}
		if aside {
			b.backend = s.conf.Aside
			if s.conf.MaxAside > 0 {
				b.most = s.conf.MaxAside
			}
		}
		s.batchers[to] = b
	}
	return b
}

// Patience is how long to wait for an answer about that lock until the same is asked again.
func (s *Sender) Patience(name string) time.Duration {
	return s.batcher(s.conf.Backend.Server(name), false).patience()
}

// Ask sends a request and returns its answer, or ctx's cause if ctx is done before. The request
// must do no harm if it runs twice. While the lock's slot migrates it is sent again.
func (s *Sender) Ask(ctx context.Context, call store.Call) (store.Reply, error) {
	return s.ask(ctx, call, maxCopies)
}

// AskWhile is Ask, and while the lock's slot migrates it is sent again for as long as wanted says so.
func (s *Sender) AskWhile(ctx context.Context, call store.Call, wanted func() bool) (store.Reply, error) {
	var last error
	for {
		r, err := s.Ask(ctx, call)
		if !store.Moving(err) || ctx.Err() != nil || !wanted() {
			return r, withLast(ctx, err, last)
		}
		last = err
	}
}

// withLast adds to an error by which ctx ended a request why it had to be sent again.
func withLast(ctx context.Context, err, last error) error {
	if err == nil || last == nil || ctx.Err() == nil || store.Moving(err) {
		return err
	}
	return errors.Join(err, last)
}

// AskOnce is Ask for a request that must not run twice. It is sent again only after Redis has said
// that it did not run.
func (s *Sender) AskOnce(ctx context.Context, call store.Call) (store.Reply, error) {
	return s.ask(ctx, call, 0)
}

func (s *Sender) ask(ctx context.Context, call store.Call, copies int) (store.Reply, error) {
	end := s.conf.Clock.Now() + CleanupTime
	pauses := backoff.Pauses{Least: leastPause, Most: MovingPause}
	var last error
	for {
		f := s.Prepare(ctx, call)
		f.copies = copies
		f.Send(false)
		r, err := f.Await()
		if !store.Moving(err) {
			return r, withLast(ctx, err, last)
		}
		last = err
		pause := pauses.Next()
		if end-s.conf.Clock.Now() <= pause+leastPause {
			return r, err
		}
		if !backoff.Sleep(ctx, pause) {
			return r, errors.Join(context.Cause(ctx), err)
		}
	}
}

// UntilAnswered sends a request until the server has answered or the time is up, also if ctx has
// ended. It reports whether a request other than the one that was answered may have run. call makes
// the request, and is told how the try before failed, if it did.
//
// A silent connection must not use up all the time, and a slow server must not be given up: so
// copies are sent, and the first answer counts.
func (s *Sender) UntilAnswered(ctx context.Context, limit time.Duration, call func(last error) store.Call) (r store.Reply, inDoubt bool, err error) {
	began := s.conf.Clock.Now()
	end := began + limit
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	f := s.Prepare(ctx, store.Call{})
	pauses := backoff.Pauses{Least: leastPause}
	for {
		f.call = call(err)
		f.Send(true)
		f.copies = maxCopies // for as long as it takes
		got, event := f.next(end, Events{})
		if event == Due {
			if now := s.conf.Clock.Now(); now >= end {
				return store.Reply{}, f.Drop() || inDoubt, s.conf.NoAnswer(now - began)
			}
			continue
		}
		r, err = got.Reply, got.Err
		inDoubt, f.gap, f.due = inDoubt || got.InDoubt, 0, 0
		if err == nil || !store.Transient(err) {
			return r, f.Drop() || inDoubt, err
		}
		if pauses.Most = mostPause; store.Moving(err) {
			pauses.Most = MovingPause
		}
		pause := pauses.Next()
		// Without time for its answer, what a try is told would be lost.
		if end-s.conf.Clock.Now() <= pause+leastPause {
			return r, f.Drop() || inDoubt, err
		}
		time.Sleep(pause)
	}
}

// CauseOf returns the cause of ctx's end in the place of its Err, which is all that go-redis
// reports if it looked at ctx first. Other errors it returns as they are.
func CauseOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && store.EndedBy(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}
