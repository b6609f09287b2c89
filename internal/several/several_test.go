package several

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hold is one that ends at a time of the clock, if somebody looks.
type hold struct {
	lease.Holder
	name  string
	until time.Duration
	ended atomic.Bool
}

func (h *hold) LookAt(now time.Duration) {
	if now >= h.until {
		h.ended.Store(true)
	}
}
func (h *hold) Ended() bool  { return h.ended.Load() }
func (h *hold) Cause() error { return fmt.Errorf("%s has ended", h.name) }
func (h *hold) Name() string { return h.name }
func (h *hold) Value(key any) (any, bool) {
	if key == "name" {
		return h.name, true
	}
	return nil, key == "ours"
}

var errReleased = errors.New("released")

type rig struct {
	All[*hold]
	now time.Duration
}

func newRig(parent context.Context, until ...time.Duration) *rig {
	r := &rig{}
	r.Init(parent, func() time.Duration { return r.now }, errReleased)
	for i, d := range until {
		r.Add(&hold{name: fmt.Sprint("hold", i), until: d})
	}
	return r
}

// TestFirst: the context ends when the first of them does, whichever that is, and each look finds it.
func TestFirst(t *testing.T) {
	for first := range 3 {
		until := []time.Duration{9, 9, 9}
		until[first] = 5
		r := newRig(context.Background(), until...)
		r.now = 4
		if err := r.Context().Err(); err != nil {
			t.Errorf("before: %v", err)
		}
		r.now = 5
		select {
		case <-r.Context().Done():
		default:
			t.Errorf("%d has ended, and the context not", first)
		}
		if err := r.Cause(); err == nil || err.Error() != fmt.Sprintf("hold%d has ended", first) || context.Cause(r.Context()) != err {
			t.Error(err)
		}
		if r.now = 9; r.Cause().Error() != fmt.Sprintf("hold%d has ended", first) {
			t.Errorf("later: %v", r.Cause())
		}
	}
}

// TestParentAndEnd: the first end counts.
func TestParentAndEnd(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	parent, cancel := context.WithCancelCause(context.Background())
	r := newRig(parent, 9)
	cancel(one)
	r.End(two)
	if err := r.Cause(); err != one {
		t.Error(err)
	}
	r = newRig(context.Background(), 9)
	r.End(two)
	r.End(one)
	if err := r.Cause(); err != two || r.Held()[0].Ended() {
		t.Error(err)
	}
}

// TestValues: the last that has a value answers, and then the parent.
func TestValues(t *testing.T) {
	type ours struct{}
	parent := context.WithValue(context.Background(), ours{}, "parent")
	none, two := newRig(parent), newRig(parent, 9, 9)
	if v := two.Context().Value("name"); v != "hold1" {
		t.Error(v)
	}
	for _, r := range []*rig{none, two} {
		if v := r.Context().Value(ours{}); v != "parent" {
			t.Error(v)
		}
	}
	if text := fmt.Sprint(two.Context()); text != `context of holdfast sessions of "hold0", "hold1"` || two.Parent() != parent {
		t.Error(text)
	}
}

// TestEach: all calls run at once; the errors are joined, and gather is told of each.
func TestEach(t *testing.T) {
	r := newRig(context.Background(), 9, 9, 9)
	var announced []string
	var done atomic.Int32
	meet := make(chan struct{}, 3)
	err := r.Each(func(h *hold) error {
		meet <- struct{}{}
		for len(meet) < 3 {
			time.Sleep(time.Millisecond)
		}
		if h.name == "hold1" {
			return nil
		}
		return h.Cause()
	}, func(names []string) func(string) {
		announced = names
		return func(string) { done.Add(1) }
	})
	if !slices.Equal(announced, []string{"hold0", "hold1", "hold2"}) || done.Load() != 3 {
		t.Errorf("%q were announced, %d are done", announced, done.Load())
	}
	if err == nil || err.Error() != "hold0 has ended\nhold2 has ended" {
		t.Error(err)
	}
}

// TestNames: the text names the first three, and the cause of the end of all has it.
func TestNames(t *testing.T) {
	r := newRig(context.Background(), 9, 9, 9, 9, 9)
	const want = `holdfast sessions of "hold0", "hold1", "hold2" and 2 more`
	if got := r.String(); got != want {
		t.Error(got)
	}
	r.End(errReleased)
	if err := r.Cause(); !errors.Is(err, errReleased) || err.Error() != want+": released" {
		t.Error(err)
	}
	r = newRig(context.Background(), 9, 9)
	if got := r.String(); got != `holdfast sessions of "hold0", "hold1"` {
		t.Error(got)
	}
}

// TestFind: each is found by its name, and no other.
func TestFind(t *testing.T) {
	r := newRig(context.Background(), 9, 9, 9)
	for _, h := range r.Held() {
		if got, found := r.Find(h.name); !found || got != h {
			t.Errorf("%s: %v, %v", h.name, got, found)
		}
	}
	for _, name := range []string{"", "hold", "hold00", "hold3"} {
		if got, found := r.Find(name); found || got != nil {
			t.Errorf("%q: %v", name, got)
		}
	}
}
