package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy forwards TCP connections on 127.0.0.1 to a server, each byte a delay later, until
// it is cut: from then on it takes what comes and forwards nothing, as a network does that
// is gone. No connection is closed, and nobody is told.
type proxy struct {
	ln      net.Listener
	server  string
	delay   time.Duration // each way
	gone    atomic.Bool
	running sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // nil after close
	ended bool
}

func newProxy(server string, delay time.Duration) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, server: server, delay: delay}
	p.running.Go(p.serve) // until close, which waits for it and for what it started
	return p, nil
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

func (p *proxy) cut() { p.gone.Store(true) }

func (p *proxy) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.ended = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// keep has the connection closed by close, at once if that was called.
func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	if p.ended {
		_ = c.Close()
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.keep(client)
		if p.gone.Load() {
			continue // accepted by the kernel, and that is all
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.keep(server)
		p.pipe(client, server)
		p.pipe(server, client)
	}
}

type parcel struct {
	due  time.Time
	data []byte
}

// pipe carries one direction: one goroutine stamps what comes, the other delivers it when
// it is due. Either's end closes both connections.
func (p *proxy) pipe(from, to net.Conn) {
	under := make(chan parcel, 1024)
	p.running.Go(func() {
		defer close(under)
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				under <- parcel{time.Now().Add(p.delay), append([]byte(nil), buf[:n]...)}
			}
			if err != nil {
				return
			}
		}
	})
	p.running.Go(func() {
		wait, stop := newSleeper()
		defer stop()
		failed := false
		for c := range under {
			if p.delay > 0 {
				wait(time.Until(c.due))
			}
			if failed || p.gone.Load() {
				continue
			}
			if _, err := to.Write(c.data); err != nil {
				failed = true
				_ = from.Close()
			}
		}
		if !p.gone.Load() {
			_ = to.Close()
		}
	})
}
