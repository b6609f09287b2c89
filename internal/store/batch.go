package store

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/scripts"
)

// batch is one call of a script, for one lock or several.
type batch struct {
	script *scripts.Script
	calls  []*Call // with the same script and arguments; a lone one may be for several locks: see together
	line   []any   // verb, script, number of keys, keys, arguments
	cmd    *redis.Cmd
	asked  grace.Question // of a script with a grace
}

// Do makes the calls in one round trip, and writes the reply or the error into each. Calls of the
// same script go together, so the calls do not run in the order in which they are given.
func (s *Store) Do(ctx context.Context, calls ...*Call) {
	s.do(ctx, s.client, calls, int(s.maxLocks.Load()))
}

// do makes calls, up to most of them in one call of a script. If that is refused, each is tried
// alone: see tryAlone.
func (s *Store) do(ctx context.Context, via sender, calls []*Call, most int) {
	batches := batchesOf(calls, most)
	if batches = s.ask(ctx, via, batches); len(batches) == 0 {
		return
	}
	s.send(ctx, via, batches)
	var alone, again []*Call
	for _, b := range batches {
		if s.tryAlone(b.cmd.Err()) && len(b.calls) > 1 {
			alone = append(alone, b.calls...)
		} else {
			b.answer()
			again = append(again, s.judge(b)...)
		}
	}
	if len(again) > 0 && ctx.Err() == nil {
		for _, c := range again {
			c.Err = nil
		}
		s.do(ctx, via, again, most)
	}
	if len(alone) > 0 {
		s.do(ctx, via, alone, 1)
	}
}

func batchesOf(calls []*Call, most int) (batches []*batch) {
next:
	for _, c := range calls {
		if _, several := c.owner.(together); most > 1 && !several {
			for _, b := range batches {
				if first := b.calls[0]; len(b.calls) < most && first.script == c.script && equal(first.args, c.args) {
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
	return batches
}

// equal compares arguments. Most often they are the same slice.
func equal(a, b []any) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// tryAlone reports whether a call for several locks that failed with err is to be repeated for each
// of them: one lock may be the reason, by a key for which the user has no right, say. The script has
// not begun then, because its own errors come for each lock. A server that refuses keys of several
// slots is sent one lock at a time from now on.
func (s *Store) tryAlone(err error) bool {
	if err == nil {
		return false
	}
	if redis.HasErrorPrefix(err, "CROSSSLOT") {
		s.maxLocks.Store(1)
	}
	return Answered(err) && !Transient(err)
}

// fill makes the line.
func (b *batch) fill() {
	args, locks := b.calls[0].args, b.locks()
	b.line = newLine(b.script, locks, locks+len(args))
	for key := range b.script.Keys {
		for i := range locks {
			b.line = append(b.line, b.id(i).Lock.keys[key])
		}
	}
	b.line = append(b.line, args...)
	for i := range locks {
		b.line = append(b.line, b.id(i).owner)
	}
}

// locks is for how many locks the call of the script is, and id whose the lease of the i-th is to be.
func (b *batch) locks() int {
	if len(b.calls) == 1 {
		return b.calls[0].Locks()
	}
	return len(b.calls)
}

func (b *batch) id(i int) ID {
	if ids, several := b.calls[0].owner.(together); several {
		return ids[i]
	}
	return ID{b.calls[i].Lock, b.calls[i].owner}
}

// firstKey is the index in a line at which the keys begin.
const firstKey = 3

func newLine(script *scripts.Script, locks, args int) []any {
	line := make([]any, firstKey, firstKey+locks*script.Keys+args)
	line[2] = locks * script.Keys
	return line
}

// answer gives each call its part of the reply.
func (b *batch) answer() {
	if t, several := b.calls[0].owner.(together); several {
		t.answer(b)
		return
	}
	v, err := b.cmd.Result()
	if err == nil && b.decodeShort(v) {
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
			c.Err = b.redact(toldError(text))
		} else {
			c.Reply, c.Err = decode(reply)
		}
	}
}

// decodeShort gives each call its part of a reply that is one number, which means that all locks of
// the call are the plain case (acquire.lua, release.lua). False if the reply is not that.
func (b *batch) decodeShort(v any) bool {
	n, ok := v.(int64)
	if !ok {
		return false
	}
	r, kind := Reply{Status: Held}, b.calls[0].Lock.kind
	switch {
	case b.script == kind.Acquire && n >= minFence && n < scripts.MaxFence:
		ttl, _ := b.calls[0].args[0].(int64)
		r.TTL, r.Fence = time.Duration(ttl)*time.Millisecond, n
	case b.script == kind.Release && n == 1:
	default:
		return false
	}
	for _, c := range b.calls {
		c.Reply = r
	}
	return true
}

// next splits the first lock's reply from those of several locks: four numbers, or an array if there
// is more than those. See lib_each.lua.
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

// redact takes the calls' tokens out of a server's error.
func (b *batch) redact(err error) error {
	tokens := make([]string, b.locks())
	for i := range tokens {
		tokens[i] = tokenOf(b.id(i).owner)
	}
	return redact(err, tokens...)
}
