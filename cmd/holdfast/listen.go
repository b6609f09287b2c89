package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const listenHelp = `With --listen it answers HTTP at that address, and needs no password for it. A port
alone is one of 127.0.0.1: write 0.0.0.0:8080 to be reached from elsewhere, by IPv6, too.

  /leader   200 while this process leads, else 503; as JSON, who leads
  /healthz  200, also while it waits and while Redis can't be reached; 503 if
            the program can't be killed
  /metrics  for Prometheus`

// Bounds of a request: a client that is slow, or says nothing, takes up a connection for no longer.
const (
	requestTime  = 5 * time.Second
	answerTime   = 5 * time.Second
	idleTime     = time.Minute // more than the time between two probes
	mostHeader   = 8 << 10
	farewellTime = time.Second // for requests under way at the end
	// mostOpen is how many connections are open at a time: they must not use up the files that the
	// connections to Redis need.
	mostOpen = 256
)

// listenAddress is where to listen: a port, or one without a host, is loopback's, so that nobody
// opens it to the network by leaving something out.
func listenAddress(addr string) (string, error) {
	whole := addr
	if !strings.Contains(addr, ":") {
		whole = ":" + addr
	}
	host, port, err := net.SplitHostPort(whole)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", usageError(fmt.Errorf("--listen %q is neither HOST:PORT nor PORT: a port is a number from 0 to 65535, and an IPv6 address is in brackets", addr))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// listener answers HTTP about a lead.
type listener struct {
	socket net.Listener
	server *http.Server
	served chan struct{} // closed when it accepts no more
}

// listen begins to answer at an address of listenAddress.
func listen(addr string, m *monitor, logTo io.Writer) (*listener, error) {
	socket, err := net.Listen("tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			err = op.Err // the rest of the message is the address
		}
		return nil, fmt.Errorf("--listen: no answers can be given at %s: %w", addr, err)
	}
	complaints := log.New(logTo, "holdfast: --listen: ", 0)
	l := &listener{socket: socket, served: make(chan struct{}), server: &http.Server{
		Handler: m.handler(), ErrorLog: complaints, MaxHeaderBytes: mostHeader,
		ReadTimeout: requestTime, WriteTimeout: requestTime + answerTime, IdleTimeout: idleTime,
		ConnState: bounded(),
	}}
	go func() { // ends with close, which waits for it
		defer close(l.served)
		if err := l.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			complaints.Printf("no more answers are given: %v", err)
		}
	}()
	return l, nil
}

// bounded closes connections that are too many.
func bounded() func(net.Conn, http.ConnState) {
	var open atomic.Int32
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > mostOpen {
				_ = c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

func (l *listener) addr() string { return l.socket.Addr().String() }

// close ends it, and requests that are under way if they take long.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close()
	}
	<-l.served
}

// handler answers about what m knows. Another path is a 404, and another method a 405.
func (m *monitor) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(path, kind string, of func() (status int, body string)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { // and HEAD
			status, body := of()
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // who asked has gone
		})
	}
	answer("/leader", "application/json", m.leader)
	answer("/healthz", "text/plain; charset=utf-8", m.health)
	answer("/metrics", metricsType, m.metrics)
	return mux
}

// leaderJSON is what /leader says. Fields may be added; none is removed or changes its meaning. Those of
// who leads are null if that is not known.
type leaderJSON struct {
	Leads      bool    `json:"leads"` // this process
	Name       string  `json:"name"`
	NameBase64 string  `json:"name_base64,omitempty"` // if the name is no UTF-8
	Label      *string `json:"label"`
	Fence      *int64  `json:"fence"`
	Since      *string `json:"since"`
}

func (m *monitor) leader() (status int, body string) {
	answer, status := leaderJSON{Name: m.name}, http.StatusServiceUnavailable
	if !utf8.ValidString(m.name) {
		answer.NameBase64 = base64.StdEncoding.EncodeToString([]byte(m.name))
	}
	now := m.now()
	if answer.Leads = now.leads; now.leads {
		status = http.StatusOK
	}
	if l := now.leader; l != nil {
		since := l.since.UTC().Format(time.RFC3339Nano)
		answer.Label, answer.Fence, answer.Since = &l.label, &l.fence, &since
	}
	var text strings.Builder
	_ = writeJSON(&text, answer, "") // can't fail: strings and numbers
	return status, text.String()
}

func (m *monitor) health() (status int, body string) {
	if late := m.now().unkilled; late > clearTime {
		return http.StatusServiceUnavailable, fmt.Sprintf("the program was killed %v ago and has not ended\n", late.Round(time.Second))
	}
	return http.StatusOK, "ok\n"
}
