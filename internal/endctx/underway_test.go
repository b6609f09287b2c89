package endctx_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/holdfast-go/holdfast/internal/endctx"
)

// manyFrom has many contexts come from ctx, so that it takes a while to tell them all.
func manyFrom(ctx context.Context) (drop func()) {
	var cancels []context.CancelFunc
	for range 20_000 {
		_, cancel := context.WithCancel(ctx)
		cancels = append(cancels, cancel)
	}
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

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
		drop := manyFrom(&outer.ctx)
		p := &during{Context: &outer.ctx}
		inner := newOwner("inner", p)
		ended := make(chan struct{})
		p.first = func() {
			_ = inner.ctx.Done()
			go func() { outer.ctx.End(errEnded); close(ended) }()
			for outer.ctx.Noted() == nil {
				runtime.Gosched()
			}
		}
		if inner.ctx.Err() == nil {
			t.Error("it is live, and the parent has ended")
		}
		<-ended
		<-inner.ctx.Done()
		drop()
	}
}

// TestDelayedWhileOuterEnds: it ends with its outer owner's Context, also if what is between them has not
// been told yet.
func TestDelayedWhileOuterEnds(t *testing.T) {
	for range 20 {
		outer := newOwner("outer", context.Background())
		between, stop := context.WithCancel(&outer.ctx)
		drop := manyFrom(&outer.ctx)
		d := endctx.NewDelayed(between, &outer.ctx, 1<<40, errOver)
		d.Watch()
		ended := make(chan struct{})
		go func() { outer.ctx.End(errEnded); close(ended) }()
		for outer.ctx.Noted() == nil {
			runtime.Gosched()
		}
		if d.Err() == nil {
			t.Error("it is live, and the outer one has ended")
		}
		<-ended
		<-d.Done()
		stop()
		drop()
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
