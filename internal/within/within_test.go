package within_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/within"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type locker struct{ _ byte }

// hold is a context that is derived from another.
type hold struct {
	context.Context
	locker *locker
	name   string
	asked  *[]any // for which keys the context was asked that this is derived from
}

func (h *hold) Value(key any) any {
	value, ours := within.Value(key, h, h.locker, h.name)
	if value == nil && !ours {
		*h.asked = append(*h.asked, key)
	}
	if value != nil {
		return value
	}
	return h.Context.Value(key)
}

type key struct{}

// TestWithin: of holds within each other, a context finds the one that is asked for.
func TestWithin(t *testing.T) {
	one, two := new(locker), new(locker)
	var asked []any
	derive := func(ctx context.Context, l *locker, name string) *hold {
		return &hold{context.WithValue(ctx, key{}, name), l, name, &asked}
	}
	none := context.WithValue(t.Context(), key{}, "none")
	outer := derive(none, one, "a")
	middle := derive(outer, one, "b")
	again := derive(middle, one, "a")
	ctx, cancel := context.WithCancel(again)
	defer cancel()
	asked = nil // package context has asked for a key of its own

	for name, c := range map[string]struct {
		got, want *hold
	}{
		"the innermost":                     {within.Innermost[hold](ctx), again},
		"the innermost of the middle":       {within.Innermost[hold](middle), middle},
		"the innermost of none":             {within.Innermost[hold](none), nil},
		"that of a lock held twice":         {within.Of[hold](ctx, one, "a"), again},
		"that of a lock held outside":       {within.Of[hold](ctx, one, "b"), middle},
		"the outer one of the same lock":    {within.Of[hold](middle, one, "a"), outer},
		"that of a lock held inside only":   {within.Of[hold](outer, one, "b"), nil},
		"another locker's of the same name": {within.Of[hold](ctx, two, "a"), nil},
		"of a lock that is not held":        {within.Of[hold](ctx, one, "c"), nil},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %p, want %p", name, c.got, c.want)
		}
	}
	for _, h := range []*hold{outer, middle, again} {
		if !within.Is(ctx, h) {
			t.Errorf("a context is not known to be derived from %q", h.name)
		}
	}
	if within.Is(outer, middle) || within.Is(none, outer) || within.Is(ctx, derive(none, one, "a")) {
		t.Error("a context seems to be derived from a hold from which it is not")
	}
	if len(asked) > 0 {
		t.Errorf("keys of this package are taken for another's: %v", asked)
	}
	if n := testing.AllocsPerRun(10, func() { within.Is(none, outer) }); n > 0 {
		t.Errorf("to ask whether a context is derived from a hold allocates %v times", n)
	}
	if got := ctx.Value(key{}); got != "a" || len(asked) != 1 {
		t.Errorf("another package's key has the value %v", got)
	}
}
