package holdfast_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// The requests of a lone caller, who sends them itself while Redis answers fast.

// warm has the Locker ask, so that the next request is sent inline by its caller.
func warm(e *env, l *holdfast.Locker) {
	e.t.Helper()
	e.must(e.acquire(l.Mutex("warm")).Release(e.ctx()))
	synctest.Wait() // until nothing else is under way
}

// noticed is how long a caller that is in a request may hear nothing else.
const noticed = 50 * time.Millisecond

// TestInlineCancelled: a caller whose ctx ends while Redis says nothing is told soon, and so is
// one whose Locker is closed. Nothing is left behind.
func TestInlineCancelled(t *testing.T) {
	for name, fault := range map[string]func(redistest.Link){
		"requests held": redistest.Link.HoldRequests,
		"replies held":  redistest.Link.HoldReplies,
		"reset":         func(l redistest.Link) { l.HoldRequests(); l.Reset() },
	} {
		for _, close := range []bool{false, true} {
			onFake(t, func(t *testing.T, e *env) {
				l, link := e.linked()
				warm(e, l)
				fault(link)
				ctx, cancel := context.WithCancel(e.ctx())
				defer cancel()
				want, off := context.Canceled, cancel
				if close {
					want, off = holdfast.ErrClosed, func() { go l.Close() }
				}
				const after = 10 * time.Millisecond
				time.AfterFunc(after, off)
				begin := time.Now()
				_, err := l.Mutex("a").Acquire(ctx)
				if took := time.Since(begin); !errors.Is(err, want) || took > after+noticed {
					t.Errorf("%s, closed: %v: Acquire = %v after %v", name, close, err, took)
				}
				link.Heal()
				time.Sleep(20 * time.Second)
				if held(t, e, "a") {
					t.Errorf("%s, closed: %v: the lock is held", name, close)
				}
			})
		}
	}
}

// TestInlineSlow: a Redis that has become slow, or stalls for a moment, is no error.
func TestInlineSlow(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l, link := e.linked()
		for range 3 {
			warm(e, l)
			link.Delay(200 * time.Millisecond)
			begin := time.Now()
			s := e.acquire(l.Mutex("a"))
			// The inline request, a new connection, the request, the withdrawal being due later.
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("Acquire took %v", took)
			}
			e.must(s.Release(e.ctx()))
			link.Delay(0)
			link.HoldReplies()
			time.AfterFunc(noticed/2, link.Heal)
			begin = time.Now()
			s = e.acquire(l.Mutex("b"))
			if took := time.Since(begin); took > 2*noticed {
				t.Errorf("Acquire took %v", took)
			}
			e.must(s.Release(e.ctx()))
		}
		if held(t, e, "a") || held(t, e, "b") {
			t.Error("held after Release")
		}
	})
}

// mislay makes the next request of a script time out; it is delivered by the function that is
// returned, or, with ran, at once.
func (p *tap) mislay(script string, ran bool) (deliver func() error) {
	var taken atomic.Bool
	late := make(chan func() error, 1)
	p.setDeliver(func(c call, send func() error) error {
		if c.script != script || !taken.CompareAndSwap(false, true) {
			return send()
		}
		if ran {
			_ = send()
		} else {
			late <- send
		}
		return os.ErrDeadlineExceeded
	})
	return func() error { return (<-late)() }
}

// TestInlineLate: a request that was sent again and arrives after all does nothing any more.
func TestInlineLate(t *testing.T) {
	for _, token := range []string{"", "given"} {
		onFake(t, func(t *testing.T, e *env) {
			p := &tap{}
			l := e.tapped(p)
			warm(e, l)
			deliver := p.mislay("acquire", false)
			n := p.count("acquire")
			var opts []holdfast.Option
			if token != "" {
				opts = append(opts, holdfast.WithToken(token))
			}
			s := e.acquire(l.Mutex("a"), opts...)
			if n := p.count("acquire") - n; n != 2 {
				t.Errorf("Acquire asked %d times, not twice", n)
			}
			e.must(s.Release(e.ctx()))
			e.must(deliver())
			if held(t, e, "a") {
				t.Error("taken by a request of a session that is over")
			}
			e.must(e.acquire(l.Mutex("a"), opts...).Release(e.ctx()))
		})
	}
}

// TestInlineAgain: a release that ran without an answer has released.
func TestInlineAgain(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		p := &tap{}
		l := e.tapped(p)
		s := e.acquire(l.Mutex("a"))
		warm(e, l)
		p.mislay("release", true)
		n := p.count("release")
		e.must(s.Release(e.ctx()))
		if n := p.count("release") - n; n != 2 {
			t.Errorf("Release asked %d times, not twice", n)
		}
		p.mislay("acquire", true)
		e.must(e.acquire(l.Mutex("a")).Release(e.ctx()))
		if held(t, e, "a") {
			t.Error("held after Release")
		}
	})
}

// TestInlineHooks: a lone caller's requests go through the client's hooks, those that came last
// too, and through no others.
func TestInlineHooks(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		client := e.client().(*redis.Client)
		l := holdfast.New(client)
		defer l.Close()
		for i := range 3 {
			p := &tap{}
			client.AddHook(p)
			for range i + 1 {
				warm(e, l)
			}
			if a, r := p.count("acquire"), p.count("release"); a != i+1 || r != i+1 {
				t.Errorf("hook %d saw %d acquisitions and %d releases of %d", i, a, r, i+1)
			}
		}
		for range 20 {
			warm(e, l)
		}
		time.Sleep(10 * time.Millisecond)
		p := &tap{}
		client.AddHook(p)
		for range 20 {
			warm(e, l)
		}
		if a, r := p.count("acquire"), p.count("release"); a != 20 || r != 20 {
			t.Errorf("the hook that came after many requests saw %d acquisitions and %d releases", a, r)
		}
	})
}

// TestInlineOthers: a client of another kind, of which Holdfast knows less, works as ever: no
// request counts as sent twice, which would leave a tombstone at each release.
func TestInlineOthers(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := &tap{}
		client := e.client().(*redis.Client)
		client.AddHook(p)
		l := holdfast.New(struct{ redis.UniversalClient }{client})
		defer l.Close()
		for range 3 {
			warm(e, l)
		}
		for _, c := range p.sent() {
			if n := len(c.args); c.script == "release" && n != 8 { // a tombstone comes with one more
				t.Errorf("a release has %d arguments: %v", n, c.args[6:n-1])
			}
		}
		if n := len(p.sent()); n != 6 {
			t.Errorf("%d requests for 3 acquisitions and releases", n)
		}
	})
}

// TestInlineHookErrors: what hooks do is theirs, but the end of an inline request is not the caller's:
// not if a hook gives a time-out in its own words, and not if it panics.
func TestInlineHookErrors(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		link, client := e.link()
		var worded, panics atomic.Bool
		p := &tap{}
		client.AddHook(p)
		l := holdfast.New(client)
		defer l.Close()
		p.setDeliver(func(_ call, send func() error) error {
			if panics.CompareAndSwap(true, false) {
				panic("a hook's")
			}
			err := send()
			if err != nil && worded.Load() {
				return errors.New("unavailable")
			}
			return err
		})
		warm(e, l)
		worded.Store(true)
		link.HoldReplies()
		time.AfterFunc(3*noticed, link.Heal)
		e.must(e.acquire(l.Mutex("a")).Release(e.ctx()))
		worded.Store(false)

		for _, use := range []func(){
			func() { e.must(e.acquire(l.Mutex("a")).Release(e.ctx())) },
			func() { warm(e, l) },
		} {
			warm(e, l)
			time.Sleep(time.Second) // nothing else is under way then, with which the request would go
			panics.Store(true)
			use()
		}
	})
}

// TestInlineConnects: to make a new connection, with all that is said on it, takes no longer
// unheard either.
func TestInlineConnects(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		link, client := e.link()
		l := holdfast.New(client)
		defer l.Close()
		warm(e, l)
		link.Reset()
		link.Delay(noticed * 9 / 20) // each way: one answer would be in time
		const after = 10 * time.Millisecond
		ctx, cancel := context.WithCancel(e.ctx())
		defer cancel()
		time.AfterFunc(after, cancel)
		begin := time.Now()
		_, err := l.Mutex("a").Acquire(ctx)
		if took := time.Since(begin); !errors.Is(err, context.Canceled) || took > after+noticed {
			t.Errorf("Acquire = %v after %v", err, took)
		}
	})
}
