package redistest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

var linkTests = []struct {
	name string
	run  func(*testing.T, *rig)
}{
	{"Cut", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.Cut()
		if err := <-r.set(t, "k"); !isTimeout(err) {
			t.Fatalf("want a timeout, got %v", err)
		}
		conn, err := r.dial()
		if err != nil {
			t.Fatalf("dial while cut: %v", err)
		}
		conn.Close()
		if get(r.direct, "k") != "" {
			t.Fatal("request went through")
		}
		// The client has given up and closed, but its request still arrives.
		r.link.Heal()
		eventually(t, "late request applied", func() bool { return get(r.direct, "k") == "x" })
		r.warm(t)
	}},
	{"CutSurvived", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.Cut()
		errc := r.set(t, "k")
		r.link.Heal()
		if err := <-errc; err != nil {
			t.Fatal(err)
		}
	}},
	{"HoldRequests", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldRequests()
		if err := <-r.set(t, "k"); !isTimeout(err) {
			t.Fatalf("want a timeout, got %v", err)
		}
		if get(r.direct, "k") != "" {
			t.Fatal("request went through")
		}
		r.link.Heal()
		eventually(t, "late request applied", func() bool { return get(r.direct, "k") == "x" })
	}},
	{"HoldReplies", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldReplies()
		if err := r.client.Set(context.Background(), "k", "x", 0).Err(); !isTimeout(err) {
			t.Fatalf("want a timeout, got %v", err)
		}
		if get(r.direct, "k") != "x" {
			t.Fatal("request did not run")
		}
		r.link.Heal()
		r.warm(t)
	}},
	{"Reset", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldRequests()
		errc := r.set(t, "k")
		r.link.Reset()
		if err := <-errc; !isReset(err) {
			t.Fatalf("want a reset, got %v", err)
		}
		r.link.Heal()
		r.warm(t)
		if get(r.direct, "k") != "" {
			t.Fatal("held request was not dropped")
		}
	}},
	{"ResetLate", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldRequests()
		errc := r.set(t, "k")
		r.link.ResetLate()
		if err := <-errc; !isReset(err) {
			t.Fatalf("want a reset, got %v", err)
		}
		if get(r.direct, "k") != "" {
			t.Fatal("request came before Heal")
		}
		r.link.Heal()
		eventually(t, "late request applied", func() bool { return get(r.direct, "k") == "x" })
		r.warm(t)
	}},
	{"ResetErrors", func(t *testing.T, r *rig) {
		for _, reset := range []func(){r.link.Reset, r.link.ResetLate, r.link.Refuse} {
			conn := r.rawConn(t)
			reset()
			// At once, and in the order in which a socket has them.
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("first: %v", err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("then: %v", err)
			}
			if _, err := conn.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Fatalf("write: %v", err)
			}
		}
	}},
	{"ServerCloses", func(t *testing.T, r *rig) {
		conn := r.rawConn(t)
		r.link.HoldReplies()
		fmt.Fprint(conn, "*1\r\n$4\r\nQUIT\r\n")
		eventually(t, "reply held", func() bool { _, n := r.link.Held(); return n > 0 })
		r.link.Heal()
		if got, err := io.ReadAll(conn); string(got) != "+OK\r\n" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}},
	{"ResetLateReset", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldRequests()
		errc := r.set(t, "k")
		r.link.ResetLate()
		<-errc
		r.link.Reset()
		r.link.Heal()
		r.warm(t)
		if get(r.direct, "k") != "" {
			t.Fatal("held request was not dropped")
		}
	}},
	{"Refuse", func(t *testing.T, r *rig) {
		r.warm(t)
		r.link.HoldRequests()
		errc := r.set(t, "k")
		r.link.Refuse()
		if err := <-errc; !isReset(err) {
			t.Fatalf("want a reset, got %v", err)
		}
		for range 2 {
			_, err := r.dial()
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("want refused, got %v", err)
			}
		}
		r.link.Refuse() // twice is fine
		r.link.Heal()
		r.warm(t)
		if get(r.direct, "k") != "" {
			t.Fatal("held request was not dropped")
		}
	}},
	{"Delay", func(t *testing.T, r *rig) {
		r.warm(t)
		const d = 200 * time.Millisecond
		r.link.Delay(d)
		start := time.Now()
		r.warm(t)
		if took := time.Since(start); took < 2*d {
			t.Fatalf("took %v with a delay of %v each way", took, d)
		}
		r.link.Delay(0)
		start = time.Now()
		r.warm(t)
		if took := time.Since(start); took >= 2*d {
			t.Fatalf("took %v without delay", took)
		}
	}},
	{"Order", func(t *testing.T, r *rig) {
		conn, err := r.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Shrinking delays must not reorder; nor may a hold in between.
		var want []string
		for i := range 20 {
			r.link.Delay(time.Duration(20-i) * time.Millisecond)
			if i == 10 {
				r.link.Cut()
			}
			v := fmt.Sprintf("%02d", i)
			fmt.Fprintf(conn, "*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$2\r\n%s\r\n", v)
			want = append(want, v)
			time.Sleep(time.Millisecond)
		}
		r.link.Heal()
		ctx := context.Background()
		eventually(t, "all arrived", func() bool { return r.direct.LLen(ctx, "l").Val() == 20 })
		if got := r.direct.LRange(ctx, "l", 0, -1).Val(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("order changed: %v", got)
		}
	}},
	{"BigPipeline", func(t *testing.T, r *rig) {
		// More than any buffer takes: both directions must flow at once.
		const n = 5000
		value := strings.Repeat("x", 200)
		ctx := context.Background()
		_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range n {
				p.Set(ctx, fmt.Sprint(i), value, 0)
				p.Get(ctx, fmt.Sprint(i))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.direct.DBSize(ctx).Val(); got != n {
			t.Fatalf("%d keys", got)
		}
	}},
}

func TestFakeLink(t *testing.T) {
	for _, tt := range linkTests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFake(t)
				l := f.NewLink()
				tt.run(t, &rig{
					link: l, client: l.Client(quick), direct: f.NewLink().Client(),
					dial: func() (net.Conn, error) { return l.Dial(t.Context(), "", "") },
				})
			})
		})
	}
}
