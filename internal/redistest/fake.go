package redistest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Fake is an in-memory Redis on an in-memory network. Made inside a
// testing/synctest bubble it lives by the bubble's clock: TTLs, TIME, timeouts
// and delays take no real time.
type Fake struct {
	// M is the server itself, to look at its keys directly. M.FlushAll loses
	// the data; M.Close ends the server for good: dials are refused.
	M *miniredis.Miniredis

	t     testing.TB
	mu    sync.Mutex
	links []*FakeLink
	// isFrozen is what new links start with.
	isFrozen bool
}

// NewFake makes a server that is closed at the end of the test. In a bubble,
// pass the bubble's own t.
func NewFake(t testing.TB) *Fake {
	t.Helper()
	f := &Fake{M: miniredis.NewMiniRedis(), t: t}
	f.M.ClockTTL(true)
	// Dial is the only way to start it without a listener. Its connection is
	// a synchronous pipe, on which a long pipeline would deadlock, so links
	// bring connections of their own.
	conn, err := f.M.Dial()
	if err != nil {
		t.Fatalf("redistest: start miniredis: %v", err)
	}
	conn.Close()
	// Registered before those of the clients, hence run after them.
	t.Cleanup(f.M.Close)
	return f
}

// NewLink makes a path to the server with faults of its own.
func (f *Fake) NewLink() *FakeLink {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &FakeLink{fake: f}
	if f.isFrozen {
		l.holds |= frozen
	}
	f.links = append(f.links, l)
	f.t.Cleanup(l.Reset) // of a connection that was forgotten the server does not see the end
	return l
}

// Freeze stops the server as SIGSTOP would: dials succeed and requests are
// taken, but none is processed until Thaw. TTLs run on. (Replies already sent,
// and messages published directly on M, still arrive.)
func (f *Fake) Freeze() { f.setFrozen(true) }

// Thaw ends Freeze: the server processes what has arrived meanwhile.
func (f *Fake) Thaw() { f.setFrozen(false) }

func (f *Fake) setFrozen(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isFrozen = on
	for _, l := range f.links {
		l.change(func() {
			if l.holds &^= frozen; on {
				l.holds |= frozen
			}
		})
	}
}

// FakeLink is a Link to a Fake.
type FakeLink struct {
	gate
	fake *Fake
}

var _ Link = (*FakeLink)(nil)

// Client returns a go-redis client that dials through the link and is closed
// at the end of the test. Options are go-redis's defaults, changed by opts.
func (l *FakeLink) Client(opts ...func(*redis.Options)) *redis.Client {
	l.fake.t.Helper()
	o := &redis.Options{
		Addr:   "127.0.0.1:6379", // never dialed, but an IP needs no look-up
		Dialer: l.Dial,
		// A connection for every request of a test that does many things at once. Waiting
		// for one would not only delay them: go-redis keeps the timers of such waits for
		// the next that waits, and one that was made in a synctest bubble is fatal in another.
		PoolSize: 1000,
		// Else go-redis would do a DNS look-up, which leaves the bubble.
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	return newClient(l.fake.t, o, opts)
}

// Dial opens a connection through the link. It fits redis.Options.Dialer; the
// address is ignored.
func (l *FakeLink) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	l.fake.M.Lock()
	srv := l.fake.M.Server() // nil once closed
	l.fake.M.Unlock()
	var w *wire
	if srv != nil {
		w = l.newWire(nil)
	}
	if w == nil {
		return nil, errRefused
	}
	var closed atomic.Int32
	onClose := func() {
		if closed.Add(1) == 2 { // both ends
			l.forget(w)
		}
	}
	srv.ServeConn(&fakeConn{in: w.req, out: w.rep, onClose: onClose})
	return &fakeConn{in: w.rep, out: w.req, onClose: onClose}, nil
}

// fakeConn is one end of an in-memory connection.
type fakeConn struct {
	in, out   *queue
	closeOnce sync.Once
	onClose   func()

	mu            sync.Mutex
	writeDeadline time.Time
}

var _ net.Conn = (*fakeConn)(nil)

func (c *fakeConn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write never blocks. Like a socket's, it also succeeds when the bytes will
// never be read.
func (c *fakeConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	dl := c.writeDeadline
	c.mu.Unlock()
	if !dl.IsZero() && !time.Now().Before(dl) {
		return 0, os.ErrDeadlineExceeded
	}
	switch err := c.in.failure(); err {
	case nil:
	case io.EOF: // after a reset was reported
		return 0, errPipe
	default:
		return 0, err
	}
	c.out.write(p)
	return len(p), nil
}

// Close is orderly: what was written before still arrives, then EOF.
func (c *fakeConn) Close() error {
	c.closeOnce.Do(func() {
		c.out.close(io.EOF)
		c.in.abort(net.ErrClosed)
		c.onClose()
	})
	return nil
}

func (c *fakeConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *fakeConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

func (c *fakeConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	return nil
}

func (c *fakeConn) LocalAddr() net.Addr  { return fakeAddr{} }
func (c *fakeConn) RemoteAddr() net.Addr { return fakeAddr{} }

type fakeAddr struct{}

func (fakeAddr) Network() string { return "fake" }
func (fakeAddr) String() string  { return "fake" }
