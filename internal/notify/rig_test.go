package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/task"
)

const ms = time.Millisecond

// conn is a fake Connection, on fake time. Its server sends what is put into sent.
type conn struct {
	r      *rig
	made   time.Duration // since the rig was made
	sent   chan any      // messages, or errors
	closed chan struct{}
	close  sync.Once
	deaf   bool          // nothing is answered
	stuck  chan struct{} // a write about keys waits for it

	mu   sync.Mutex
	keys []string        // "+channel" and "-channel", as they were written
	asks []time.Duration // when it was pinged
}

func (c *conn) write(what string) error {
	if c.stuck != nil {
		<-c.stuck
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, what)
	return nil
}

func (c *conn) Subscribe(_ context.Context, channels ...string) error {
	return c.write("+" + channels[0])
}
func (c *conn) Unsubscribe(_ context.Context, channels ...string) error {
	return c.write("-" + channels[0])
}

func (c *conn) Ping(context.Context, ...string) error {
	c.mu.Lock()
	c.asks = append(c.asks, time.Since(c.r.began))
	deaf := c.deaf
	c.mu.Unlock()
	if !deaf {
		c.sent <- &redis.Pong{}
	}
	return nil
}

func (c *conn) ReceiveTimeout(_ context.Context, d time.Duration) (any, error) {
	select {
	case m := <-c.sent:
		if err, failed := m.(error); failed {
			return nil, err
		}
		return m, nil
	case <-c.closed:
		return nil, net.ErrClosed
	case <-time.After(d):
		return nil, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	}
}

func (c *conn) Close() error {
	c.close.Do(func() { close(c.closed) })
	return nil
}

// written returns what was written about keys.
func (c *conn) written() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.keys)
}

// asked returns when the connection was asked whether it still works.
func (c *conn) asked() []time.Duration {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asks)
}

// rig is a Subscription, its connections, and its Sink.
type rig struct {
	s     *Subscription
	began time.Time
	group task.Group
	make  func(n int, c *conn) // how the n-th connection is, from 0 on

	mu     sync.Mutex
	conns  []*conn
	told   []string // by the Sink
	broken int
}

func (r *rig) connect(context.Context, string) Connection {
	c := &conn{r: r, made: time.Since(r.began), sent: make(chan any, 100), closed: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.sent <- &redis.Subscription{Kind: "subscribe", Channel: r.s.own}
	if r.make != nil {
		r.make(len(r.conns), c)
	}
	r.conns = append(r.conns, c)
	return c
}

func (r *rig) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, text)
}

func (r *rig) Message(text string) { r.note("message " + text) }
func (r *rig) Poke(name string)    { r.note(fmt.Sprintf("poke %q", name)) }

// last returns the last connection, when nothing goes on any more, and how many there were.
func (r *rig) last() (*conn, int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[len(r.conns)-1], len(r.conns)
}

// heard returns what the Sink was told since it was last asked.
func (r *rig) heard() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = nil
	return told
}

// onFake runs a test in a bubble. At the end the context ends, and with it all goroutines.
func onFake(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &rig{began: time.Now()}
		r.s = New(ctx, Config{
			Connect: r.connect,
			KeyChannel: func(name string) string {
				if name == "nowhere" {
					return ""
				}
				return "key:" + name
			},
			Broken: func() { r.mu.Lock(); defer r.mu.Unlock(); r.broken++ },
			Sink:   r, Tasks: &r.group, Clock: clock.New(clock.System()),
		})
		test(t, r)
		cancel()
		began := time.Now()
		r.group.Wait()
		if took := time.Since(began); took > ms {
			t.Errorf("its goroutines ended after %v", took)
		}
	})
}

func is(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}
