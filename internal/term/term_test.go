package term_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/term"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hold is over with cause, and its release has that result.
type hold struct {
	cause, released error
	releases        int
}

func (h *hold) Context() context.Context { return context.Background() }
func (h *hold) Err() error               { return h.cause }
func (h *hold) Release(ctx context.Context) error {
	h.releases++
	return errors.Join(h.released, ctx.Err())
}

var errWork, errRedis = errors.New("work"), errors.New("redis")

// TestRun: the result of the work is joined with what shows that it may not have been alone, and the
// hold is released once, whatever has become of the caller's context.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		hold     hold
		work     error
		has, not []error
	}{
		"all well":               {hold{}, nil, nil, nil},
		"the work failed":        {hold{}, errWork, []error{errWork}, nil},
		"lost":                   {hold{cause: lease.ErrTaken}, errWork, []error{errWork, lease.ErrTaken}, nil},
		"the maximum hold":       {hold{cause: lease.ErrMaxHold}, nil, []error{lease.ErrMaxHold}, nil},
		"closed":                 {hold{cause: operr.ErrClosed}, nil, []error{operr.ErrClosed}, nil},
		"the caller's end":       {hold{cause: context.Canceled}, nil, nil, []error{context.Canceled}},
		"lost at the release":    {hold{released: lease.ErrGone}, nil, []error{lease.ErrGone}, nil},
		"the release has failed": {hold{released: errRedis}, errWork, []error{errWork}, []error{errRedis}},
	} {
		h := c.hold
		err := term.Run(ctx, &h, func(context.Context) error { return c.work })
		if (err == nil) != (len(c.has) == 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, e := range c.has {
			if !errors.Is(err, e) {
				t.Errorf("%s: %v is no %v", name, err, e)
			}
		}
		for _, e := range c.not {
			if errors.Is(err, e) {
				t.Errorf("%s: %v is %v", name, err, e)
			}
		}
		if h.releases != 1 {
			t.Errorf("%s: released %d times", name, h.releases)
		}
	}
}

// TestRunPanics: the hold is released.
func TestRunPanics(t *testing.T) {
	h := new(hold)
	defer func() {
		if recover() == nil || h.releases != 1 {
			t.Errorf("released %d times", h.releases)
		}
	}()
	_ = term.Run(t.Context(), h, func(context.Context) error { panic("on purpose") })
}
