package holdfast_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

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
