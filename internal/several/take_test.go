package several

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/queue"
)

// TestOrder: the order of the bytes, each name once, within the limits.
func TestOrder(t *testing.T) {
	many := make([]string, MaxLocks+1)
	for i := range many {
		many[i] = fmt.Sprintf("%03d", i)
	}
	for name, c := range map[string]struct {
		names, want []string
		fails       bool
	}{
		"none":                   {nil, []string{""}, true},
		"one":                    {[]string{"a"}, []string{"a"}, false},
		"mixed":                  {[]string{"b", "\xff", "B", "a"}, []string{"B", "a", "b", "\xff"}, false},
		"twice":                  {[]string{"b", "a", "b"}, []string{"a", "b"}, false},
		"the most":               {many[1:], many[1:], false},
		"too many":               {many, many, true},
		"as many with one twice": {append(many[:MaxLocks:MaxLocks], many[0]), many[:MaxLocks], false},
	} {
		if got, err := Order(c.names); !slices.Equal(got, c.want) || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// queues has locks for as many waiters as it has holds.
type queues struct {
	holds []*hold
	with  error               // comes with the last hold
	fails error               // about the lock after it
	waits func(*queue.Waiter) // for that one
}

func (q *queues) All(ws []*queue.Waiter, _ bool, got func(int, lease.Holder, error) error) (int, error) {
	for i, h := range q.holds {
		var with error
		if i == len(q.holds)-1 {
			with = q.with
		}
		if err := got(i, h, with); err != nil {
			return i, err
		}
	}
	if len(q.holds) == len(ws) {
		return len(ws), nil
	}
	if q.waits != nil {
		q.waits(ws[len(q.holds)])
	}
	return len(q.holds), q.fails
}

// TestTake: what was had is added, and what came of each lock is told once.
func TestTake(t *testing.T) {
	errRedis, errRefused := errors.New("redis"), errors.New("refused")
	for name, c := range map[string]struct {
		has         int
		with, fails error
		refused     int  // conclude refuses this one
		ended       bool // the first has ended meanwhile
		at          int
		want        error
		told        []int
	}{
		"all":                      {3, nil, nil, -1, false, 2, nil, []int{0, 1, 2}},
		"all, and the first ended": {3, nil, nil, -1, true, 2, errFirst, []int{0, 1, 2}},
		"none":                     {0, nil, errRedis, -1, false, 0, errRedis, []int{0}},
		"two":                      {2, nil, errRedis, -1, false, 2, errRedis, []int{0, 1, 2}},
		"an error with the second": {2, errRedis, nil, -1, false, 1, errRedis, []int{0, 1}},
		"the second is refused":    {3, nil, nil, 1, false, 1, errRefused, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t.Context())
			q := &queues{with: c.with, fails: c.fails}
			for i := range c.has {
				q.holds = append(q.holds, &hold{name: fmt.Sprint("hold", i), until: 9})
			}
			if c.ended {
				r.End(errFirst)
			}
			var told []int
			at, err := r.Take(q, waiters(t.Context(), 3), false, func(at int, h lease.Holder, err error) error {
				if told = append(told, at); (h != nil) != (at < c.has) {
					t.Errorf("lock %d comes with the hold %v", at, h)
				}
				if at == c.refused {
					return errRefused
				}
				return err
			})
			if at != c.at || !errors.Is(err, c.want) || !slices.Equal(told, c.told) {
				t.Errorf("lock %d: %v; told of %v", at, err, told)
			}
			if want := min(c.at+1, c.has); len(r.Held()) != want {
				t.Errorf("%d are held, want %d", len(r.Held()), want)
			}
		})
	}
}

var errFirst = errors.New("the first has ended")

func waiters(ctx context.Context, n int) (ws []*queue.Waiter) {
	for range n {
		ws = append(ws, &queue.Waiter{Ctx: ctx})
	}
	return ws
}

// TestTakeWaits: the whole wait has one begin, and ends with the loss of what was had. The end of the
// context that was given is told with its Err.
func TestTakeWaits(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*rig, context.CancelCauseFunc)
		want []error
	}{
		"a loss":           {func(r *rig, _ context.CancelCauseFunc) { r.End(errFirst) }, []error{errFirst}},
		"the caller's end": {func(_ *rig, cancel context.CancelCauseFunc) { cancel(errFirst) }, []error{errFirst, context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			r := newRig(t.Context())
			r.now = 5
			ws := waiters(ctx, 2)
			q := &queues{holds: []*hold{{name: "hold0", until: 9}}}
			q.waits = func(w *queue.Waiter) {
				c.end(r, cancel)
				<-w.Ctx.Done()
				q.fails = context.Cause(w.Ctx)
			}
			at, err := r.Take(q, ws, false, func(_ int, _ lease.Holder, err error) error { return err })
			if at != 1 {
				t.Errorf("the error is about lock %d", at)
			}
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v is no %v", err, want)
				}
			}
			for i, w := range ws {
				if w.Began != 5 {
					t.Errorf("wait %d began at %v", i, w.Began)
				}
			}
		})
	}
}

// TestTakeWatches: a parent that ends late is watched once all is had.
func TestTakeWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		delayed := endctx.NewDelayed(ctx, nil, time.Second, errors.New("over"))
		r := newRig(delayed)
		q := &queues{holds: []*hold{{name: "hold0", until: 9}}}
		if _, err := r.Take(q, waiters(ctx, 1), false, func(_ int, _ lease.Holder, err error) error { return err }); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Second)
		synctest.Wait()
		select {
		case <-r.Context().Done():
		default:
			t.Error("the context has not ended with its parent")
		}
	})
}
