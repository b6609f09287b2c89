package holdfast_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

// Faults between a Locker and its Redis, and means to see what they lead to.

// fault is a way to cut a holder off from Redis, and to undo that.
type fault struct {
	name         string
	cut, restore func(e *env, link redistest.Link)
	all          bool // it stops the server: nobody gets the lock before it is undone
}

// cutoffs are the ways in which a holder can lose Redis for good.
var cutoffs = []fault{
	{name: "held", cut: onLink(redistest.Link.Cut), restore: onLink(redistest.Link.Heal)},
	{name: "replies held", cut: onLink(redistest.Link.HoldReplies), restore: onLink(redistest.Link.Heal)},
	{name: "requests held", cut: onLink(redistest.Link.HoldRequests), restore: onLink(redistest.Link.Heal)},
	{name: "refused", cut: onLink(redistest.Link.Refuse), restore: onLink(redistest.Link.Heal)},
	{name: "frozen", all: true, cut: freeze, restore: thaw},
}

func onLink(f func(redistest.Link)) func(*env, redistest.Link) {
	return func(_ *env, link redistest.Link) { f(link) }
}

func freeze(e *env, _ redistest.Link) {
	if e.fake != nil {
		e.fake.Freeze()
	} else {
		e.server.Stop()
	}
}

func thaw(e *env, _ redistest.Link) {
	if e.fake != nil {
		e.fake.Thaw()
	} else {
		e.server.Cont()
	}
}

// endOf tells when the session's context is done, by the channel that work waits for.
func endOf(s *holdfast.Session) <-chan time.Time {
	ended := make(chan time.Time, 1)
	go func() {
		<-s.Done()
		ended <- time.Now()
	}()
	return ended
}

// marginOf is the safety margin as the documentation of WithTTL has it.
func marginOf(ttl time.Duration) time.Duration { return ttl/50 + 20*time.Millisecond }

// auxOf is the second key of a lock whose name has no hash tag.
func auxOf(name string) string { return locktest.AuxOf(name) }

// tokenIn returns the token that holds a lock, empty if nothing does.
func (e *env) tokenIn(name string) string {
	if !locktest.AsPermits() {
		if e.fake != nil { // which may be frozen
			token, _ := e.fake.M.Get(name)
			return token
		}
		return e.direct.Get(e.ctx(), name).Val()
	}
	var fields []string
	if e.fake != nil {
		fields, _ = e.fake.M.HKeys(name)
	} else {
		fields, _ = e.direct.HKeys(e.ctx(), name).Result()
	}
	for _, field := range fields {
		if token, holder := strings.CutPrefix(field, "t"); holder {
			return token
		}
	}
	return strings.Trim(strings.Join(fields, ""), "=") // kept by a minimum hold
}

// tap sits in a client and sees each script call on its way. A link knows connections
// only; a tap can delay, lose, reorder and repeat single requests.
type tap struct {
	mu      sync.Mutex
	calls   []call
	deliver func(c call, send func() error) error // nil: send
}

// call is one script call as it left.
type call struct {
	script string
	args   []any
}

// scriptNames are the scripts by both ways to call them.
var scriptNames = map[any]string{}

func init() {
	for _, of := range []*scripts.Set{scripts.Mutex, scripts.Permits} {
		for name, s := range map[string]*scripts.Script{
			"acquire": of.Acquire, "resume": of.Resume, "renew": of.Renew, "extend": of.Extend,
			"release": of.Release, "free": of.Free, "drop": of.Drop, "check": of.Check, "announce": of.Announce, "inspect": of.Inspect, "force": of.Force,
		} {
			if s != nil {
				scriptNames[s.Hash], scriptNames[s.Source] = name, name
			}
		}
	}
	scriptNames[scripts.Touch.Hash], scriptNames[scripts.Touch.Source] = "renew", "renew" // its short form
}

// tapped returns a Locker whose requests pass the tap, on a link without faults.
func (e *env) tapped(p *tap, opts ...holdfast.Option) *holdfast.Locker {
	_, client := e.link()
	client.AddHook(p)
	l := holdfast.New(client, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l
}

// crowded returns a Locker whose client has a connection for every request of a test that
// does many things at once, as those on the fake have anyway.
func (e *env) crowded(opts ...holdfast.Option) *holdfast.Locker {
	if e.fake != nil {
		return e.locker(opts...)
	}
	l := holdfast.New(e.server.Client(func(o *redis.Options) { o.PoolSize = 1000 }), opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l
}

// load makes the scripts known to the server, so that a tap sees each request once and
// not also as the answer NOSCRIPT.
func (e *env) load() {
	e.t.Helper()
	for key := range maps.Keys(scriptNames) {
		if text := key.(string); len(text) > 40 {
			if err := e.direct.ScriptLoad(e.ctx(), text).Err(); err != nil {
				e.t.Fatal(err)
			}
		}
	}
}

func (p *tap) setDeliver(f func(c call, send func() error) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deliver = f
}

// sent returns the calls so far.
func (p *tap) sent() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// holdNext holds back the next call of a script, and lets the others pass. The function
// that it returns delivers it.
func (p *tap) holdNext(script string) (deliver func()) {
	var taken atomic.Bool
	release := make(chan struct{})
	p.setDeliver(func(c call, send func() error) error {
		if c.script == script && taken.CompareAndSwap(false, true) {
			<-release
		}
		return send()
	})
	return sync.OnceFunc(func() { close(release) })
}

// count returns how many calls of a script have come so far.
func (p *tap) count(script string) (n int) {
	for _, c := range p.sent() {
		if c.script == script {
			n++
		}
	}
	return n
}

// await returns when the next call of a script has come, and what it leads to is done.
func (p *tap) await(script string) {
	for n := p.count(script); p.count(script) == n; {
		time.Sleep(time.Millisecond)
	}
	synctest.Wait()
}

func (p *tap) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook takes each call of a pipeline as if it came alone.
func (p *tap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	one := p.ProcessHook(func(ctx context.Context, cmd redis.Cmder) error { return next(ctx, []redis.Cmder{cmd}) })
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds[0].Args()) < 2 || scriptNames[cmds[0].Args()[1]] == "" {
			return next(ctx, cmds) // the client's own, on a connection that it makes
		}
		failed := make(chan error, len(cmds))
		for _, cmd := range cmds {
			go func() {
				err := one(ctx, cmd)
				if err != nil {
					cmd.SetErr(err)
				}
				failed <- err
			}()
		}
		var first error
		for range cmds {
			first = errors.Join(first, <-failed)
		}
		return first
	}
}

func (p *tap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		name := ""
		if len(args) > 1 {
			name = scriptNames[args[1]]
		}
		if name == "" {
			return next(ctx, cmd)
		}
		c := call{name, slices.Clone(args)}
		p.mu.Lock()
		p.calls = append(p.calls, c)
		deliver := p.deliver
		p.mu.Unlock()
		if deliver == nil {
			return next(ctx, cmd)
		}
		// What is on its way can't be called back: the caller's context is not asked.
		return deliver(c, func() error { return next(context.WithoutCancel(ctx), cmd) })
	}
}

// repeat sends a call once more, past every fault.
func (e *env) repeat(c call) (any, error) { return e.direct.Do(e.ctx(), c.args...).Result() }
