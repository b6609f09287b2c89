package holdfasttest

import (
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bubble returns the number of the synctest bubble in which the calling goroutine is, or "". There is
// no API for that; the first line of a stack trace shows it.
func bubble() string {
	var buf [256]byte
	head, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
	_, rest, _ := strings.Cut(head, "synctest bubble ")
	return rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
}

// isOuter reports whether t is surely not that of a bubble. If a later version of Go, or a testing.TB
// of another kind, does not tell, it is false.
func isOuter(t testing.TB) bool {
	v := reflect.ValueOf(t)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return false
	}
	f := v.Elem().FieldByName("isSynctest")
	return f.IsValid() && f.Kind() == reflect.Bool && !f.Bool()
}

// wrongBubble says what is wrong with a call from here, or "".
func (r *Redis) wrongBubble() string {
	here := bubble()
	switch {
	case here == r.bubble:
		return ""
	case r.bubble == "":
		return "is used in a synctest bubble, but was made outside of it: " +
			"call holdfasttest.New in the function that synctest.Test runs, with its t"
	case here == "":
		return "was made in a synctest bubble and is used outside of it: " +
			"use it in the function that synctest.Test runs, and only in goroutines that were started there"
	}
	return "was made in another synctest bubble: each bubble needs its own holdfasttest.New"
}

// enter is the beginning of a method.
func (r *Redis) enter(method string) {
	r.t.Helper()
	wrong := r.wrongBubble()
	switch {
	case wrong == "":
	case r.ended.Load(): // t can't fail any more
		panic("holdfasttest: " + method + ": the Redis " + wrong)
	default:
		r.t.Fatalf("holdfasttest: %s: the Redis %s", method, wrong)
	}
}

// mustBeInside panics if a Locker or client is used where it would hang, as the runtime does for the
// channels of a bubble. The goroutine may be any, so it can't fail the test.
func (r *Redis) mustBeInside() {
	if wrong := r.wrongBubble(); wrong != "" {
		panic("holdfasttest: the Redis of this Locker or client " + wrong)
	}
}

// insideConn calls mustBeInside wherever a client begins something.
type insideConn struct {
	net.Conn
	r *Redis
}

func (c insideConn) Read(b []byte) (int, error) {
	c.r.mustBeInside()
	return c.Conn.Read(b)
}

func (c insideConn) Write(b []byte) (int, error) {
	c.r.mustBeInside()
	return c.Conn.Write(b)
}

func (c insideConn) SetDeadline(t time.Time) error {
	c.r.mustBeInside()
	return c.Conn.SetDeadline(t)
}

func (c insideConn) SetReadDeadline(t time.Time) error {
	c.r.mustBeInside()
	return c.Conn.SetReadDeadline(t)
}

func (c insideConn) SetWriteDeadline(t time.Time) error {
	c.r.mustBeInside()
	return c.Conn.SetWriteDeadline(t)
}

// thawed is the beginning of a method that asks the server.
func (r *Redis) thawed(method, name string) {
	r.t.Helper()
	r.enter(method)
	r.mu.Lock()
	frozen := r.frozen
	r.mu.Unlock()
	if frozen {
		r.t.Fatalf("holdfasttest: %s(%q): the server is frozen and answers nobody: call Thaw first", method, name)
	}
}
