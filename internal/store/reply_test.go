package store

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// FuzzDecode: whatever a server or a proxy replies, only a reply in the form of the scripts becomes a
// lease.
func FuzzDecode(f *testing.F) {
	f.Add(4, byte(0), int64(1), int64(10000), int64(1763), "")
	f.Add(5, byte(1), int64(0), int64(-1), int64(0), "host:1")
	f.Add(4, byte(2), int64(-7), int64(-2), int64(-1), "x")
	f.Add(2, byte(3), int64(2), int64(1<<62), int64(1<<53), "")
	f.Add(6, byte(0), int64(1), int64(10000), int64(1763), "")
	f.Add(8, byte(64), int64(1), int64(10000), int64(1763), "")
	f.Add(8, byte(128), int64(1), int64(10000), int64(1763), "")
	f.Add(8, byte(0), int64(1), int64(10000), int64(2), "")
	f.Add(7, byte(0), int64(1), int64(10000), int64(1763), "")
	f.Add(8, byte(0), int64(1), int64(10000), int64(1763), "")
	f.Fuzz(func(t *testing.T, n int, kinds byte, status, ttl, fence int64, label string) {
		if n < 0 || n > 8 {
			return
		}
		var v []any
		for i, x := range []any{status, ttl, fence, int64(0), label, label, int64(2), fence % 3}[:n] {
			if kinds>>i&1 == 1 {
				x = fmt.Sprint(x)
			}
			v = append(v, x)
		}
		r, err := decode(v)
		_, listed := waiters(label) // whose form is tested below
		good := (n == 4 || n == 5 || n == 8 && listed && kinds>>6 == 0 && fence%3 < 2) && kinds&15 == 0 && (status >= -7 && status <= 3 || status == -9 && n == 5 || status == -10 && n == 4) && ttl >= -1 && ttl <= (1<<63-1)/1_000_000 && fence >= 0
		if (err == nil) != good {
			t.Fatalf("decode(%v) = %+v, %v", v, r, err)
		}
		if err == nil && (r.Fence != fence || int64(r.Status) != status || r.TTL.Milliseconds() != ttl) {
			t.Fatalf("decode(%v) = %+v", v, r)
		}
	})
	for _, list := range []string{"0", "00000000000000x000", "000000000000000001", "-00000000000001000", "000000000000000-01", "999999999999999000"} {
		if queue, ok := waiters(list); ok {
			f.Errorf("waiters(%q) = %v", list, queue)
		}
	}
	for _, v := range []any{nil, "OK", int64(1), []any{}, map[any]any{}, errors.New("x")} {
		c := &Call{owner: "", Lock: NewLock(Mutex, "a")}
		if (&batch{calls: []*Call{c}, cmd: redis.NewCmdResult(v, nil)}).answer(); c.Err == nil {
			f.Errorf("%v is decoded as %+v", v, c.Reply)
		}
	}
}

// TestPlainReplies is FuzzDecode for replies that are one number for all locks of a call.
func TestPlainReplies(t *testing.T) {
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	id := NewID(NewLock(Mutex, "a"), strings.Repeat("x", 36), "")
	acquire := func() Call { return s.Acquire(Attempt{ID: id, TTL: time.Minute}, true) }
	release := func() Call { return s.Release(id, 0, 0, nil) }
	check := func() Call { return s.Check(id) }
	for _, c := range []struct {
		call func() Call
		v    any
		err  error // of a hook, after the answer
		want Reply // zero: refused
	}{
		{acquire, int64(1764200000000000), nil, Reply{Status: Held, TTL: time.Minute, Fence: 1764200000000000}},
		{acquire, int64(1764200000000000), io.EOF, Reply{}},
		{acquire, int64(1), nil, Reply{}},
		{acquire, int64(0), nil, Reply{}},
		{acquire, int64(-1764200000000000), nil, Reply{}},
		{acquire, int64(1 << 53), nil, Reply{}},
		{acquire, "1764200000000000", nil, Reply{}},
		{acquire, "OK", nil, Reply{}},
		{acquire, 1.5, nil, Reply{}},
		{release, int64(1), nil, Reply{Status: Held}},
		{release, int64(1), io.EOF, Reply{}},
		{release, int64(0), nil, Reply{}},
		{release, int64(2), nil, Reply{}},
		{release, int64(1764200000000000), nil, Reply{}},
		{check, int64(1), nil, Reply{}},
		{check, int64(1764200000000000), nil, Reply{}},
	} {
		calls := []Call{c.call(), c.call()}
		b := &batch{script: calls[0].script, calls: []*Call{&calls[0], &calls[1]}, cmd: redis.NewCmdResult(c.v, c.err)}
		b.answer()
		for _, got := range calls {
			if !reflect.DeepEqual(got.Reply, c.want) || (got.Err != nil) != (c.want.Status == 0) {
				t.Errorf("%v: %+v, %v; want %+v", c.v, got.Reply, got.Err, c.want)
			}
		}
	}
}

// TestTouchReplies is FuzzDecode for renewals by NAME alone.
func TestTouchReplies(t *testing.T) {
	const ttl = 1500*time.Millisecond + 300*time.Microsecond
	n := func(numbers ...int64) (reply []any) {
		for _, x := range numbers {
			reply = append(reply, x)
		}
		return reply
	}
	for _, c := range []struct {
		reply any
		left  []time.Duration // nil: refused
	}{
		{n(2), []time.Duration{1500 * time.Millisecond, 1500 * time.Millisecond}},
		{n(2, 2, 0), []time.Duration{1500 * time.Millisecond, 0}},
		{n(2, 2, 9000, 1, 0), []time.Duration{0, 9 * time.Second}},
		{n(), nil}, {n(1), nil}, {n(3), nil}, {n(2, 1), nil}, {n(2, 0, 5), nil}, {n(2, 3, 5), nil}, {n(2, 1, -1), nil},
		{n(2, 1, 1<<62), nil}, {[]any{"2"}, nil}, {append(n(2), "1", int64(5)), nil}, {append(n(2, 1), "5"), nil},
		{"OK", nil}, {int64(2), nil}, {nil, nil},
	} {
		part := []Touch{{Name: "a", Token: "t", TTL: ttl}, {Name: "b", Token: "u", TTL: ttl}}
		cmd := redis.NewCmd(t.Context())
		cmd.SetVal(c.reply)
		touched(part, cmd)
		for i, p := range part {
			switch {
			case c.left == nil && (p.Err == nil || p.Left != 0):
				t.Errorf("%v: %+v", c.reply, p)
			case c.left != nil && (p.Err != nil || p.Left != c.left[i]):
				t.Errorf("%v: %+v, want %v left", c.reply, p, c.left[i])
			}
		}
	}
}
