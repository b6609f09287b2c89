package holdfast_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// A proxy that answers in the server's place, while the request may run later.

// impatient is such a proxy, as twemproxy is one: while it has a text, it answers scripts with
// that, and keeps them.
type impatient struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu   sync.Mutex
	text string
	left int // scripts that it will answer so
	kept []byte
	n    int // scripts that it has answered so
}

// impatient returns a Locker whose requests go through such a proxy.
func (e *env) impatient(opts ...holdfast.Option) (*holdfast.Locker, *impatient) {
	p := &impatient{}
	through := func(o *redis.Options) {
		p.dial = o.Dialer
		if p.dial == nil {
			p.dial = (&net.Dialer{}).DialContext
		}
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := p.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &impatientConn{Conn: conn, p: p}, nil
		}
	}
	var client *redis.Client
	if e.fake != nil {
		client = e.fake.NewLink().Client(through)
	} else {
		client = e.server.Client(through)
		p.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", e.server.Addr())
		}
	}
	l := holdfast.New(client, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, p
}

// answer makes the proxy answer so many scripts with that text.
func (p *impatient) answer(text string, scripts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.left = text, scripts
}

func (p *impatient) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// deliver sends to the server what the proxy has kept, and waits until it ran.
func (p *impatient) deliver(e *env) {
	e.t.Helper()
	p.mu.Lock()
	kept := p.kept
	p.kept = nil
	p.mu.Unlock()
	conn, err := p.dial(e.ctx(), "tcp", "")
	e.must(err)
	defer conn.Close()
	_, err = conn.Write(append(kept, "*1\r\n$4\r\nPING\r\n"...))
	e.must(err)
	e.must(conn.SetReadDeadline(time.Now().Add(5 * time.Second)))
	var got []byte
	for buf := make([]byte, 4096); !bytes.Contains(got, []byte("+PONG")); {
		n, err := conn.Read(buf)
		e.must(err)
		got = append(got, buf[:n]...)
	}
}

type impatientConn struct {
	net.Conn
	p       *impatient
	replies []byte // that the proxy made, under its mu
}

// Write takes whole commands: go-redis sends what goes together in one piece.
func (c *impatientConn) Write(b []byte) (int, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	scripts := bytes.Count(b, []byte("\r\nevalsha\r\n")) + bytes.Count(b, []byte("\r\neval\r\n"))
	if scripts == 0 || c.p.left < scripts {
		return c.Conn.Write(b)
	}
	c.p.left -= scripts
	c.p.n += scripts
	c.p.kept = append(c.p.kept, b...)
	for range scripts {
		c.replies = append(c.replies, "-"+c.p.text+"\r\n"...)
	}
	return len(b), nil
}

func (c *impatientConn) Read(b []byte) (int, error) {
	c.p.mu.Lock()
	n := copy(b, c.replies)
	c.replies = c.replies[n:]
	c.p.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	return c.Conn.Read(b)
}

var foreignReplies = []string{"ERR Connection timed out", "ERR Connection refused", "upstream failure"}

func eachForeign(t *testing.T, test func(t *testing.T, e *env, text string)) {
	for i, text := range foreignReplies {
		test := func(t *testing.T, e *env) { test(t, e, text) }
		t.Run(text+"/fake", func(t *testing.T) { onFake(t, test) })
		if i == 0 {
			t.Run(text+"/real", func(t *testing.T) { onReal(t, test) })
		}
	}
}

// TestForeignReplyToAcquire: what a proxy says is no answer of the server. A request that runs
// later, before or after it was taken back, leaves no lock that nobody holds.
func TestForeignReplyToAcquire(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{"at once": 0, "late": time.Second} {
		t.Run(name, func(t *testing.T) {
			eachForeign(t, func(t *testing.T, e *env, text string) {
				e.load()
				l, p := e.impatient(holdfast.WithTTL(time.Minute))
				e.must(e.acquire(l.Mutex("warm")).Release(e.ctx()))
				const locks = 20
				p.answer(text, 1)
				_, err := l.Mutex("a0").TryAcquire(e.ctx())
				if err == nil || p.answered() != 1 {
					t.Fatalf("%d requests met the proxy: %v", p.answered(), err)
				}
				var many sync.WaitGroup
				for i := 1; i < locks; i++ {
					many.Go(func() {
						if i == 1 {
							p.answer(text, 1)
						}
						s, err := l.Mutex(fmt.Sprint("a", i)).TryAcquire(e.ctx())
						if err == nil {
							_ = s.Release(e.ctx())
						}
					})
				}
				many.Wait()
				time.Sleep(late)
				p.answer("", 0)
				p.deliver(e)
				time.Sleep(cleanUp)
				for i := range locks {
					if n := e.direct.Exists(e.ctx(), fmt.Sprint("a", i)).Val(); n != 0 {
						t.Errorf("a%d is held by nobody", i)
					}
				}
			})
		})
	}
}

// TestForeignReplyToWaiter: a waiter and Lead go on.
func TestForeignReplyToWaiter(t *testing.T) {
	t.Parallel()
	waits := map[string]func(*holdfast.Mutex, context.Context) error{
		"acquire": func(mu *holdfast.Mutex, ctx context.Context) error {
			s, err := mu.Acquire(ctx)
			if err == nil {
				err = s.Release(ctx)
			}
			return err
		},
		"lead": func(mu *holdfast.Mutex, ctx context.Context) error {
			return mu.Lead(ctx, func(context.Context) error { return nil })
		},
	}
	eachForeign(t, func(t *testing.T, e *env, text string) {
		for name, wait := range waits {
			e.load()
			l, p := e.impatient()
			holder := e.acquire(e.locker().Mutex(name))
			got := make(chan error, 1)
			go func() { got <- wait(l.Mutex(name), e.ctx()) }()
			eventually(t, "it waits", func() bool {
				info, err := e.direct.HGet(e.ctx(), "holdfast:2:q:{"+name+"}", "q").Result()
				return err == nil && len(info) == 36
			})
			p.answer(text, 3)
			eventually(t, "its tries meet the proxy", func() bool { return p.answered() == 3 })
			e.must(holder.Release(e.ctx()))
			if err := <-got; err != nil {
				t.Errorf("%s ended: %v", name, err)
			}
		}
	})
}

// TestForeignReplyToRelease: Release insists, and the request that runs later takes no lock from
// whoever has it then.
func TestForeignReplyToRelease(t *testing.T) {
	eachForeign(t, func(t *testing.T, e *env, text string) {
		e.load()
		l, p := e.impatient(holdfast.WithTTL(time.Minute))
		s := e.acquire(l.Mutex("a"))
		p.answer(text, 2)
		if err := s.Release(e.ctx()); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if p.answered() != 2 {
			t.Errorf("%d requests met the proxy", p.answered())
		}
		next := e.acquire(e.locker().Mutex("a"))
		p.deliver(e)
		if err := next.Check(e.ctx()); err != nil {
			t.Errorf("a late release took the lock of the next: %v", err)
		}

		s = e.acquire(l.Mutex("b"))
		p.answer(text, 1)
		err := s.Extend(e.ctx(), time.Hour)
		if err == nil {
			t.Error("a proxy's error extends")
		}
		p.deliver(e)
		if valid := time.Until(s.ValidUntil()); valid > time.Minute {
			t.Errorf("trusted for %v after %v", valid, err)
		}
		if errors.Is(s.Err(), holdfast.ErrLost) {
			t.Errorf("lost: %v", s.Err())
		}
	})
}
