package endctx_test

import (
	"context"
	"testing"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

// during is a parent that has something happen just before it is first looked at.
type during struct {
	context.Context
	first func()
}

func (d *during) Err() error {
	if first := d.first; first != nil {
		d.first = nil
		first()
	}
	return d.Context.Err()
}

// TestEndWhileNeeded: a look finds the outer owner's end, also if another goroutine needs the standard
// context just then, and a third is only about to tell it.
func TestEndWhileNeeded(t *testing.T) {
	for range 20 {
		outer := newOwner("outer", context.Background())
		p := &during{Context: &outer.ctx}
		inner := newOwner("inner", p)
		var wait func()
		p.first = func() {
			_ = inner.ctx.Done()
			_, wait = locktest.BeginEnd(&outer.ctx, func() { outer.ctx.End(errEnded) })
		}
		if inner.ctx.Err() == nil {
			t.Error("it is live, and the parent has ended")
		}
		wait()
		<-inner.ctx.Done()
	}
}

// TestDelayedWhileOuterEnds: it ends with its outer owner's Context, also if what is between them has not
// been told yet.
func TestDelayedWhileOuterEnds(t *testing.T) {
	for range 20 {
		outer := newOwner("outer", context.Background())
		between, stop := context.WithCancel(&outer.ctx)
		d := endctx.NewDelayed(between, &outer.ctx, 1<<40, errOver)
		d.Watch()
		_, wait := locktest.BeginEnd(&outer.ctx, func() { outer.ctx.End(errEnded) })
		if d.Err() == nil {
			t.Error("it is live, and the outer one has ended")
		}
		wait()
		<-d.Done()
		stop()
	}
}

// TestEitherAtOnce: a context of either is done at the first look after the other's end, though it is a
// goroutine that tells it.
func TestEitherAtOnce(t *testing.T) {
	for range 100 {
		other, cancel := context.WithCancelCause(context.Background())
		both, done := endctx.Either(context.Background(), other)
		cancel(errParent)
		if err := both.Err(); err != context.Canceled || context.Cause(both) != errParent {
			t.Errorf("Err = %v, cause = %v", err, context.Cause(both))
		}
		done()
		other, cancel = context.WithCancelCause(context.Background())
		both, done = endctx.Either(context.Background(), other)
		cancel(errParent)
		select {
		case <-both.Done():
		default:
			t.Error("Done is open")
		}
		done()
	}
}
