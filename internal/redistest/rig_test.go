package redistest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// rig is what the link tests run on: client goes through link, direct around it.
type rig struct {
	link           Link
	client, direct *redis.Client
	dial           func() (net.Conn, error)
}

// quick makes faults show once and soon, but not just because the machine is busy.
func quick(o *redis.Options) {
	o.MaxRetries = -1
	o.ReadTimeout = time.Second
}

// eventually polls: it works on real and on fake time.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 6000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

func get(c *redis.Client, key string) string {
	s, _ := c.Get(context.Background(), key).Result()
	return s
}

// set sends SET key in the background and returns once the bytes have left.
func (r *rig) set(t *testing.T, key string) <-chan error {
	t.Helper()
	before, _ := r.link.Held()
	errc := make(chan error, 1)
	go func() { errc <- r.client.Set(context.Background(), key, "x", 0).Err() }()
	eventually(t, "request held", func() bool {
		now, _ := r.link.Held()
		return now > before
	})
	return errc
}

// warm opens a connection, so that faults do not hit the greeting.
func (r *rig) warm(t *testing.T) {
	t.Helper()
	if err := r.client.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// isReset: with RESP3 on a socket go-redis swallows ECONNRESET and then reads
// EOF (see queue.failure).
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// rawConn is a connection of which the first PING has been answered.
func (r *rig) rawConn(t *testing.T) net.Conn {
	t.Helper()
	conn, err := r.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "*1\r\n$4\r\nPING\r\n")
	buf := make([]byte, 7)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "+PONG\r\n" {
		t.Fatalf("%q, %v", buf, err)
	}
	return conn
}
