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

// redact takes tokens out of a server's error: some servers quote the arguments of a command that
// they don't know. If there are several tokens, those shorter than 8 characters stay, because they may
// be words of the error. redact also puts the error's code first, as Redis 7 does.
func redact(err error, tokens ...string) error {
	if !replied(err) {
		return err
	}
	text := err.Error()
	if bare, _ := raised(text, false); codes[firstWord(bare)] != foreign {
		text = bare
	}
	text, _, quotes := strings.Cut(text, "with args beginning with")
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
	return scriptError{text, verdictOf(err)}
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// scriptError is an error reply: its text, and what it says of the script.
type scriptError struct {
	text    string
	verdict verdict
}

func (e scriptError) Error() string { return e.text }
func (scriptError) RedisError()     {}

// toldError is the error that a script replied for one lock of several.
func toldError(told string) scriptError {
	text, _ := raised(told, true)
	return scriptError{text, judge(told, true)}
}

// verdictOf returns what an error says of the script that was called; foreign if it is no reply.
func verdictOf(err error) verdict {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return foreign
	}
	if own, ok := reply.(scriptError); ok {
		return own.verdict
	}
	return judge(reply.Error(), false)
}

// Answered reports whether an error is Redis's own answer. A script that answers with an error has
// not taken NAME: what can fail comes before that. A reply that is not known to come from Redis is
// no answer: a proxy may have made it while the script runs all the same.
func Answered(err error) bool { return verdictOf(err) != foreign }

// replied reports whether an answer came, from Redis or from a proxy.
func replied(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// Unsent reports whether a request that failed with err was never sent, and so will not run. After
// every other error that is not the server's, the request may have run, or may still run.
func Unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed)
}

// Broken reports whether the connection was closed before the answer. If it had been idle, it was most
// likely closed before the request, and another connection will do.
func Broken(err error) bool {
	for _, end := range []error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// TimedOut reports whether no answer came within the client's time-out.
func TimedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}

// Moving reports whether Redis says that a script can't run now because the lock's slot migrates from
// one node of a Cluster to another. A node runs a script for several keys only if it has them all,
// and some of a lock's keys most often don't exist.
func Moving(err error) bool {
	if err == nil || !Answered(err) {
		return false
	}
	text, _ := raised(err.Error(), false)
	switch firstWord(text) {
	case "TRYAGAIN", "ASK", "MOVED":
		return true
	}
	return strings.Contains(text, "access a non local key in a cluster node")
}

// Transient reports whether it makes sense to try again after err.
func Transient(err error) bool {
	if errors.Is(err, redis.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	return verdictOf(err) != refusing // the network, a time-out, a proxy, or a state that passes
}
