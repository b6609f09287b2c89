package send

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

const ms = time.Millisecond

// sentBatch is a round trip that a fake was asked for.
type sentBatch struct {
	at     time.Duration // since the fake was made
	names  []string
	aside  bool
	inline bool
	ends   time.Duration // of its context, as at; 0 if it has no deadline
}

// fake is a Backend on fake time.
type fake struct {
	began time.Time
	// answer makes the answer to a batch, after as long as it likes.
	answer func(sentBatch, []*store.Call)
	server string
	inline bool // it can
	group  task.Group

	mu   sync.Mutex
	sent []sentBatch
}

func (f *fake) note(ctx context.Context, aside, inline bool, calls []*store.Call) sentBatch {
	b := sentBatch{at: time.Since(f.began), aside: aside, inline: inline}
	for _, c := range calls {
		b.names = append(b.names, c.Lock.Name())
	}
	if end, ok := ctx.Deadline(); ok {
		b.ends = end.Sub(f.began)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, b)
	return b
}

// log returns what was sent, in order.
func (f *fake) log() []sentBatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

func (f *fake) Do(ctx context.Context, calls ...*store.Call) {
	f.answer(f.note(ctx, false, false, calls), calls)
}
func (f *fake) Touch(context.Context, []store.Touch) { panic("not a sender's") }
func (f *fake) Server(name string) string {
	if f.server == "by name" {
		return name
	}
	return f.server
}
func (f *fake) CanInline() bool { return f.inline }

func (f *fake) DoInline(ctx context.Context, d time.Duration, call *store.Call) bool {
	b := f.note(ctx, false, true, []*store.Call{call})
	began := time.Now()
	f.answer(b, []*store.Call{call})
	return time.Since(began) < d
}

// byOthers is a fake's connections that are not the client's.
type byOthers struct{ *fake }

func (f byOthers) Do(ctx context.Context, calls ...*store.Call) {
	f.answer(f.note(ctx, true, false, calls), calls)
}

// after answers after d, each lock's with its place in the batch as its fence.
func after(d time.Duration) func(sentBatch, []*store.Call) {
	return func(_ sentBatch, calls []*store.Call) {
		time.Sleep(d)
		for i, c := range calls {
			c.Reply, c.Err = store.Reply{Status: store.Held, Fence: int64(i + 1)}, nil
		}
	}
}

// failing answers with err, after 1 ms.
func failing(err error) func(sentBatch, []*store.Call) {
	return func(_ sentBatch, calls []*store.Call) {
		time.Sleep(ms)
		for _, c := range calls {
			c.Err = err
		}
	}
}

var errSilent = errors.New("no answer: the test's own")

// onFake runs a test in a bubble, with a Sender on a fake. Nothing is under way at the end.
func onFake(t *testing.T, test func(*testing.T, *fake, *Sender)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{began: time.Now(), answer: after(ms)}
		s := New(Config{
			Backend: f, Aside: byOthers{f}, Clock: clock.New(clock.System()), Tasks: &f.group,
			NoAnswer: func(took time.Duration) error { return fmt.Errorf("%w within %v", errSilent, took) },
		})
		test(t, f, s)
		f.group.Wait()
		synctest.Wait()
	})
}

func call(name string) store.Call { return store.Call{Lock: store.NewLock(store.Mutex, name)} }

// ask sends n requests at once, and returns when all are answered.
func ask(t *testing.T, s *Sender, n int) {
	t.Helper()
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			if _, err := s.Ask(t.Context(), call(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}
