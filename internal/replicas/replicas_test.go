package replicas

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/trust"
)

func TestMain(m *testing.M) { locktest.Main(m) }

var errStop = errors.New("stop")

// rig is a Counter on a fake Redis.
type rig struct {
	*Counter
	t     *testing.T
	env   lease.Env
	fake  *redistest.Fake
	link  *redistest.FakeLink
	tasks task.Group
	// wait answers WAIT: how many replicas have it, or what error.
	wait func() (have int, failure string)
	// How often WAIT was called, and how many calls there were at one time.
	waits, now, most atomic.Int32
}

func onFake(t *testing.T, test func(t *testing.T, r *rig), opts ...func(*redis.Options)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		r := &rig{t: t, fake: redistest.NewFake(t)}
		r.link = r.fake.NewLink()
		r.fake.M.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
			if cmd != "WAIT" {
				return false
			}
			r.waits.Add(1)
			r.most.Store(max(r.most.Load(), r.now.Add(1)))
			have, failure := r.wait()
			if r.now.Add(-1); failure != "" {
				c.WriteError(failure)
			} else {
				c.WriteInt(have)
			}
			return true
		})
		st, c := store.New(r.link.Client(opts...)), clock.New(clock.System())
		r.Counter = New(st, &r.tasks, c.Now)
		r.env = lease.Env{
			Clock: c, Store: st, Sched: schedule.New[*lease.Lease](c, func(func()) {}, nil, nil), Events: r,
			Channel:  func() (string, uint64) { return "channel", 1 },
			Patience: func(string) time.Duration { return time.Second },
		}
		test(t, r)
		r.tasks.Wait()
		if n := len(r.room); n > 0 {
			t.Errorf("%d tries are left when all tasks have ended", n)
		}
		st.Close()
	})
}

func (r *rig) NotPassable(*lease.Lease) {}
func (r *rig) Dropped(*lease.Lease)     {}
func (r *rig) RestOver(*lease.Lease)    {}

// have is a wait by which that many replicas are found after some time.
func (r *rig) have(n int, after time.Duration) {
	r.wait = func() (int, string) { time.Sleep(after); return n, "" }
}

// hold is a Holder, and the Taker that makes it.
type hold struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	terms lease.Terms
}

func (h *hold) Terms() *lease.Terms                                  { return &h.terms }
func (h *hold) Take(*lease.Lease, time.Duration, int64) lease.Holder { return h }
func (h *hold) Ended() bool                                          { return h.ctx.Err() != nil }
func (h *hold) Until() time.Duration                                 { return trust.Forever }
func (h *hold) KeepRenewing() bool                                   { return false }
func (h *hold) Poll()                                                {}
func (h *hold) EndMaxHold()                                          {}
func (h *hold) Named(cause error) error                              { return cause }
func (h *hold) Lost(error)                                           {}
func (h *hold) Renewed(time.Duration)                                {}
func (h *hold) NotRenewed(error, time.Duration)                      {}
func (h *hold) End(cause error)                                      { h.end(cause) }

// holds returns a lease that is in Redis, and its Holder.
func (r *rig) holds(name string) (*lease.Lease, *hold) {
	r.t.Helper()
	h := &hold{terms: lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}, Replicas: 2}}
	h.ctx, h.end = context.WithCancelCause(context.Background())
	lock, uid := &lease.Lock{Env: &r.env, Name: name}, uuid.New()
	id, sent := store.NewID(lock.Keys(), uid.String(), ""), r.Counter.now()
	call := r.env.Store.Acquire(store.Attempt{ID: id, TTL: h.terms.TTL}, false)
	r.env.Store.Do(context.Background(), &call)
	if call.Err != nil || call.Reply.Status != store.Held {
		r.t.Fatalf("%s: %+v, %v", name, call.Reply, call.Err)
	}
	return lease.New(lock, h, lease.Grant{
		Reply: call.Reply, Sent: sent, Now: r.Counter.now(), UID: uid, ID: &id, HasChannel: true, Epoch: 1,
	}), h
}

func (r *rig) count(l *lease.Lease, h *hold, limit time.Duration) error {
	return r.Wait(h.ctx, context.Background(), l, h, &h.terms, limit)
}

// passable reports whether the lease may be passed on, as only one may that enough replicas have.
func passable(l *lease.Lease, h *hold) bool {
	next := &hold{ctx: h.ctx, end: h.end, terms: h.terms}
	return l.Pass(h, next, 1, lease.Beside{}) != nil
}

func TestWait(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wait  func(r *rig)
		limit time.Duration
		want  string        // what the error says; empty: there is none
		took  time.Duration // at most
		waits int32         // at least
	}{
		{"enough", func(r *rig) { r.have(2, 0) }, time.Second, "", 0, 1},
		{"more than enough", func(r *rig) { r.have(3, 0) }, time.Second, "", 0, 1},
		{"enough at the second try", func(r *rig) {
			r.wait = func() (int, string) { time.Sleep(maxWait); return int(r.waits.Load()), "" }
		}, 2 * time.Second, "", 2*maxWait + 2*trust.MinGap, 2},
		{"too few", func(r *rig) { r.have(1, maxWait) }, 2 * time.Second, "1 of 2 have it after 2s", 2*time.Second + maxWait, 3},
		{"none", func(r *rig) { r.have(0, maxWait) }, time.Millisecond, "0 of 2 have it after 1ms", maxWait, 1},
		{"refused", func(r *rig) {
			r.wait = func() (int, string) { return 0, "NOPERM you may not wait" }
		}, time.Second, "NOPERM you may not wait", 0, 1},
		{"an error that passes", func(r *rig) {
			r.wait = func() (int, string) {
				if r.waits.Load() == 1 {
					return 0, "LOADING Redis is loading"
				}
				return 2, ""
			}
		}, time.Second, "", 2 * trust.MinGap, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				tc.wait(r)
				l, h := r.holds("a")
				began := time.Now()
				err := r.count(l, h, tc.limit)
				if took := time.Since(began); took > tc.took || tc.want != "" && tc.took > tc.limit && took < tc.limit-trust.MinGap {
					t.Errorf("it took %v", took)
				}
				if n := r.waits.Load(); n < tc.waits {
					t.Errorf("it asked %d times", n)
				}
				switch {
				case tc.want == "":
					if err != nil {
						t.Errorf("it ends with %v", err)
					}
				case !errors.Is(err, ErrTooFew), !strings.Contains(err.Error(), tc.want):
					t.Errorf("it ends with %v", err)
				}
				if passable(l, h) != (tc.want == "") {
					t.Error("whether the lease may be passed on does not fit")
				}
				if h.ctx.Err() != nil {
					t.Errorf("the session has ended: %v", context.Cause(h.ctx))
				}
			})
		})
	}
}

// A session that ends meanwhile waits no longer, and is told why it has ended.
func TestWaitEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		wait func(r *rig, l *lease.Lease, h *hold)
		want error
		took time.Duration
	}{
		{"before", func(_ *rig, _ *lease.Lease, h *hold) { h.end(errStop) }, errStop, 0},
		{"while replicas are waited for", func(r *rig, _ *lease.Lease, h *hold) {
			r.have(0, maxWait)
			time.AfterFunc(100*time.Millisecond, func() { h.end(errStop) })
		}, errStop, 100 * time.Millisecond},
		{"between two tries", func(r *rig, _ *lease.Lease, h *hold) {
			r.have(0, 0)
			time.AfterFunc(105*time.Millisecond, func() { h.end(errStop) })
		}, errStop, 105 * time.Millisecond},
		{"no answer comes", func(r *rig, _ *lease.Lease, h *hold) {
			r.have(2, 0)
			r.link.HoldReplies()
			time.AfterFunc(100*time.Millisecond, func() { h.end(errStop) })
		}, errStop, 100 * time.Millisecond},
		{"the key is gone", func(r *rig, _ *lease.Lease, _ *hold) {
			r.have(2, 0)
			r.fake.M.Del("a")
		}, lease.ErrGone, 0},
		{"it is given back", func(r *rig, l *lease.Lease, h *hold) {
			r.have(2, 0)
			l.Stop()
			time.AfterFunc(100*time.Millisecond, func() { h.end(errStop) })
		}, errStop, 100 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				r.have(2, 0)
				l, h := r.holds("a")
				tc.wait(r, l, h)
				began := time.Now()
				err := r.count(l, h, 5*time.Second)
				if took := time.Since(began); err != tc.want || took != tc.took {
					t.Errorf("after %v it ends with %v", took, err)
				}
				if passable(l, h) {
					t.Error("the lease may be passed on")
				}
			})
		})
	}
}

// Few of the connections are in use for this, however many wait. One who gave up while it waited for
// its turn has used none.
func TestWaitRoom(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		const room, waiting = 2, 6
		r.have(0, maxWait)
		errs := make(chan error)
		holds := make([]*hold, waiting)
		for i := range holds {
			var l *lease.Lease
			l, holds[i] = r.holds(string(rune('a' + i)))
			go func() { errs <- r.count(l, holds[i], maxWait) }()
		}
		synctest.Wait()
		if n := r.now.Load(); n != room {
			t.Errorf("%d ask at once, not %d", n, room)
		}
		for _, h := range holds {
			h.end(errStop)
		}
		for range waiting {
			if err := <-errs; err != errStop {
				t.Errorf("it ends with %v", err)
			}
		}
		r.tasks.Wait()
		if n, most := r.waits.Load(), r.most.Load(); n != room || most != room {
			t.Errorf("%d asked, %d at once", n, most)
		}
		r.have(2, 0)
		l, h := r.holds("z")
		if err := r.count(l, h, time.Second); err != nil {
			t.Errorf("the room is not free again: %v", err)
		}
	}, func(o *redis.Options) { o.PoolSize = 16 })
}
