package send

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// TestInline: who sends its own request, and who doesn't.
func TestInline(t *testing.T) {
	for name, c := range map[string]struct {
		can    bool
		before time.Duration // the answer before took so long; none if 0
		beside int           // requests under way
		want   bool
	}{
		"after a fast answer":          {true, ms, 0, true},
		"after a slow answer":          {true, 20 * ms, 0, false},
		"before the first answer":      {true, 0, 0, false},
		"while another is under way":   {true, ms, 1, false},
		"while others wait":            {true, ms, 10, false},
		"by a client that can't do so": {false, ms, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				f.inline = c.can
				if c.before > 0 {
					f.answer = after(c.before)
					ask(t, s, 1)
					synctest.Wait()
				}
				f.answer = after(ms)
				for range c.beside {
					f.group.Go(func() { ask(t, s, 1) })
				}
				synctest.Wait()
				in := s.Prepare(t.Context(), call("mine"))
				in.Send(true)
				if got, e := in.Wait(Events{}); e != Answered || got.Err != nil || got.InDoubt {
					t.Errorf("event %v: %+v", e, got)
				}
				f.group.Wait()
				for _, b := range f.log() {
					if b.names[0] == "mine" && b.inline != c.want {
						t.Errorf("inline: %v", b.inline)
					}
				}
			})
		})
	}
}

// TestInlineContext: it ends within inlineTime, or with the caller's deadline, and has the caller's
// values.
func TestInlineContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		caller := context.WithValue(t.Context(), key{}, "value")
		for range 20 {
			ctx := s.inlineContext(caller)
			end, ok := ctx.Deadline()
			if left := time.Until(end); !ok || left > inlineTime || left < inlineTime*4/5 {
				t.Errorf("it ends in %v", left)
			}
			if ctx.Value(key{}) != "value" {
				t.Error("the caller's value is lost")
			}
			time.Sleep(3 * ms)
		}
		soon, cancel := context.WithTimeout(caller, 10*ms)
		defer cancel()
		if ctx := s.inlineContext(soon); ctx != soon {
			t.Error("a deadline that comes first is not kept")
		}
		ctx := s.inlineContext(caller)
		child, stop := context.WithCancel(ctx) // which asks for the context's end by its value
		defer stop()
		time.Sleep(inlineTime)
		synctest.Wait()
		if ctx.Err() == nil || child.Err() == nil {
			t.Error("it has not ended")
		}
	})
}

// TestInlineLate: an answer that does not come soon is not waited for. The request is sent again,
// and counts as one that may have run; and the one after it is not sent inline.
func TestInlineLate(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.inline = true
		ask(t, s, 1)
		synctest.Wait()
		f.answer = func(b sentBatch, calls []*store.Call) {
			if b.inline {
				time.Sleep(inlineTime)
			} else {
				after(5*ms)(b, calls)
			}
		}
		began := time.Now()
		in := s.Prepare(t.Context(), call("a"))
		in.Send(true)
		got, e := in.Wait(Events{})
		if took := time.Since(began); e != Answered || got.Err != nil || !got.InDoubt || took != inlineTime+5*ms {
			t.Errorf("event %v: %+v after %v", e, got, took)
		}
	})
}

// TestInlineIsWaitedFor: the task group waits for a caller that sends inline.
func TestInlineIsWaitedFor(t *testing.T) {
	onFake(t, func(t *testing.T, f *fake, s *Sender) {
		f.inline = true
		ask(t, s, 1)
		synctest.Wait()
		f.answer = after(40 * ms)
		go func() {
			in := s.Prepare(t.Context(), call("a"))
			in.Send(true)
			in.Drop()
		}()
		synctest.Wait()
		began := time.Now()
		f.group.Wait()
		if took := time.Since(began); took != 40*ms {
			t.Errorf("it waited for %v", took)
		}
	})
}
