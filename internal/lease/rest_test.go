package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// rester is the Holder of a lease that rests.
type rester struct {
	hold
	until time.Duration
}

func (r *rester) Ended() bool          { return false }
func (r *rester) KeepRenewing() bool   { return true }
func (r *rester) Until() time.Duration { return r.until }

// letRest lets the lease of h rest, and returns its Holder meanwhile, nil if it may not.
func letRest(l *Lease, h Holder) (r *rester) {
	made := &rester{}
	made.terms = l.terms
	if l.Rest(h, func(until time.Duration) Holder { made.until = until; return made }) {
		return made
	}
	return nil
}

// TestRest: when a lease may rest, for how long, and that a call can have it then.
func TestRest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*world, *Lease, *hold)
		rests  time.Duration // 0: not at all
	}{
		{"nobody waits", func(*world, *Lease, *hold) {}, 3 * time.Second},
		{"others wait", func(_ *world, l *Lease, _ *hold) { l.OthersWait() }, 0},
		{"others may wait", func(w *world, _ *Lease, _ *hold) { w.epoch += 2 }, 0},
		{"nobody would tell", func(w *world, _ *Lease, _ *hold) { w.channel = "" }, 0},
		{"Redis does not know the channel", func(_ *world, l *Lease, _ *hold) { l.hasChannel.Store(false) }, 0},
		{"the token is known", func(_ *world, l *Lease, h *hold) { l.KeepFrom(h) }, 0},
		{"too few replicas have it", func(_ *world, l *Lease, _ *hold) { l.terms.Replicas = 1 }, 0},
		{"replicas have it", func(_ *world, l *Lease, _ *hold) { l.terms.Replicas = 1; l.Replicated() }, 3 * time.Second},
		{"strangers' turn is near", func(_ *world, l *Lease, _ *hold) { l.terms.TurnEvery = 2 * time.Second; time.Sleep(time.Second) }, time.Second},
		{"strangers' turn", func(_ *world, l *Lease, _ *hold) { l.terms.TurnEvery = time.Second; time.Sleep(time.Second) }, 0},
		{"nearly over", func(*world, *Lease, *hold) { time.Sleep(9 * time.Second) }, 0},
		{"stopped", func(_ *world, l *Lease, _ *hold) { l.Stop() }, 0},
		{"lost", func(_ *world, l *Lease, _ *hold) { _ = l.Lose(ErrGone) }, 0},
		{"it may be shortened", func(w *world, l *Lease, h *hold) { l.Expect(h, w.env.Clock.Now(), 9*time.Second, true) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				terms := tenSeconds()
				terms.Linger = 3 * time.Second
				w, h, next := newWorld(t), &hold{terms: terms}, &hold{terms: terms}
				l := w.granted(h)
				tc.change(w, l, h)
				if letRest(l, next) != nil {
					t.Error("it rests by one who does not hold it")
				}
				r := letRest(l, h)
				if (r != nil) != (tc.rests > 0) {
					t.Fatalf("it rests: %v", r != nil)
				}
				if r == nil {
					return
				}
				if left := r.until - w.env.Clock.Now(); left != tc.rests || l.InUse() || !l.Kept() {
					t.Errorf("it rests for %v, in use: %v, kept: %v", left, l.InUse(), l.Kept())
				}
				fence := h.fence
				if l.Pass(h, next, 0, Beside{}) != nil || l.Pass(r, next, 0, Beside{}) == nil || next.fence <= fence || !l.InUse() {
					t.Errorf("the fence %d follows %d, in use: %v", next.fence, fence, l.InUse())
				}
				if l.EndRest() {
					t.Error("its rest is ended although it is in use")
				}
			})
		})
	}
}

// TestRestEnds: a lease whose rest has ended is nobody's, and it ends once; when others wait, or its time is
// over, that is reported; and so does nobody who had the lease hear of its loss.
func TestRestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		terms := tenSeconds()
		terms.Linger = 3 * time.Second
		w, h := newWorld(t), &hold{terms: terms}
		l := w.granted(h)
		r := letRest(l, h)
		l.Others(false, w.epoch, 0)
		if w.restOver != 0 {
			t.Error("it may rest no longer, though nobody waits")
		}
		if l.Others(true, w.epoch, 0); w.restOver != 1 {
			t.Error("others wait, and it rests on")
		}
		time.Sleep(3 * time.Second)
		if l.Look(); r.cause != errMax {
			t.Error("its time is over, and it rests on")
		}
		time.Sleep(2 * time.Second)
		if requests, _ := l.Due(w.env.Clock.Now(), nil); len(requests) != 1 || requests[0].Call == nil {
			t.Errorf("%+v: a renewal that can't tell whether others wait", requests)
		}
		if !l.EndRest() || l.EndRest() || l.Pass(r, h, 0, Beside{}) != nil || l.Kept() {
			t.Error("it ends once, and then nobody has it")
		}
		l = w.granted(h)
		r = letRest(l, h)
		_ = l.Answered(0, 0, w.env.Clock.Now(), store.Reply{Status: store.Gone})
		if h.lost != 0 || r.lost != 1 || w.dropped != 1 || l.EndRest() {
			t.Errorf("lost %d and %d times, dropped %d times", h.lost, r.lost, w.dropped)
		}
	})
}
