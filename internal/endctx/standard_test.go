package endctx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/internal/endctx"
)

// TestNoStandardContext: what does not need a standard context makes none: it costs no memory, and
// the parent is not asked for its Done.
func TestNoStandardContext(t *testing.T) {
	outer := newOwner("outer", t.Context())
	for name, use := range map[string]func(*owner){
		"Err":           func(o *owner) { _ = o.ctx.Err() },
		"Noted":         func(o *owner) { _ = o.ctx.Noted() },
		"Cause":         func(o *owner) { _ = o.ctx.Cause() },
		"Deadline":      func(o *owner) { o.ctx.Deadline() },
		"Poll":          func(o *owner) { o.ctx.Poll() },
		"EndAs and Err": func(o *owner) { o.ctx.EndAs(endShared); _ = o.ctx.Err() },
		"its owner":     func(o *owner) { use(t, o.ctx.Value(mine), o) },
		"another owner": func(o *owner) { use(t, o.ctx.Value(theirs), outer) },
		"no owner":      func(o *owner) { use(t, o.ctx.Value(nobodys), nil) },
	} {
		parent := &counting{Context: &outer.ctx}
		o := newOwner("a", parent)
		if got := testing.AllocsPerRun(100, func() {
			o.ctx = *new(endContext)
			o.ctx.Init(parent, o)
			use(o)
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
		if parent.dones > 0 {
			t.Errorf("%s: the parent was asked for Done", name)
		}
	}
	parent := &counting{Context: t.Context()}
	o := newOwner("a", parent)
	o.ctx.Done()
	if parent.dones == 0 {
		t.Error("the parent is not asked for Done by a standard context: the test proves nothing")
	}
}

// TestValue: the values of the owners and those of the parents are found.
func TestValue(t *testing.T) {
	outer := newOwner("outer", context.WithValue(t.Context(), otherKey{}, "of the parent"))
	o := newOwner("a", &outer.ctx)
	use(t, o.ctx.Value(mine), o)
	use(t, o.ctx.Value(theirs), outer)
	use(t, o.ctx.Value(nobodys), nil)
	if got := o.ctx.Value(otherKey{}); got != "of the parent" {
		t.Errorf("the parent's value is %v", got)
	}
}

// TestChildren: a child made by package context costs no goroutine, and has ended with the same
// cause when End returns.
func TestChildren(t *testing.T) {
	before := runtime.NumGoroutine()
	o := newOwner("a", t.Context())
	var children []context.Context
	for range 10 {
		child, cancel := context.WithCancel(&o.ctx)
		defer cancel()
		children = append(children, child, context.WithValue(child, otherKey{}, 1))
	}
	called := make(chan struct{})
	stop := context.AfterFunc(&o.ctx, func() { close(called) })
	stopped := context.AfterFunc(&o.ctx, func() { t.Error("a function ran that was stopped") })
	if !stopped() {
		t.Error("a function could not be stopped before the end")
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines became %d", before, now)
	}
	for _, child := range children {
		if child.Err() != nil {
			t.Fatalf("a child has ended before: %v", context.Cause(child))
		}
	}
	o.ctx.End(errEnded)
	for _, child := range children {
		if child.Err() != context.Canceled || context.Cause(child) != o.ctx.Cause() {
			t.Errorf("a child says %v, the cause is %v", child.Err(), context.Cause(child))
		}
	}
	<-called
	if stop() {
		t.Error("a function that ran could be stopped")
	}
}

// TestConcurrent: whoever asks, while many end the Context at once, finds one and the same cause.
func TestConcurrent(t *testing.T) {
	for round := range 200 {
		parent, cancel := context.WithCancelCause(t.Context())
		o := newOwner("a", parent)
		ends := []func(){
			func() { o.ctx.End(errEnded) },
			func() { o.ctx.EndAs(endShared) },
			func() { cancel(errParent) },
			func() { o.over.Store(true) },
		}
		var causes [6]error
		asks := []func() error{
			func() error { return o.ctx.Cause() },
			func() error { return context.Cause(&o.ctx) },
			func() error { return childCause(&o.ctx) },
		}
		var all sync.WaitGroup
		start := make(chan struct{})
		for i, end := range ends {
			if i == round%5 { // so that each of them loses
				continue
			}
			all.Go(func() { <-start; end() })
		}
		for i := range causes {
			all.Go(func() {
				<-start
				for o.ctx.Err() == nil {
					runtime.Gosched()
				}
				causes[i] = asks[i%len(asks)]()
			})
		}
		all.Go(func() { <-start; <-o.ctx.Done() })
		close(start)
		all.Wait()
		for _, cause := range causes {
			if cause == nil || cause != causes[0] {
				t.Fatalf("the causes differ: %#v", causes)
			}
		}
		o.check(t, context.Canceled, base(causes[0]))
		cancel(nil)
	}
}

// base is the error that a cause names.
func base(cause error) error {
	if n, ok := errors.AsType[*named](cause); ok {
		return n.err
	}
	return cause
}

// TestString: fmt shows the owner's String and no field.
func TestString(t *testing.T) {
	o := newOwner("a", t.Context())
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		if got := fmt.Sprintf(verb, &o.ctx); got != "context of a" {
			t.Errorf("%s shows %q", verb, got)
		}
	}
}

// list is an error that can't be compared.
type list []error

func (l list) Error() string   { return "several" }
func (l list) Unwrap() []error { return l }

// TestSaysDone: what else an error says is noticed, wherever in it.
func TestSaysDone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := fmt.Errorf("because: %w", errEnded)
	cancel(cause)
	other := errors.New("broken")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{ctx.Err(), true}, {cause, true}, {errEnded, true}, {fmt.Errorf("a: %w", fmt.Errorf("b: %w", cause)), true},
		{errors.Join(ctx.Err(), cause), true}, {list{cause, ctx.Err()}, true},
		{nil, false}, {other, false}, {fmt.Errorf("a: %w", other), false}, {errors.Join(ctx.Err(), other), false},
		{list{}, false}, {list{cause, other}, false}, {context.DeadlineExceeded, false},
	} {
		if got := endctx.SaysDone(c.err, ctx); got != c.want {
			t.Errorf("%v says only that it is done: %v", c.err, got)
		}
	}
	broken, cancel := context.WithCancelCause(t.Context())
	cancel(list{other})
	if !endctx.SaysDone(ctx.Err(), broken) || endctx.SaysDone(list{cause}, broken) {
		t.Error("with a cause that can't be compared")
	}
}
