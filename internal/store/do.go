package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// batch is one call of a script, for one lock or several.
type batch struct {
	script *scripts.Script
	calls  []*Call
	keys   []any
	args   []any
	cmd    *redis.Cmd
}

// Do makes the calls, in one round trip, and notes in each what came of it. The calls of
// the same script go together, in another order than the others.
func (s *Store) Do(ctx context.Context, calls ...*Call) {
	var batches []*batch
	for _, c := range calls {
		b := s.batchFor(batches, c)
		if b == nil {
			b = &batch{script: c.script}
			batches = append(batches, b)
		}
		b.calls = append(b.calls, c)
		b.keys = append(b.keys, c.Keys.Name, c.Keys.Aux)
		if c.script.Keys == 3 {
			b.keys = append(b.keys, c.Keys.Queue)
		}
		b.args = append(b.args, c.args...)
	}
	s.send(ctx, batches)
	for _, b := range batches {
		b.answer()
	}
}

// batchFor returns the batch that a call can join.
func (s *Store) batchFor(batches []*batch, c *Call) *batch {
	for i := len(batches) - 1; i >= 0; i-- {
		b := batches[i]
		if b.script == c.script && len(b.calls) < s.chunk && len(b.calls[0].args) == len(c.args) {
			return b
		}
		if s.chunk == 1 {
			return nil
		}
	}
	return nil
}

// answer gives each call its part of the reply.
func (b *batch) answer() {
	v, err := b.cmd.Result()
	if err != nil {
		for _, c := range b.calls {
			c.Err = b.redact(err)
		}
		return
	}
	if len(b.calls) == 1 {
		b.calls[0].Reply, b.calls[0].Err = decode(v)
		return
	}
	replies, ok := v.([]any)
	for i, c := range b.calls {
		if !ok || len(replies) != len(b.calls) {
			c.Err = malformed(v)
			continue
		}
		if c.Reply, c.Err = decode(replies[i]); c.Err == nil && c.Reply.Status == failed {
			c.Reply, c.Err = Reply{}, b.redact(scriptError(c.Reply.Label))
		}
	}
}

// redact takes the tokens out of a server's error: see redact.
func (b *batch) redact(err error) error {
	for _, c := range b.calls {
		err = redact(err, c.args)
	}
	return err
}

// Touch is a lease of an ID whose token is its own attempt, to be renewed for TTL; and
// then what is left, 0 if it is not this ID's any more.
type Touch struct {
	ID   *ID
	TTL  time.Duration
	Left time.Duration
}

// Touch renews leases in one round trip. Where it finds one not to be the ID's, Check
// tells why.
func (s *Store) Touch(ctx context.Context, touches []Touch) error {
	var batches []*batch
	for i := 0; i < len(touches); i += s.chunk {
		b := &batch{script: scripts.Touch}
		for _, t := range touches[i:min(i+s.chunk, len(touches))] {
			b.keys = append(b.keys, t.ID.Keys.Name)
			b.args = append(b.args, t.ID.Token, t.TTL.Milliseconds())
		}
		batches = append(batches, b)
	}
	s.send(ctx, batches)
	for i, b := range batches {
		v, err := b.cmd.Result()
		if err != nil {
			for _, t := range touches {
				err = redact(err, []any{t.ID.Token})
			}
			return err
		}
		left, ok := v.([]any)
		if !ok || len(left) != len(b.keys) {
			return malformed(v)
		}
		for j, ms := range left {
			n, ok := ms.(int64)
			if !ok || n < 0 || n > most {
				return malformed(ms)
			}
			touches[i*s.chunk+j].Left = time.Duration(n) * time.Millisecond
		}
	}
	return nil
}

// send sends scripts by their hash, and whole those that the server does not know: a
// server that says so has not run it, so this is not a second run.
func (s *Store) send(ctx context.Context, batches []*batch) {
	s.exec(ctx, batches, func(b *batch) (string, string) { return "evalsha", b.script.Hash })
	var unknown []*batch
	for _, b := range batches {
		if redis.HasErrorPrefix(b.cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, b)
		}
	}
	if len(unknown) > 0 {
		s.exec(ctx, unknown, func(b *batch) (string, string) { return "eval", b.script.Source })
	}
}

func (s *Store) exec(ctx context.Context, batches []*batch, form func(*batch) (verb, script string)) {
	for _, b := range batches {
		verb, script := form(b)
		line := make([]any, 0, 3+len(b.keys)+len(b.args))
		line = append(append(append(line, verb, script, len(b.keys)), b.keys...), b.args...)
		b.cmd = redis.NewCmd(ctx, line...)
		b.cmd.SetFirstKeyPos(3)
	}
	if len(batches) == 1 {
		if err := s.client.Process(ctx, once{batches[0].cmd}); err != nil {
			batches[0].cmd.SetErr(err)
		}
		return
	}
	pipe := s.client.Pipeline()
	for _, b := range batches {
		_ = pipe.Process(ctx, once{b.cmd}) // which only queues it
	}
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
