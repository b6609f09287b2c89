package store

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestErrorClasses(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err                         error
		answered, unsent, transient bool
	}{
		{dial, false, true, true},
		{fmt.Errorf("x: %w", dial), false, true, true},
		{redis.ErrPoolTimeout, false, true, true},
		{redis.ErrClosed, false, true, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false, false, true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, false, false, true},
		{io.EOF, false, false, true},
		{context.DeadlineExceeded, false, false, true},
		{context.Canceled, false, false, false},
	} {
		if got := Answered(c.err); got != c.answered {
			t.Errorf("Answered(%v) = %v", c.err, got)
		}
		if got := Unsent(c.err); got != c.unsent {
			t.Errorf("Unsent(%v) = %v", c.err, got)
		}
		if got := Transient(c.err); got != c.transient {
			t.Errorf("Transient(%v) = %v", c.err, got)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}
