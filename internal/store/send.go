package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/scripts"
)

// send sends scripts by their hash. Those that the server does not know are loaded and sent again,
// or sent whole if they can't be loaded. This is no second run: a server that does not know a script
// has not run it.
func (s *Store) send(ctx context.Context, via sender, batches []*batch) {
	if s.Sharded() {
		defer s.suspectLate()()
		defer s.suspectFailed(batches)
	}
	began := time.Now()
	sendAs(ctx, via, batches, byHash)
	unknown := unknownOf(batches)
	if len(unknown) > 0 && s.load(ctx, via, unknown) {
		sendAs(ctx, via, unknown, byHash)
		unknown = unknownOf(unknown)
	}
	if len(unknown) > 0 {
		sendAs(ctx, via, unknown, whole)
	}
	for _, b := range batches {
		if err := b.cmd.Err(); err != nil {
			b.cmd.SetErr(s.inTime(began, err))
		}
	}
}

// sender is what scripts are sent by: a client, or a connection.
type sender interface {
	Process(context.Context, redis.Cmder) error
	Pipeline() redis.Pipeliner
}

// form is how a script is sent: the command, and its first argument.
type form func(*scripts.Script) (verb, script string)

func byHash(s *scripts.Script) (string, string) { return "evalsha", s.Hash }
func whole(s *scripts.Script) (string, string)  { return "eval", s.Source }

// prepare makes the command of a batch.
func (b *batch) prepare(ctx context.Context, as form) {
	b.line[0], b.line[1] = as(b.script)
	b.cmd = redis.NewCmd(ctx, b.line...)
	b.cmd.SetFirstKeyPos(firstKey)
}

// unknownOf returns the batches whose script the server does not know.
func unknownOf(batches []*batch) (unknown []*batch) {
	for _, b := range batches {
		if err := b.cmd.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			unknown = append(unknown, b)
		}
	}
	return unknown
}

func sendAs(ctx context.Context, via sender, batches []*batch, as form) {
	for _, b := range batches {
		b.prepare(ctx, as)
	}
	if len(batches) == 1 {
		if err := via.Process(ctx, noRetry{batches[0].cmd}); err != nil {
			batches[0].cmd.SetErr(err)
		}
		return
	}
	pipe := via.Pipeline()
	for _, b := range batches {
		_ = pipe.Process(ctx, noRetry{b.cmd}) // only queues it
	}
	exec(ctx, pipe, batches...)
}

// exec sends what a pipeline holds, which includes the batches' commands.
func exec(ctx context.Context, pipe redis.Pipeliner, batches ...*batch) {
	if _, err := pipe.Exec(ctx); err != nil {
		for _, b := range batches {
			if b.cmd.Err() == nil && b.cmd.Val() == nil {
				b.cmd.SetErr(err)
			}
		}
	}
}

// noRetry keeps go-redis from sending a command again by itself, after its time-out. A lease is counted
// from when its request was sent, so the packages above this one must know each sending, and they
// decide whether and when to try again.
type noRetry struct{ *redis.Cmd }

func (noRetry) NoRetry() bool { return true }
