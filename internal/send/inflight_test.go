package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/store"
)

// reply is an error of Redis.
type reply string

func (e reply) Error() string { return string(e) }
func (reply) RedisError()     {}

var (
	errMoving  = reply("TRYAGAIN Multiple keys request during rehashing of slot")
	errFull    = reply("OOM command not allowed when used memory > 'maxmemory'.")
	errRefused = reply("NOPERM User has no permissions")
	errDial    = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
)

func TestInDoubt(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errFull, false}, // Redis says that it did nothing
		{errRefused, false},
		{reply("ERR a proxy's own words"), true},
		{errDial, false},
		{redis.ErrPoolTimeout, false},
		{fmt.Errorf("wrapped: %w", &notSent{context.Canceled}), false},
		{io.EOF, true},
		{context.DeadlineExceeded, true},
		{errSilent, true},
	} {
		if got := inDoubt(c.err); got != c.want {
			t.Errorf("in doubt after %v: %v", c.err, got)
		}
	}
}

// TestCopies: a request without an answer is sent again, in gaps that double, by other connections
// and by the client's in turn, and the first answer counts.
func TestCopies(t *testing.T) {
	never := time.Hour
	for name, c := range map[string]struct {
		once     bool
		answers  int // of the requests sent, from 1 on, the one that is answered, after 1 ms
		want     []time.Duration
		took     time.Duration
		fails    bool
		heEnds   time.Duration // the caller
		wantFail error
	}{
		"the first is answered": {false, 1, []time.Duration{0}, ms, false, never, nil},
		"the second":            {false, 2, []time.Duration{0, 200 * ms}, 201 * ms, false, never, nil},
		"the fifth": {false, 5, []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms},
			3001 * ms, false, never, nil},
		"none: no more than five are sent": {false, 0, []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms},
			20 * time.Second, true, 20 * time.Second, context.DeadlineExceeded},
		"none, of one that must not run twice": {true, 0, []time.Duration{0}, 20 * time.Second, true,
			20 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				n := 0
				f.answer = func(b sentBatch, calls []*store.Call) {
					f.mu.Lock()
					n++
					mine := n
					f.mu.Unlock()
					if mine != c.answers {
						time.Sleep(time.Minute)
						failing(io.EOF)(b, calls)
						return
					}
					after(ms)(b, calls)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.heEnds)
				defer cancel()
				began := time.Now()
				asking := s.Ask
				if c.once {
					asking = s.AskOnce
				}
				_, err := asking(ctx, call("a"))
				if !errors.Is(err, c.wantFail) || (err != nil) != c.fails {
					t.Errorf("error %v", err)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, not %v", took, c.took)
				}
				var at []time.Duration
				for i, b := range f.log() {
					at = append(at, b.at)
					if b.aside != (i%2 == 1) {
						t.Errorf("request %d went by other connections: %v", i, b.aside)
					}
				}
				if !slices.Equal(at, c.want) {
					t.Errorf("sent at %v, not at %v", at, c.want)
				}
			})
		})
	}
}

// TestCopyFails: how a copy ends tells nothing of the request, unless Redis has answered it, but that it may
// run yet.
func TestCopyFails(t *testing.T) {
	for name, c := range map[string]struct {
		copies  error // of the copies
		took    time.Duration
		want    error
		inDoubt bool
	}{
		"broken":   {io.EOF, 300 * ms, nil, true},
		"not sent": {errDial, 300 * ms, nil, false},
		"refused":  {errRefused, 201 * ms, errRefused, true}, // the first is under way
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				f.answer = func(b sentBatch, calls []*store.Call) {
					if b.aside {
						failing(c.copies)(b, calls)
					} else {
						after(300*ms)(b, calls)
					}
				}
				began := time.Now()
				in := s.Prepare(t.Context(), call("a"))
				in.Send(false)
				got, _ := in.Wait(Events{})
				took, inDoubt := time.Since(began), in.Drop() || got.InDoubt
				if !errors.Is(got.Err, c.want) || (got.Err == nil) != (c.want == nil) || took != c.took || inDoubt != c.inDoubt {
					t.Errorf("%v after %v, in doubt: %v", got.Err, took, inDoubt)
				}
			})
		})
	}
}

// TestPatience: a server whose answers take long is not asked more and more.
func TestPatience(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		if p := s.Patience("a"); p != leastGap {
			t.Errorf("before the first answer: %v", p)
		}
		f.answer = after(150 * ms)
		for range 30 {
			ask(t, s, 1)
		}
		if p := s.Patience("a"); p < 550*ms || p > 600*ms {
			t.Errorf("after answers that took 150 ms: %v", p)
		}
		began := time.Since(f.began)
		f.answer = after(500 * ms)
		ask(t, s, 1)
		if n := len(f.log()); f.log()[n-1].at != began {
			t.Errorf("a copy was sent at %v", f.log()[n-1].at-began)
		}
	})
}

// TestEvents: what ends a wait, and that the copies go on by their own time when it is taken up
// again.
func TestEvents(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.answer = after(250 * ms)
		in := s.Prepare(t.Context(), call("a"))
		in.Send(false)
		wake, closed := make(chan struct{}, 1), make(chan struct{})
		time.AfterFunc(60*ms, func() { wake <- struct{}{} })
		if _, e := in.Wait(Events{Wake: wake, Closed: closed}); e != Woken {
			t.Errorf("event %v", e)
		}
		if _, e := in.Wait(Events{Tick: time.After(60 * ms), Closed: closed}); e != Ticked {
			t.Errorf("event %v", e)
		}
		time.AfterFunc(60*ms, func() { close(closed) })
		if _, e := in.Wait(Events{Closed: closed}); e != Closed {
			t.Errorf("event %v", e)
		}
		if got, e := in.Wait(Events{Wake: wake}); e != Answered || got.Err != nil || got.Sent != 0 {
			t.Errorf("event %v: %+v", e, got)
		}
		if len(f.log()) != 2 || f.log()[1].at != 200*ms {
			t.Errorf("a copy is due after 200 ms: %v", f.log())
		}
		if !in.Drop() {
			t.Error("the copy is under way, and does not count")
		}
	})
}

// TestMovedAway: the lock's slot is at another server now.
func TestMovedAway(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		for _, c := range []struct {
			then, now string
			want      bool
		}{
			{"one", "one", false}, {"one", "two", true}, {"one", "", false}, {"", "two", false},
		} {
			f.server = c.then
			in := s.Prepare(t.Context(), call("a"))
			in.Send(false)
			f.server = c.now
			if got := in.Moved(); got != c.want {
				t.Errorf("from %q to %q: moved %v", c.then, c.now, got)
			}
			if _, e := in.Wait(Events{}); e != Answered || in.Moved() {
				t.Errorf("event %v, moved %v", e, in.Moved())
			}
		}
	})
}

// TestAskWhileSlotMoves: a request that Redis can't run while the slot migrates is sent again, for
// as long as that may take, also one that must not run twice.
func TestAskWhileSlotMoves(t *testing.T) {
	for name, c := range map[string]struct {
		moves, ends time.Duration
		want        error
		most        time.Duration
	}{
		"for a second":           {time.Second, time.Hour, nil, 1300 * ms},
		"for ever":               {time.Hour, time.Hour, errMoving, CleanupTime},
		"longer than the caller": {time.Hour, time.Second, context.DeadlineExceeded, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				f.answer = func(b sentBatch, calls []*store.Call) {
					if b.at < c.moves {
						failing(errMoving)(b, calls)
					} else {
						after(ms)(b, calls)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.ends)
				defer cancel()
				began := time.Now()
				_, err := s.AskOnce(ctx, call("a"))
				if took := time.Since(began); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || took > c.most {
					t.Errorf("%v after %v", err, took)
				}
				if n := len(f.log()); n < 7 || n > 200 {
					t.Errorf("it was sent %d times", n)
				}
			})
		})
	}
}

// TestCauseOf: who reads an error of a context is told why it ended.
func TestCauseOf(t *testing.T) {
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := CauseOf(ctx, context.Canceled); err != context.Canceled {
		t.Errorf("another's context: %v", err)
	}
	cancel(cause)
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {io.EOF, io.EOF}, {context.Canceled, cause}, {fmt.Errorf("wrapped: %w", context.Canceled), cause},
	} {
		if got := CauseOf(ctx, c.err); got != c.want {
			t.Errorf("%v became %v", c.err, got)
		}
	}
}
