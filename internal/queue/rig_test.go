package queue

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/trust"
)

func TestMain(m *testing.M) { locktest.Main(m) }

var (
	errShut     = errors.New("the Locker is closed")
	errStop     = errors.New("stop")
	errReleased = errors.New("released")
)

// rig is the Queues of one process and what they work with. Nobody renews its leases.
type rig struct {
	t     *testing.T
	qs    *Queues
	env   lease.Env
	link  *redistest.FakeLink // nil if there is no Redis
	tasks task.Group
	close context.CancelCauseFunc
	locks map[string]*lease.Lock
}

// onFake runs a test of processes that share a fake Redis, on fake time.
func onFake(t *testing.T, test func(t *testing.T, f *redistest.Fake, process func() *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		f := redistest.NewFake(t)
		test(t, f, func() *rig {
			link := f.NewLink()
			r := newRig(t, link.Client(), true)
			r.link = link
			r.qs.Notify.Start()
			synctest.Wait()
			return r
		})
	})
}

// alone runs a test of a process without Redis, whose schedule stands still.
func alone(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // no request is sent
		t.Cleanup(func() { _ = client.Close() })
		r := newRig(t, client, false)
		r.env.Channel = func() (string, uint64) { return "channel", 1 }
		test(t, r)
	})
}

func newRig(t *testing.T, client *redis.Client, runs bool) *rig {
	r := &rig{t: t, locks: make(map[string]*lease.Lock)}
	var ctx context.Context
	ctx, r.close = context.WithCancelCause(context.Background())
	st, c := store.New(client), clock.New(clock.System())
	sender := send.New(send.Config{
		Backend: backend{st, r}, Aside: st.Aside(), Connections: st.Connections(), MaxAside: 2,
		NoAnswer: st.NoAnswer, Tasks: &r.tasks, Clock: c,
	})
	sub := notify.New(ctx, notify.Config{
		Connect:    func(ctx context.Context, channel string) notify.Connection { return st.Subscribe(ctx, channel) },
		KeyChannel: st.KeyChannel, Broken: st.RefreshTopology, Sink: r, Tasks: &r.tasks, Clock: c,
	})
	r.qs = New(Config{Store: st, Send: sender, Notify: sub, Tasks: &r.tasks, Closed: ctx, Now: c.Now})
	spawn := r.tasks.Go
	if !runs {
		spawn = func(func()) {}
	}
	r.env = lease.Env{
		Clock: c, Store: st, Sched: schedule.New[*lease.Lease](c, spawn, ctx.Done(), r), Events: r.qs,
		Channel: sub.Channel, Patience: sender.Patience,
	}
	t.Cleanup(func() {
		r.shut()
		r.tasks.Wait()
		st.Close()
	})
	return r
}

// shut does what a Locker does that is closed, but waits for nothing.
func (r *rig) shut() {
	r.close(errShut)
	r.qs.Wake()
	r.env.Sched.Stop()
}

func (r *rig) Message(text string) { r.qs.Message(text) }
func (r *rig) Poke(name string)    { r.qs.Poke(name) }

func (r *rig) Tick(l *lease.Lease, now time.Duration) time.Duration {
	_, next := l.Due(now, nil)
	return next
}
func (r *rig) Ticked()               {}
func (r *rig) Closed(l *lease.Lease) { l.End(errShut) }

// unlocked fails the test if it is called with the mutex of Queues held.
func (r *rig) unlocked(what string) {
	for range 1_000_000 {
		if r.qs.mu.TryLock() {
			r.qs.mu.Unlock()
			return
		}
		runtime.Gosched() // another goroutine may have it
	}
	r.t.Errorf("%s with the mutex of Queues held", what)
}

// backend is what a Sender sends by.
type backend struct {
	*store.Store
	r *rig
}

func (b backend) Do(ctx context.Context, calls ...*store.Call) {
	b.r.unlocked("a request is sent")
	b.Store.Do(ctx, calls...)
}

func (b backend) DoInline(ctx context.Context, d time.Duration, call *store.Call) bool {
	b.r.unlocked("a request is sent inline")
	return b.Store.DoInline(ctx, d, call)
}

// parent is a caller's context.
type parent struct {
	context.Context
	r *rig
}

func (p parent) Err() error { p.r.unlocked("a context is looked at"); return p.Context.Err() }
func (p parent) Done() <-chan struct{} {
	p.r.unlocked("a context is waited for")
	return p.Context.Done()
}

// call is a Taker, and its Waiter.
type call struct {
	Waiter
	r       *rig
	terms   lease.Terms
	stop    context.CancelCauseFunc
	taking  func() // called by Take; may be nil
	persist bool   // it was told that the lock has no expiry
}

// call returns a call for the lock with a TTL of ten seconds.
func (r *rig) call(name string) *call {
	c := &call{r: r, terms: lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}}}
	c.Init(c)
	if r.locks[name] == nil {
		r.locks[name] = &lease.Lock{Env: &r.env, Name: name}
	}
	var ctx context.Context
	ctx, c.stop = context.WithCancelCause(context.Background())
	r.t.Cleanup(func() { c.stop(nil) })
	c.Lock, c.Ctx, c.Retry = r.locks[name], parent{ctx, r}, 100*time.Millisecond
	return c
}

func (c *call) limit(d time.Duration) *call { c.Limited, c.Limit = true, d; return c }

func (c *call) Terms() *lease.Terms { return &c.terms }
func (c *call) NoExpiry()           { c.persist = true }
func (c *call) Take(l *lease.Lease, _ time.Duration, fence int64) lease.Holder {
	if c.taking != nil {
		c.taking()
	}
	return &session{r: c.r, lease: l, fence: fence}
}

// session is a Holder.
type session struct {
	r     *rig
	lease *lease.Lease
	fence int64
	ended atomic.Bool
	once  sync.Once
	cause error
}

func (s *session) Ended() bool                     { return s.ended.Load() }
func (s *session) Until() time.Duration            { return trust.Forever }
func (s *session) KeepRenewing() bool              { return false }
func (s *session) Poll()                           { s.r.unlocked("a Holder is polled") }
func (s *session) EndMaxHold()                     {}
func (s *session) Named(cause error) error         { return cause }
func (s *session) Lost(error)                      { s.r.unlocked("a Holder is told of a loss") }
func (s *session) Renewed(time.Duration)           {}
func (s *session) NotRenewed(error, time.Duration) {}
func (s *session) End(cause error) {
	s.r.unlocked("a Holder is ended")
	s.once.Do(func() { s.cause = cause; s.ended.Store(true) })
}

// result is what came of a call.
type result struct {
	c    *call
	h    lease.Holder
	err  error
	took time.Duration
}

// wait has calls wait, in order, each in a goroutine of its own.
func (r *rig) wait(calls ...*call) <-chan result {
	results := make(chan result, len(calls))
	for _, c := range calls {
		began := time.Now()
		go func() {
			h, err := r.qs.Wait(&c.Waiter)
			results <- result{c, h, err, time.Since(began)}
		}()
		synctest.Wait()
	}
	return results
}

// hold waits for the lock, and must get it.
func (r *rig) hold(name string) *session {
	r.t.Helper()
	return r.has(r.call(name))
}

// has waits for what a call wants, which must get it.
func (r *rig) has(c *call) *session {
	r.t.Helper()
	h, err := r.qs.Wait(&c.Waiter)
	if err != nil {
		r.t.Fatal(err)
	}
	return h.(*session)
}

// release gives back what the session has, as the session of a Locker does.
func (s *session) release() {
	r, l := s.r, s.lease
	passed, wanted := r.qs.Pass(l, s)
	s.End(errReleased)
	if passed {
		return
	}
	_, fence, _ := l.Stop()
	var next *Attempt
	if wanted {
		next = r.qs.Successor(l)
	}
	sent := r.qs.Now()
	release := l.Release(fence, next.Request())
	got, inDoubt, err := r.qs.Send.UntilAnswered(context.Background(), time.Second, func(last error) store.Call {
		return release.Try(last, 0)
	})
	r.qs.Released(l, next, sent, got, inDoubt, err)
}

// inspect asks Redis who has the lock, and how many wait there.
func (r *rig) inspect(name string) (status store.Status, waiting int64) {
	r.t.Helper()
	got, err := r.qs.Send.Ask(context.Background(), r.qs.Store.Inspect(store.NewLock(store.Mutex, name)))
	if err != nil {
		r.t.Fatal(err)
	}
	return got.Status, got.Place
}
