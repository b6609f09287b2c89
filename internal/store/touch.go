package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// Touch is the renewal for TTL of a mutex's lease whose token is its own attempt. Afterwards Left is
// what is left, or 0 if NAME does not hold the token any more.
type Touch struct {
	Name, Token string
	TTL, Left   time.Duration
	Err         error
}

// Touch renews leases in one round trip. Neighbours with the same TTL share a call of the script. A
// Check tells why a lease was not renewed.
func (s *Store) Touch(ctx context.Context, touches []Touch) {
	s.touch(ctx, s.client, touches, int(s.maxLocks.Load()))
}

func (s *Store) touch(ctx context.Context, via sender, touches []Touch, most int) {
	var batches []*batch
	var parts [][]Touch
	for rest := touches; len(rest) > 0; {
		ttl, n := rest[0].TTL, 1
		for n < min(most, len(rest)) && rest[n].TTL == ttl {
			n++
		}
		batches, parts = append(batches, touchBatch(rest[:n])), append(parts, rest[:n])
		rest = rest[n:]
	}
	for _, b := range batches {
		s.asYounger(b)
	}
	s.send(ctx, via, batches)
	for i, part := range parts {
		if cmd := batches[i].cmd; len(part) > 1 && s.tryAlone(cmd.Err()) {
			s.touch(ctx, via, part, 1)
		} else {
			touched(part, cmd)
		}
	}
}

// touchBatch is the call of the script for leases with the same TTL.
func touchBatch(part []Touch) *batch {
	b := &batch{script: scripts.Touch, line: newLine(scripts.Touch, len(part), len(part)+1)}
	for _, t := range part {
		b.line = append(b.line, t.Name)
	}
	b.line = append(b.line, part[0].TTL.Milliseconds())
	for _, t := range part {
		b.line = append(b.line, t.Token)
	}
	return b
}

// touched writes the reply to one batch, or its error, into each lease of it.
func touched(part []Touch, cmd *redis.Cmd) {
	v, err := cmd.Result()
	if err == nil && !decodeTouch(part, v) {
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

// decodeTouch writes what is left of each lease: its TTL, except for those that the reply names.
// False if it is not a reply of touch.lua.
func decodeTouch(part []Touch, v any) bool {
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
		if !ok1 || !ok2 || i < 1 || i > int64(len(part)) || left < 0 || left > maxMillis {
			return false
		}
		part[i-1].Left = time.Duration(left) * time.Millisecond
	}
	return true
}
