package send

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBatches: how many requests go together, and when.
func TestBatches(t *testing.T) {
	for name, c := range map[string]struct {
		takes       time.Duration // an answer
		connections int
		first, then int             // requests: at once, and half a millisecond later
		want        []time.Duration // of each batch, when it was sent
	}{
		"one goes at once":              {10 * ms, 0, 1, 0, []time.Duration{0}},
		"three batches under way":       {ms, 0, 1, 2, []time.Duration{0, ms / 2, ms / 2}},
		"the fourth waits for an end":   {ms, 0, 3, 50, []time.Duration{0, 0, 0, ms}},
		"but not for a slow network":    {20 * ms, 0, 3, 50, []time.Duration{0, 0, 0, 2*ms + ms/2}},
		"a client with few connections": {20 * ms, 4, 3, 50, []time.Duration{0, 0, 0, 20 * ms}},
		"a client with one":             {20 * ms, 1, 1, 50, []time.Duration{0, 20 * ms}},
		"large ones are cut":            {20 * ms, 1, 1, 1500, []time.Duration{0, 20 * ms, 40 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				s = New(Config{Backend: f, Aside: byOthers{f}, Clock: s.conf.Clock, Tasks: &f.group, Connections: c.connections})
				f.answer = after(c.takes)
				var asking sync.WaitGroup
				// One by one, so that none shares a batch with another by chance.
				for range c.first {
					asking.Go(func() { ask(t, s, 1) })
					synctest.Wait()
				}
				time.Sleep(ms / 2)
				if c.first == 1 && c.then == 2 {
					for range c.then {
						asking.Go(func() { ask(t, s, 1) })
						synctest.Wait()
					}
				} else {
					asking.Go(func() { ask(t, s, c.then) })
				}
				asking.Wait()
				var got []time.Duration
				n := 0
				for _, b := range f.log() {
					got, n = append(got, b.at), n+len(b.names)
					if len(b.names) > maxBatch {
						t.Errorf("a batch of %d", len(b.names))
					}
				}
				if !slices.Equal(got, c.want) || n != c.first+c.then {
					t.Errorf("%d requests at %v, not at %v", n, got, c.want)
				}
			})
		})
	}
}

// TestBatchesMost: no more than 16 are under way, however slow the network is.
func TestBatchesMost(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.answer = after(time.Second)
		for range 40 {
			f.group.Go(func() { ask(t, s, 1) })
			time.Sleep(3 * ms)
		}
		synctest.Wait()
		if len(f.log()) != maxBatches {
			t.Errorf("%d batches under way", len(f.log()))
		}
	})
}

// TestBatchesByServer: a server that hangs holds up none but its own requests.
func TestBatchesByServer(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.server = "by name"
		f.answer = func(b sentBatch, calls []*store.Call) {
			if b.names[0] == "0" {
				time.Sleep(3 * time.Second)
			}
			after(ms)(b, calls)
		}
		for range 20 {
			f.group.Go(func() { ask(t, s, 1) })
		}
		time.Sleep(ms)
		synctest.Wait()
		began := time.Now()
		if _, err := s.Ask(t.Context(), call("fast")); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != ms {
			t.Errorf("the other server's answer took %v", took)
		}
	})
}

// TestBatchContext: one request ends with its context. Of several none ends with another's, but the
// batch ends some time.
func TestBatchContext(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.answer = after(5 * ms)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Ask(ctx, call("a")); err != nil {
			t.Error(err)
		}
		if _, err := s.Ask(context.WithoutCancel(ctx), call("b")); err != nil {
			t.Error(err)
		}
		ask(t, s, 10)
		for i, b := range f.log() {
			alone := i == 0
			if left := b.ends - b.at; alone && left != time.Second || !alone && len(b.names) != 1 && (left < CleanupTime || left > CleanupTime*5/4) {
				t.Errorf("a batch of %v may take %v", b.names, left)
			}
		}
		if left := f.log()[1].ends - f.log()[1].at; left < CleanupTime || left > CleanupTime*5/4 {
			t.Errorf("a request without a deadline may take %v", left)
		}
	})
}

// TestCancelled: nobody waits for longer than its context lasts. What was not sent is not sent any
// more, and not in doubt.
func TestCancelled(t *testing.T) {
	cause := errors.New("the cause")
	for name, c := range map[string]struct {
		before  bool // the context ends before the request is sent
		busy    bool // other requests are under way: it waits in the queue
		mayRun  bool
		batches int
	}{
		"before it is sent":    {true, false, false, 0},
		"in the queue":         {false, true, false, 1},
		"when it is under way": {false, false, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				s = New(Config{Backend: f, Aside: byOthers{f}, Clock: s.conf.Clock, Tasks: &f.group, Connections: 1})
				f.answer = after(100 * ms)
				if c.busy {
					f.group.Go(func() { ask(t, s, 1) })
					synctest.Wait()
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				if c.before {
					cancel(cause)
				}
				time.AfterFunc(10*ms, func() { cancel(cause) })
				began := time.Now()
				in := s.Prepare(ctx, call("a"))
				in.Send(false)
				got, event := in.Wait(Events{})
				if event == Answered && (!errors.Is(got.Err, cause) || got.InDoubt) {
					t.Errorf("an answer %+v", got)
				}
				if mayRun := in.Drop(); mayRun != c.mayRun || event == Ended && !errors.Is(context.Cause(ctx), cause) {
					t.Errorf("may run: %v; event %v", mayRun, event)
				}
				if took := time.Since(began); took > 10*ms {
					t.Errorf("it took %v", took)
				}
				f.group.Wait()
				if len(f.log()) != c.batches {
					t.Errorf("sent: %v", f.log())
				}
			})
		})
	}
}
