package redistest

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Proxy is a Link over TCP: it listens on 127.0.0.1 and forwards to a server.
//
// Connections and bytes count when the proxy has taken them, which may be a
// moment after the client's dial or write: wait for Held before ResetLate. While its server
// is down, a proxy accepts connections and then resets them, unless it holds
// requests: then it does not try to connect.
type Proxy struct {
	gate
	t       testing.TB
	backend string // guarded by the gate
	port    int
	running sync.WaitGroup

	opMu   sync.Mutex // serialises what opens and closes the listener
	ln     net.Listener
	closed bool
}

var _ Link = (*Proxy)(nil)

// Proxy makes a proxy to the server, closed at the end of the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	p := &Proxy{t: t, backend: s.Addr()}
	for range startTries {
		var err error
		if p.port, err = freePort(); err != nil {
			t.Fatal(err)
		}
		if p.listen() == nil {
			t.Cleanup(p.close)
			return p
		}
		returnPort(p.port)
	}
	t.Fatal("redistest: found no port for the proxy")
	return nil
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Lead has new connections lead to another server; those that are open stay.
func (p *Proxy) Lead(to *Server) { p.change(func() { p.backend = to.Addr() }) }

// to is where a new connection leads.
func (p *Proxy) to() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.backend
}

// Client returns a client that goes through the proxy; see Server.Client.
func (p *Proxy) Client(opts ...func(*redis.Options)) *redis.Client {
	return newClient(p.t, &redis.Options{Addr: p.Addr()}, opts)
}

func (p *Proxy) listen() error {
	ln, err := net.Listen("tcp", p.Addr())
	if err != nil {
		return err
	}
	p.ln = ln
	p.running.Go(func() { p.serve(ln) })
	return nil
}

// unlisten is called with opMu held.
func (p *Proxy) unlisten() {
	if p.ln != nil {
		p.ln.Close()
		p.ln = nil
	}
}

func (p *Proxy) Refuse() {
	p.opMu.Lock()
	defer p.opMu.Unlock()
	p.unlisten()
	// After that, so that a connection accepted meanwhile is reset as well.
	p.gate.Refuse()
}

func (p *Proxy) Heal() {
	p.opMu.Lock()
	defer p.opMu.Unlock()
	p.gate.Heal()
	if p.ln != nil || p.closed {
		return
	}
	var err error
	for range 100 { // somebody else may hold the port for a moment
		if err = p.listen(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Errorf("redistest: proxy cannot listen again: %v", err)
}

func (p *Proxy) close() {
	p.opMu.Lock()
	p.closed = true
	p.unlisten()
	p.gate.Refuse()
	p.opMu.Unlock()
	p.running.Wait()
	returnPort(p.port)
}

func (p *Proxy) serve(ln net.Listener) {
	for told := false; ; {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// No more files, say. The kernel has accepted whoever waits here, for ever if this
			// ended.
			if !told {
				told = true
				p.t.Errorf("redistest: a proxy can't accept: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c := &carrier{p: p, client: conn.(*net.TCPConn)}
		if c.w = p.newWire(c.abort); c.w == nil {
			abort(c.client)
			continue
		}
		p.running.Go(c.run)
	}
}

// carrier moves the bytes of one connection: client -> req -> server and
// server -> rep -> client, each arrow a goroutine.
type carrier struct {
	p      *Proxy
	w      *wire
	client *net.TCPConn
	server *net.TCPConn // nil until the first request; guarded by the gate
}

// abort resets the connections; the gate is locked.
func (c *carrier) abort(late bool) {
	abort(c.client)
	if c.server != nil && !late {
		abort(c.server)
	}
}

// abort closes a connection so that the peer sees ECONNRESET.
func abort(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

func (c *carrier) run() {
	var tasks sync.WaitGroup
	tasks.Go(func() {
		// However the client leaves, what it has sent still arrives.
		pour(c.w.req, c.client)
		c.w.req.close(io.EOF)
	})
	tasks.Go(func() {
		if drain(c.client, c.w.rep) == io.EOF {
			c.client.CloseWrite()
		} else {
			abort(c.client) // which ends the first task, too
		}
	})
	if c.connect() {
		tasks.Go(func() {
			if err := pour(c.w.rep, c.server); err == io.EOF {
				c.w.rep.close(io.EOF)
			} else {
				c.w.rep.close(errReset)
			}
		})
		if drain(c.server, c.w.req) == io.EOF {
			c.server.CloseWrite()
		} else {
			abort(c.server)
		}
	}
	tasks.Wait()
	c.client.Close()
	if c.server != nil {
		c.server.Close()
	}
	c.p.forget(c.w)
}

// connect dials the server as soon as there is something to deliver: in a
// black hole nobody may learn whether the server is up.
func (c *carrier) connect() bool {
	_, err := c.w.req.read(nil) // waits only
	if err == nil {
		var conn net.Conn
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", c.p.to()); err == nil {
			c.p.mu.Lock()
			defer c.p.mu.Unlock()
			if c.w.req.err == nil {
				c.server = conn.(*net.TCPConn)
				return true
			}
			abort(conn.(*net.TCPConn)) // reset meanwhile
			return false
		}
		c.w.req.abort(errReset)
	}
	if errors.Is(err, io.EOF) {
		c.w.rep.close(io.EOF)
	} else {
		c.w.rep.close(errReset)
	}
	return false
}

// pour moves bytes from src to q until src fails.
func pour(q *queue, src *net.TCPConn) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		q.write(buf[:n])
		if err != nil {
			return err
		}
	}
}

// drain moves bytes from q to dst until either fails or q ends.
func drain(dst *net.TCPConn, q *queue) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := q.read(buf)
		if err != nil {
			return err
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
	}
}
