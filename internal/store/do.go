package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// batch is one call of a script, for one lock or several.
type batch struct {
	script *scripts.Script
	calls  []*Call
	line   []any // verb, script, number of keys, keys, arguments
	cmd    *redis.Cmd
}

// Do makes the calls, in one round trip, and notes in each what came of it. The calls of
// the same script go together, in another order than the others.
func (s *Store) Do(ctx context.Context, calls ...*Call) { s.do(ctx, calls, int(s.chunk.Load())) }

func (s *Store) do(ctx context.Context, calls []*Call, chunk int) {
	var batches []*batch
next:
	for _, c := range calls {
		if chunk > 1 {
			for _, b := range batches {
				if first := b.calls[0]; len(b.calls) < chunk && first.script == c.script && alike(first.args, c.args) {
					b.calls = append(b.calls, c)
					continue next
				}
			}
		}
		batches = append(batches, &batch{script: c.script, calls: []*Call{c}})
	}
	for _, b := range batches {
		b.fill()
	}
	s.send(ctx, s.client, batches)
	var alone []*Call
	for _, b := range batches {
		if len(b.calls) > 1 && s.refused(b.cmd.Err()) {
			alone = append(alone, b.calls...)
		} else {
			b.answer()
		}
	}
	if len(alone) > 0 {
		s.do(ctx, alone, 1)
	}
}

// Briefly makes a call whose answer it does not wait for longer than d, if the client's hooks
// don't, and returns false if none came; the call may run all the same. The context's end, which is
// to be about as near, is for what comes before that. A panic of a hook is no answer either: the
// caller must not be left with half of a request. Only if [Store.Brief].
func (s *Store) Briefly(ctx context.Context, d time.Duration, c *Call) (answered bool) {
	defer func() {
		if recover() != nil {
			answered = false
		}
	}()
	began := time.Now()
	b := &batch{script: c.script, calls: []*Call{c}}
	b.fill()
	s.send(ctx, s.hasty(d), []*batch{b})
	b.answer()
	// By the clock, too: a hook may give the error of a time-out another form.
	return c.Err == nil || Answered(c.Err) ||
		time.Since(began) < d && !errors.Is(ctx.Err(), context.DeadlineExceeded) &&
			!TimedOut(c.Err) && !errors.Is(c.Err, context.DeadlineExceeded)
}

// haste is what hasty sends by.
type haste struct {
	mu    sync.Mutex
	to    *redis.Client // has the short time-outs, and no hooks
	since time.Time
	n     int         // requests since then
	conn  *redis.Conn // has the hooks, and to; nil if it is to be made anew
}

// To make a haste's conn, with the hooks of the moment, takes a twentieth of an acquisition and
// release. Those who send so many requests in so long have it made no more often.
const (
	hasteTime = 10 * time.Millisecond
	hasteMany = 16
)

// hasty returns what sends by the client's connections and through its hooks, but waits no
// longer than d for an answer, nor beyond the deadline of a request's context for all that is said
// on a new connection; hooks may drop the context. The client that WithTimeout returns has
// options of its own, and no hooks.
func (s *Store) hasty(d time.Duration) sender {
	h := &s.haste
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.since) >= hasteTime {
		h.since, h.n, h.conn = now, 0, nil
	}
	h.n++
	if h.conn != nil {
		return h.conn
	}
	if h.to == nil {
		if read := s.single.Options().ReadTimeout; read > 0 {
			d = min(d, read)
		}
		h.to = s.single.WithTimeout(d)
		h.to.Options().ContextTimeoutEnabled = true
	}
	conn := s.single.Conn() // which has the hooks, and by them never comes to ask for a connection
	conn.AddHook(detour{h.to})
	if h.n >= hasteMany {
		h.conn = conn
	}
	return conn
}

// detour is the last hook of commands that another client shall send.
type detour struct{ to *redis.Client }

func (detour) DialHook(next redis.DialHook) redis.DialHook       { return next }
func (d detour) ProcessHook(redis.ProcessHook) redis.ProcessHook { return d.to.Process }
func (detour) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// alike compares arguments, which most often are the very same.
func alike(a, b []any) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// refused reports whether err may be due to one of the locks of a call: to a key for which
// the user has no right, say. Then the script has not begun, whose own errors come for each
// lock, and they are to be tried one by one. Where keys of several slots are refused it is
// so from here on.
func (s *Store) refused(err error) bool {
	if err == nil {
		return false
	}
	if redis.HasErrorPrefix(err, "CROSSSLOT") {
		s.chunk.Store(1)
	}
	return Answered(err) && !Transient(err)
}

// fill writes the line of calls that are alike.
func (b *batch) fill() {
	args := b.calls[0].args
	b.line = newLine(b.script, len(b.calls), len(b.calls)+len(args))
	for key := range b.script.Keys {
		for _, c := range b.calls {
			b.line = append(b.line, c.Lock.keys[key])
		}
	}
	b.line = append(b.line, args...)
	for _, c := range b.calls {
		b.line = append(b.line, c.owner)
	}
}

func newLine(script *scripts.Script, locks, args int) []any {
	line := make([]any, 3, 3+locks*script.Keys+args)
	line[2] = locks * script.Keys
	return line
}

// answer gives each call its part of the reply.
func (b *batch) answer() {
	v, err := b.cmd.Result()
	if err == nil && b.plainly(v) {
		return
	}
	replies, ok := v.([]any)
	if err == nil && (!ok || len(b.calls) > 1 && count(replies) != len(b.calls)) {
		err = malformed(v)
	}
	if err != nil {
		err = b.redact(err)
		for _, c := range b.calls {
			c.Err = err
		}
		return
	}
	if len(b.calls) == 1 {
		b.calls[0].Reply, b.calls[0].Err = decode(replies)
		return
	}
	for _, c := range b.calls {
		var reply []any
		reply, replies = next(replies)
		if text, ok := failure(reply); ok {
			c.Err = b.redact(scriptError(text))
		} else {
			c.Reply, c.Err = decode(reply)
		}
	}
}

// plainly gives each call its part of the one number that is the reply if all are plain cases:
// false if it is no such reply.
func (b *batch) plainly(v any) bool {
	n, ok := v.(int64)
	if !ok {
		return false
	}
	r := Reply{Status: Held}
	switch {
	case b.script == scripts.Acquire && n >= fenceLeast && n < fenceMost:
		ttl, _ := b.calls[0].args[0].(int64)
		r.TTL, r.Fence = time.Duration(ttl)*time.Millisecond, n
	case b.script == scripts.Release && n == 1:
	default:
		return false
	}
	for _, c := range b.calls {
		c.Reply = r
	}
	return true
}

// next takes a lock's reply off those of several: four numbers, or an array of more. See
// each.lua.
func next(replies []any) (reply, rest []any) {
	if _, number := replies[0].(int64); !number {
		reply, _ = replies[0].([]any)
		return reply, replies[1:]
	}
	n := min(numbers, len(replies))
	return replies[:n], replies[n:]
}

// count returns for how many locks there are replies.
func count(replies []any) (n int) {
	for ; len(replies) > 0; n++ {
		_, replies = next(replies)
	}
	return n
}

// redact takes the tokens out of a server's error: see redact.
func (b *batch) redact(err error) error {
	tokens := make([]string, len(b.calls))
	for i, c := range b.calls {
		tokens[i] = tokenOf(c.owner)
	}
	return redact(err, tokens...)
}

// Touch is a lease, whose token is its own attempt, to be renewed for TTL; and then what is
// left, 0 if NAME does not hold the token any more.
type Touch struct {
	Name, Token string
	TTL, Left   time.Duration
	Err         error
}

// Touch renews leases in one round trip; those that lie together and have the same TTL, by one
// call of the script. Check tells why one could not be.
func (s *Store) Touch(ctx context.Context, touches []Touch) {
	s.touch(ctx, touches, int(s.chunk.Load()))
}

func (s *Store) touch(ctx context.Context, touches []Touch, chunk int) {
	var batches []*batch
	var parts [][]Touch
	for rest := touches; len(rest) > 0; {
		ttl, n := rest[0].TTL, 1
		for n < min(chunk, len(rest)) && rest[n].TTL == ttl {
			n++
		}
		part := rest[:n]
		rest = rest[n:]
		b := &batch{script: scripts.Touch, line: newLine(scripts.Touch, n, n+1)}
		for _, t := range part {
			b.line = append(b.line, t.Name)
		}
		b.line = append(b.line, ttl.Milliseconds())
		for _, t := range part {
			b.line = append(b.line, t.Token)
		}
		batches, parts = append(batches, b), append(parts, part)
	}
	s.send(ctx, s.client, batches)
	for i, part := range parts {
		if cmd := batches[i].cmd; len(part) > 1 && s.refused(cmd.Err()) {
			s.touch(ctx, part, 1)
		} else {
			touched(part, cmd)
		}
	}
}

// touched reads the reply to one batch.
func touched(part []Touch, cmd *redis.Cmd) {
	v, err := cmd.Result()
	if err == nil && !odd(part, v) {
		err = malformed(v)
	}
	if err != nil {
		tokens := make([]string, len(part))
		for i, t := range part {
			tokens[i] = t.Token
		}
		err = redact(err, tokens...)
		for i := range part {
			part[i].Left, part[i].Err = 0, err
		}
	}
}

// odd notes what is left of each lease: its TTL, but for those that the reply names. False if
// it is no such reply.
func odd(part []Touch, v any) bool {
	reply, ok := v.([]any)
	if !ok || len(reply)%2 != 1 || reply[0] != int64(len(part)) {
		return false
	}
	for i := range part {
		part[i].Left = part[i].TTL.Truncate(time.Millisecond)
	}
	for ; len(reply) > 1; reply = reply[2:] {
		i, ok1 := reply[1].(int64)
		left, ok2 := reply[2].(int64)
		if !ok1 || !ok2 || i < 1 || i > int64(len(part)) || left < 0 || left > most {
			return false
		}
		part[i-1].Left = time.Duration(left) * time.Millisecond
	}
	return true
}

// send sends scripts by their hash, and whole those that the server does not know: a
// server that says so has not run it, so this is not a second run.
func (s *Store) send(ctx context.Context, client sender, batches []*batch) {
	if s.sharded {
		defer time.AfterFunc(DoubtAfter, s.Doubt).Stop()
		defer s.doubt(batches)
	}
	sendAs(ctx, client, batches, byHash)
	var unknown []*batch
	for _, b := range batches {
		if b.unknown() {
			unknown = append(unknown, b)
		}
	}
	if len(unknown) > 0 {
		sendAs(ctx, client, unknown, whole)
	}
}

// doubt asks for the servers anew if one of them could not be asked.
func (s *Store) doubt(batches []*batch) {
	for _, b := range batches {
		if err := b.cmd.Err(); err != nil && !Answered(err) && !errors.Is(err, context.Canceled) {
			s.Doubt()
			return
		}
	}
}

// form is how a script is sent: a command, and by what that knows the script.
type form func(*scripts.Script) (verb, script string)

func byHash(s *scripts.Script) (string, string) { return "evalsha", s.Hash }
func whole(s *scripts.Script) (string, string)  { return "eval", s.Source }

// prepare makes the command of a batch.
func (b *batch) prepare(ctx context.Context, as form) {
	b.line[0], b.line[1] = as(b.script)
	b.cmd = redis.NewCmd(ctx, b.line...)
	b.cmd.SetFirstKeyPos(3)
}

// unknown reports whether the server does not know the script by its hash.
func (b *batch) unknown() bool {
	err := b.cmd.Err()
	return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT")
}

// sender is what scripts are sent by.
type sender interface {
	Process(context.Context, redis.Cmder) error
	Pipeline() redis.Pipeliner
}

func sendAs(ctx context.Context, client sender, batches []*batch, as form) {
	for _, b := range batches {
		b.prepare(ctx, as)
	}
	if len(batches) == 1 {
		if err := client.Process(ctx, once{batches[0].cmd}); err != nil {
			batches[0].cmd.SetErr(err)
		}
		return
	}
	pipe := client.Pipeline()
	for _, b := range batches {
		_ = pipe.Process(ctx, once{b.cmd}) // which only queues it
	}
	exec(ctx, pipe, batches...)
}

// exec sends what a pipeline holds, the batches' commands among it.
func exec(ctx context.Context, pipe redis.Pipeliner, batches ...*batch) {
	if _, err := pipe.Exec(ctx); err != nil {
		for _, b := range batches {
			if b.cmd.Err() == nil && b.cmd.Val() == nil {
				b.cmd.SetErr(err)
			}
		}
	}
}

// once keeps go-redis from sending a command again by itself. It would do so behind the
// back of whoever counts a lease from the moment of sending, and after its time-out;
// whether and when to try again is decided above this package.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }
