package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNoAnswer is found by [errors.Is] in an error that says: Redis did not answer in time, or there was
// no connection to it in time.
var ErrNoAnswer = errors.New("no answer from Redis in time")

// noAnswer is the error of a request that a time-out ended: the client's, or one of Holdfast's. It must
// not look like the end of the caller's context: errors.Is finds the client's error in it, but no error
// of a context.
type noAnswer struct {
	what string        // what was waited for
	took time.Duration // since the request began
	err  error         // the client's, if there is one
}

func (e *noAnswer) Error() string {
	text := fmt.Sprintf("no %s within %v", e.what, e.took.Round(time.Millisecond))
	if e.err == nil || isContext(e.err) {
		return text
	}
	return text + ": " + e.err.Error()
}

func (e *noAnswer) Is(target error) bool {
	return target == ErrNoAnswer || !isContext(target) && errors.Is(e.err, target)
}

func (e *noAnswer) As(target any) bool { return !isContext(e.err) && errors.As(e.err, target) }

// isContext reports whether err is the error of a context itself, with nothing around it.
func isContext(err error) bool { return err == context.DeadlineExceeded || err == context.Canceled }

// What was waited for.
const (
	anAnswer = "answer"
	freeConn = "free connection in the client's pool (all %d are in use)"
	newConn  = "connection (dial, TLS handshake)"
	someConn = "connection, free in the client's pool or new"
)

// inTime returns a noAnswer if the client's error is due to a time-out: it says what was waited for since
// began. Other errors stay as they are.
func (s *Store) inTime(began time.Time, err error) error {
	if err == nil || Answered(err) || errors.Is(err, ErrNoAnswer) {
		return err
	}
	var op *net.OpError
	var timeout net.Error
	what := anAnswer
	switch {
	case errors.Is(err, redis.ErrPoolTimeout):
		what = s.conns()
	case isContext(err): // go-redis looks at the context only while it waits for a connection
		what = s.conns()
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		what = newConn
	case errors.As(err, &timeout) && timeout.Timeout():
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
	default:
		return err
	}
	return &noAnswer{what, time.Since(began), err}
}

// conns says, of a request that waits for a connection, what that is.
func (s *Store) conns() string {
	switch used, known := s.usedUp(); {
	case used:
		return fmt.Sprintf(freeConn, s.pool)
	case known:
		return newConn
	}
	return someConn
}

// usedUp reports whether every connection that the client may have is in use, and whether that is
// known. It is not with a Cluster's client, which has a pool for each server.
func (s *Store) usedUp() (used, known bool) {
	if s.single == nil {
		return false, false
	}
	stats := s.single.PoolStats()
	return s.pool > 0 && int(stats.TotalConns)-int(stats.IdleConns) >= s.pool, true
}

// NoAnswer is the error of a request that has had no answer for so long.
func (s *Store) NoAnswer(took time.Duration) error {
	what := anAnswer
	if used, _ := s.usedUp(); used {
		what += ", or " + s.conns()
	}
	return &noAnswer{what, took, nil}
}

// EndedBy reports whether err is, or comes from, this error of a context. Whether the context was the
// caller's, the caller must know.
func EndedBy(err, context error) bool {
	var e *noAnswer
	if errors.As(err, &e) && e.err != nil {
		err = e.err
	}
	return errors.Is(err, context)
}
