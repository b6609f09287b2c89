package endctx_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/endctx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errOver   = errors.New("its time is up")
	errEnded  = errors.New("it was ended")
	errShared = errors.New("it ended as many do")
	errParent = errors.New("the parent has ended")

	endShared = endctx.NewEnd(errShared)
)

type (
	ownerKey struct{ name string } // only owners have values for it
	otherKey struct{}
)

// owner has a Context, which ends at a look once over is set.
type owner struct {
	name  string
	ctx   endctx.Context[*owner]
	over  atomic.Bool
	looks atomic.Int32
}

func newOwner(name string, parent context.Context) *owner {
	o := &owner{name: name}
	o.ctx.Init(parent, o)
	return o
}

func (o *owner) Look() {
	o.looks.Add(1)
	if o.over.Load() {
		o.ctx.End(errOver)
	}
}

// named is the cause of an owner's end.
type named struct {
	o   *owner
	err error
}

func (n *named) Error() string { return n.o.name + ": " + n.err.Error() }
func (n *named) Unwrap() error { return n.err }

func (o *owner) Named(err error) error {
	if n, ok := err.(*named); ok && n.o == o {
		return err
	}
	if err == nil {
		return nil
	}
	return &named{o, err}
}

func (o *owner) Value(key any) (any, bool) {
	k, ours := key.(ownerKey)
	if ours && k.name == o.name {
		return o, true
	}
	return nil, ours
}

func (o *owner) String() string { return o.name }

// check reports whatever shows that the Context has not ended with that error and a cause that is
// want; one that names the owner, if it is an end of the owner's own.
func (o *owner) check(t *testing.T, err, want error) {
	t.Helper()
	if got := o.ctx.Noted(); got != err {
		t.Errorf("Noted is %v, not %v", got, err)
	}
	if got := o.ctx.Err(); got != err {
		t.Errorf("Err is %v, not %v", got, err)
	}
	cause := o.ctx.Cause()
	n, ok := cause.(*named)
	switch own := want != errParent && want != context.Canceled && want != context.DeadlineExceeded; {
	case !errors.Is(cause, want):
		t.Errorf("the cause is %v, not %v", cause, want)
	case ok != own:
		t.Errorf("the cause is %q: the owner is named: %v", cause, ok)
	case ok && n.err != want:
		t.Errorf("the cause is %q, not named once", cause)
	}
	select {
	case <-o.ctx.Done():
	default:
		t.Error("Done is not closed")
	}
	for who, got := range map[string]error{
		"Cause, asked again":     o.ctx.Cause(),
		"context.Cause":          context.Cause(&o.ctx),
		"context.Cause, a child": childCause(&o.ctx),
	} {
		if got != cause {
			t.Errorf("%s says %#v, not %#v as before", who, got, cause)
		}
	}
	if got := o.ctx.Err(); got != err {
		t.Errorf("Err became %v", got)
	}
}

// childCause is the cause of a child that is made now.
func childCause(ctx context.Context) error {
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	return context.Cause(child)
}

// counting is a parent that counts how often it was asked for what a standard context needs.
type counting struct {
	context.Context
	dones int
}

func (c *counting) Done() <-chan struct{} {
	c.dones++
	return c.Context.Done()
}

type endContext = endctx.Context[*owner]

// Keys, made once so that a look-up allocates nothing.
var (
	mine    any = ownerKey{"a"}
	theirs  any = ownerKey{"outer"}
	nobodys any = ownerKey{"nobody"}
)

// use reports an error if what was found is not the owner; nil stands for no owner.
func use(t *testing.T, found any, want *owner) {
	if got, _ := found.(*owner); got != want {
		t.Errorf("the owner found is %v, not %v", found, want)
	}
}
