package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// lastMoment is a context that ends, with a cause, when somebody waits for its end, and
// lets go of that one when the client has seen it: a hook, which gives up the request.
type lastMoment struct {
	context.Context
	end func()
}

func (c *lastMoment) Done() <-chan struct{} {
	c.end()
	return c.Context.Done()
}

func (c *lastMoment) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *lastMoment) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error {
		<-c.Context.Done()
		return c.Context.Err()
	}
}

func (c *lastMoment) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error {
		<-c.Context.Done()
		return c.Context.Err()
	}
}

// TestErrorsCause: why a request was given up is its context's cause, also if the client
// saw first that the context is done.
func TestErrorsCause(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		why := errors.New("power cut")
		for range 20 { // either may be noticed first
			ctx, cancel := context.WithCancelCause(e.ctx())
			var over atomic.Bool // not a sync.Once: nobody may block beside Wait
			last := &lastMoment{ctx, func() {
				if over.CompareAndSwap(false, true) {
					cancel(why)
					synctest.Wait()
				}
			}}
			_, client := e.link()
			locks := holdfast.New(client)
			t.Cleanup(func() { _ = locks.Close() })
			session := e.acquire(locks.Mutex("lock"))
			client.AddHook(last)
			if err := session.Check(last); !errors.Is(err, why) {
				t.Fatalf("got %v, want %v", err, why)
			}
			cancel(nil)
			_ = locks.Close()
			e.fake.M.FlushAll()
		}
	})
}

// TestErrorsCauseStays: why a session has ended is one error, however often somebody asks, so
// that who has it twice can tell.
func TestErrorsCauseStays(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		locks := e.locker(holdfast.WithMaxHold(time.Second))
		ended := map[string]*holdfast.Session{}
		for _, how := range []string{"released", "held too long", "forced"} {
			ended[how] = e.acquire(locks.Mutex(how))
		}
		e.must(ended["released"].Release(e.ctx()))
		e.must(locks.Mutex("forced").ForceRelease(e.ctx()))
		time.Sleep(time.Second)
		for how, s := range ended {
			first := s.Err()
			if first == nil || s.Err() != first || context.Cause(s.Context()) != first {
				t.Errorf("%s: %v, then %v and %v", how, first, s.Err(), context.Cause(s.Context()))
			}
		}
		err := locks.Mutex("lock").Do(e.ctx(), func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			for s.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			return s.Err()
		})
		if n := strings.Count(fmt.Sprint(err), holdfast.ErrMaxHold.Error()); n != 1 {
			t.Errorf("it is said %d times: %v", n, err)
		}
	})
}
