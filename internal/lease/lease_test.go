package lease

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/schedule"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what a lease sees of those above it. Its schedule never runs, as if the process stood
// still between the calls of a test.
type world struct {
	env                            Env
	lock                           Lock
	channel                        string
	epoch                          uint64
	notPassable, dropped, restOver int
}

func newWorld(t *testing.T) *world {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // no request is sent
	t.Cleanup(func() { _ = client.Close() })
	w := &world{channel: "channel", epoch: 1}
	c := clock.New(clock.Source{})
	w.env = Env{
		Clock: c, Store: store.New(client), Events: w,
		Sched:    schedule.New[*Lease](c, func(func()) {}, nil, nil),
		Channel:  func() (string, uint64) { return w.channel, w.epoch },
		Patience: func(string) time.Duration { return 200 * time.Millisecond },
	}
	w.lock = Lock{Env: &w.env, Name: "a"}
	return w
}

func (w *world) NotPassable(*Lease) { w.notPassable++ }
func (w *world) Dropped(*Lease)     { w.dropped++ }
func (w *world) RestOver(*Lease)    { w.restOver++ }

// hold is a Holder, and the Taker that makes it.
type hold struct {
	terms   *Terms
	fence   int64
	waited  bool
	max     time.Duration
	cause   error
	lost    int
	renewed int
	failed  int
}

func (h *hold) Terms() *Terms                                      { return h.terms }
func (h *hold) Take(_ *Lease, _ time.Duration, fence int64) Holder { h.fence = fence; return h }
func (h *hold) Ended() bool                                        { return h.cause != nil }
func (h *hold) KeepRenewing() bool                                 { return h.waited }
func (h *hold) Poll()                                              {}
func (h *hold) EndMaxHold()                                        { h.End(errMax) }
func (h *hold) Named(cause error) error                            { return cause }
func (h *hold) Lost(error)                                         { h.lost++ }
func (h *hold) Renewed(time.Duration)                              { h.renewed++ }
func (h *hold) NotRenewed(error, time.Duration)                    { h.failed++ }
func (h *hold) Until() time.Duration {
	if h.max == 0 || h.Ended() {
		return trust.Forever
	}
	return h.max
}
func (h *hold) End(cause error) {
	if h.cause == nil {
		h.cause = cause
	}
}

var errMax = errors.New("max")

func tenSeconds() *Terms { return &Terms{Terms: trust.Terms{TTL: 10 * time.Second}} }

// granted is a lease of ten seconds, asked for and granted now.
func (w *world) granted(h *hold) *Lease {
	now := w.env.Clock.Now()
	uid := uuid.New()
	id := store.NewID(w.lock.Keys(), uid.String(), "")
	return New(&w.lock, h, Grant{
		Reply: store.Reply{Status: store.Held, TTL: 10 * time.Second, Fence: 1000},
		Sent:  now, From: now, Now: now, UID: uid, ID: &id, HasChannel: true, Epoch: w.epoch,
	})
}

func held(ttl time.Duration) store.Reply { return store.Reply{Status: store.Held, TTL: ttl} }

// An answer that comes after the end of the lease changes nothing, though nobody has noticed the
// end so far: the code that runs under the lock may have been told that it is over.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(t), &hold{terms: tenSeconds()}
		l := w.granted(h)
		time.Sleep(5 * time.Second)
		requests, _ := l.Due(w.env.Clock.Now(), nil)
		if len(requests) != 1 || requests[0].Touch != 10*time.Second {
			t.Fatalf("%d requests are due", len(requests))
		}
		time.Sleep(l.ValidUntil() - w.env.Clock.Now())
		requests[0].Answer(w.env.Clock.Now(), held(10*time.Second), nil)
		if !errors.Is(h.cause, ErrExpired) || h.lost != 1 || h.renewed != 0 || w.dropped != 1 {
			t.Errorf("the holder ended by %v, told of %d losses and %d renewals", h.cause, h.lost, h.renewed)
		}
	})
}

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reply  store.Reply
		err    error
		cause  error
		failed int
	}{
		{"held", held(10 * time.Second), nil, nil, 0},
		{"gone", store.Reply{Status: store.Gone}, nil, ErrGone, 0},
		{"taken", store.Reply{Status: store.Taken}, nil, ErrTaken, 0},
		{"taken away", store.Reply{Status: store.Forced}, nil, ErrForceReleased, 0},
		{"an error", store.Reply{}, errors.New("refused"), nil, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newWorld(t), &hold{terms: tenSeconds()}
				l := w.granted(h)
				before := l.ValidUntil()
				time.Sleep(5 * time.Second)
				requests, next := l.Due(w.env.Clock.Now(), nil)
				if len(requests) != 1 || next <= w.env.Clock.Now() {
					t.Fatalf("%d requests are due, and then at %v", len(requests), next)
				}
				requests[0].Answer(w.env.Clock.Now(), tc.reply, tc.err)
				if h.cause != tc.cause || h.failed != tc.failed {
					t.Errorf("ended by %v, %d failures", h.cause, h.failed)
				}
				if more := l.ValidUntil() > before; more != (tc.name == "held") {
					t.Errorf("believed until %v, before %v", l.ValidUntil(), before)
				}
				if tc.cause == nil {
					return
				}
				if left, _, lost := l.Stop(); !errors.Is(lost, ErrLost) || left <= 0 || l.Kept() {
					t.Errorf("it stops with %v, %v left", lost, left)
				}
			})
		})
	}
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(t), &hold{terms: tenSeconds(), max: 2 * time.Second}
		l := w.granted(h)
		time.Sleep(2*time.Second - 1)
		if l.Look(); h.cause != nil {
			t.Errorf("ended by %v before its time", h.cause)
		}
		time.Sleep(time.Nanosecond)
		if l.Look(); h.cause != errMax {
			t.Errorf("the maximum hold ends it by %v", h.cause)
		}
		if l.Kept() {
			t.Error("it is kept though nobody waits for its functions")
		}
		h.waited = true
		if requests, next := l.Due(w.env.Clock.Now(), nil); !l.Kept() || next == 0 || len(requests) != 0 {
			t.Errorf("it is not kept for its functions: next %v", next)
		}
		time.Sleep(10 * time.Second)
		if l.Look(); h.lost != 1 {
			t.Error("it is not lost at its end")
		}
	})
}

func TestPass(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*world, *Lease, *hold, *hold) // of the lease, its holder, and the next one
		passes int
	}{
		{"nobody else waits", func(*world, *Lease, *hold, *hold) {}, 20},
		{"others wait", func(_ *world, l *Lease, _, _ *hold) { l.OthersWait() }, 8},
		{"others may wait", func(w *world, _ *Lease, _, _ *hold) { w.epoch += 2 }, 8},
		{"nobody would tell", func(w *world, _ *Lease, _, _ *hold) { w.channel = "" }, 8},
		{"others wait, for long", func(_ *world, l *Lease, _, _ *hold) { l.OthersWait(); time.Sleep(10 * time.Millisecond) }, 0},
		{"the token is known", func(_ *world, l *Lease, h, _ *hold) { l.KeepFrom(h) }, 0},
		{"the next has a token", func(_ *world, _ *Lease, _, next *hold) { next.terms.HasToken = true }, 0},
		{"the next has another TTL", func(_ *world, _ *Lease, _, next *hold) { next.terms.TTL++ }, 0},
		{"the next wants replicas", func(_ *world, l *Lease, _, next *hold) { l.terms.Replicas, next.terms.Replicas = 1, 1 }, 0},
		{"replicas have it", func(_ *world, l *Lease, _, next *hold) {
			l.terms.Replicas, next.terms.Replicas = 1, 1
			l.Replicated()
		}, 20},
		{"strangers' turn", func(_ *world, l *Lease, _, next *hold) {
			l.terms.TurnEvery, next.terms.TurnEvery = time.Second, time.Second
			time.Sleep(time.Second)
		}, 0},
		{"nearly over", func(_ *world, _ *Lease, _, _ *hold) { time.Sleep(9 * time.Second) }, 0},
		{"stopped", func(_ *world, l *Lease, _, _ *hold) { l.Stop() }, 0},
		{"lost", func(_ *world, l *Lease, _, _ *hold) { _ = l.Lose(ErrGone) }, 0},
		{"it may be shortened", func(w *world, l *Lease, h, _ *hold) { l.Expect(h, w.env.Clock.Now(), 9*time.Second, true) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h, next := newWorld(t), &hold{terms: tenSeconds()}, &hold{terms: tenSeconds()}
				l := w.granted(h)
				tc.change(w, l, h, next)
				var holder Holder = h
				passes, fence := 0, h.fence
				for range 20 {
					if l.Pass(holder, next, 1, Beside{}) == nil {
						break
					}
					if next.fence <= fence {
						t.Errorf("the fence %d follows %d", next.fence, fence)
					}
					if l.Pass(&hold{terms: tenSeconds()}, next, 1, Beside{}) != nil {
						t.Error("it is passed on by one who does not hold it")
					}
					passes, fence, holder = passes+1, next.fence, next
				}
				if passes != tc.passes {
					t.Errorf("it was passed on %d times, not %d", passes, tc.passes)
				}
			})
		})
	}
}

// A fence that was made here stays below what the server's clock gives for a later grant.
func TestPassedFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, next := newWorld(t), &hold{terms: tenSeconds()}, &hold{terms: tenSeconds()}
		l := w.granted(h)
		time.Sleep(time.Second)
		l.Pass(h, next, 1, Beside{})
		if want := int64(1000 + 980_000); next.fence != want {
			t.Errorf("after a second the fence is %d, not %d", next.fence, want)
		}
		if _, fence, _ := l.Stop(); fence != next.fence {
			t.Errorf("Redis is to be told the fence %d, not %d", fence, next.fence)
		}
	})
}

// TestPassBeside: a lease whose own grant was long ago is passed on by the clock of a newer grant, with a fence
// above that of every session beside it; and not at all if that clock can't have come that far.
func TestPassBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, next := newWorld(t), &hold{terms: tenSeconds()}, &hold{terms: tenSeconds()}
		l := w.granted(h)
		time.Sleep(time.Second)
		// The server's clock has gone on by a second, and this process's counts for 2% less.
		const fence = 1000 + 1_000_000
		newer := Reading{fence, w.env.Clock.Now()}
		time.Sleep(100 * time.Microsecond)
		if l.Pass(h, next, 1, Beside{Fence: fence}) != nil {
			t.Error("it is passed on, and nobody knows that the clock has come that far")
		}
		if l.Pass(h, next, 1, Beside{fence + 98, newer}) != nil {
			t.Error("it is passed on, and the fence is ahead of the clock")
		}
		if l.Pass(h, next, 1, Beside{fence + 97, newer}) == nil || next.fence != fence+98 {
			t.Errorf("by the newer grant the fence is %d, not %d", next.fence, fence+98)
		}
		if r := l.Reading(); !newer.Newer(r) || r.Newer(newer) || r.Newer(r) {
			t.Error("the other reading is the newer one")
		}
		l.KeepFrom(next)
		if l.Reading() != (Reading{}) {
			t.Error("a lease that is not passed on tells the clock")
		}
	})
}
