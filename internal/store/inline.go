package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// CanInline reports whether [Store.DoInline] works: there is only one server, and the client is one
// of go-redis itself, which sets the time-outs of a connection anew for each request.
func (s *Store) CanInline() bool {
	return s.single != nil && (s.guard == nil || !s.guard.Due("")) && s.single.Options().ReadTimeout >= 0 && s.single.Options().WriteTimeout >= 0
}

// DoInline makes a call in the caller's goroutine, and waits at most d for the answer; longer only if
// a hook of the client blocks. False if no answer came: the call may have run, or may run later.
// ctx, which should end about as soon, bounds what comes before the request, such as a new
// connection. A hook that panics counts as no answer: the caller must not be left with half a
// request. Only if [Store.CanInline].
func (s *Store) DoInline(ctx context.Context, d time.Duration, c *Call) (answered bool) {
	defer func() {
		if recover() != nil {
			answered = false
		}
	}()
	began := time.Now()
	via := s.inlineConn(d)
	for again := true; again; {
		c.Err = nil
		b := &batch{script: c.script, calls: []*Call{c}}
		b.fill()
		if len(s.ask(ctx, via, []*batch{b})) > 0 {
			s.send(ctx, via, []*batch{b})
			b.answer()
		}
		again = len(s.judge(b)) > 0 && ctx.Err() == nil && time.Since(began) < d
	}
	// The clock must agree: a hook may put a time-out into another form.
	return c.Err == nil || replied(c.Err) ||
		time.Since(began) < d && !errors.Is(ctx.Err(), context.DeadlineExceeded) &&
			!TimedOut(c.Err) && !errors.Is(c.Err, ErrNoAnswer) && !errors.Is(c.Err, context.DeadlineExceeded)
}

// inline has what inline calls are sent by.
type inline struct {
	mu    sync.Mutex
	to    *redis.Client // has the short time-outs, and no hooks
	since time.Time
	n     int         // calls since then
	conn  *redis.Conn // has the client's hooks, and sends by to; nil: make a new one
}

// A new conn has the hooks of the moment. To make one takes a twentieth of an acquisition and release,
// so if there are inlineMany calls within inlineReuse, they share one.
const (
	inlineReuse = 10 * time.Millisecond
	inlineMany  = 16
)

// inlineConn returns what sends with the client's hooks and connections, with a read time-out of d.
// A request's deadline also bounds what is said on a new connection first, unless a hook drops the
// context. WithTimeout returns a client without hooks, hence viaHook.
func (s *Store) inlineConn(d time.Duration) sender {
	in := &s.inline
	in.mu.Lock()
	defer in.mu.Unlock()
	if now := time.Now(); now.Sub(in.since) >= inlineReuse {
		in.since, in.n, in.conn = now, 0, nil
	}
	in.n++
	if in.conn != nil {
		return in.conn
	}
	if in.to == nil {
		if read := s.single.Options().ReadTimeout; read > 0 {
			d = min(d, read)
		}
		in.to = s.single.WithTimeout(d)
		in.to.Options().ContextTimeoutEnabled = true // WithTimeout has copied the options
	}
	conn := hooked(s.single, in.to)
	if in.n >= inlineMany {
		in.conn = conn
	}
	return conn
}

// hooked returns what runs the hooks of one client and sends by another.
func hooked(client, to *redis.Client) *redis.Conn {
	conn := client.Conn() // has the hooks, and never takes a connection, since viaHook sends nothing by it
	conn.AddHook(viaHook{to})
	return conn
}

// viaHook is a hook, the last one, that has another client send the commands.
type viaHook struct{ to *redis.Client }

func (viaHook) DialHook(next redis.DialHook) redis.DialHook       { return next }
func (v viaHook) ProcessHook(redis.ProcessHook) redis.ProcessHook { return v.to.Process }
func (v viaHook) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		pipe := v.to.Pipeline()
		for _, cmd := range cmds {
			_ = pipe.Process(ctx, cmd) // only queues it
		}
		_, err := pipe.Exec(ctx)
		return err
	}
}
