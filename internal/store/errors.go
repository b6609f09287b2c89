package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// redact takes tokens out of a server's error: some quote the arguments of a command that
// they don't know. Of several tokens only those are looked for that are no word by chance.
func redact(err error, tokens ...string) error {
	if !Answered(err) {
		return err
	}
	text, _, quotes := strings.Cut(err.Error(), "with args beginning with")
	if quotes {
		text += "with args"
	}
	for _, token := range tokens {
		if token != "" && (len(tokens) == 1 || len(token) >= 8) {
			text = strings.ReplaceAll(text, token, "(token)")
		}
	}
	if text == err.Error() {
		return err
	}
	return scriptError(text)
}

// tokenOf returns an owner's token: see [ID].
func tokenOf(owner any) string {
	const attempt = 36
	text, _ := owner.(string)
	if len(text) > attempt {
		return text[attempt:]
	}
	return text
}

// scriptError is a server's error by its text.
type scriptError string

func (e scriptError) Error() string { return string(e) }
func (scriptError) RedisError()     {}

// Answered reports whether an error is the server's own answer. A script that answers
// with an error has not taken NAME: what can fail comes before that.
func Answered(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// Unsent reports whether a request that failed with err never left: then nothing is
// open. Of every other error that the server did not give, the request may have run, or
// may run yet.
func Unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed)
}

// Broken reports whether the connection had an end before the answer: likely before the
// request, if it had been idle, and another one will do.
func Broken(err error) bool {
	for _, end := range []error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// TimedOut reports whether the connection said nothing for the client's time-out.
func TimedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}

// passing are the answers that a server gives in a state that it leaves by itself: while
// it loads, fails over, moves slots or is busy or full.
var passing = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM",
	"MISCONF", "NOREPLICAS", "MOVED", "ASK", "UNBLOCKED", "max number of clients",
}

// Transient reports whether it makes sense to try again after err.
func Transient(err error) bool {
	if errors.Is(err, redis.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	if !Answered(err) {
		return true // the network, or a time-out
	}
	for _, prefix := range passing {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}
