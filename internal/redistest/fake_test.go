package redistest

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// bubble runs f on a Fake in a synctest bubble, where a minute costs nothing.
func bubble(t *testing.T, f func(*testing.T, *Fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, NewFake(t)) })
}

func TestFakeTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		ctx := context.Background()
		c := f.NewLink().Client()
		c.Set(ctx, "k", "v", time.Minute)
		time.Sleep(59 * time.Second)
		if !f.M.Exists("k") {
			t.Fatal("expired early")
		}
		if ttl := c.PTTL(ctx, "k").Val(); ttl != time.Second {
			t.Fatalf("PTTL %v", ttl)
		}
		c.PExpire(ctx, "k", 10*time.Second)
		time.Sleep(10*time.Second - time.Millisecond)
		if c.Exists(ctx, "k").Val() != 1 {
			t.Fatal("PEXPIRE did not prolong")
		}
		time.Sleep(time.Millisecond)
		if c.Exists(ctx, "k").Val() != 0 {
			t.Fatal("did not expire")
		}
		if now := c.Time(ctx).Val(); !now.Equal(time.Now().Truncate(time.Microsecond)) {
			t.Fatalf("TIME %v, bubble %v", now, time.Now())
		}
	})
}

func TestFakeScript(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		ctx := context.Background()
		c := f.NewLink().Client()
		script := redis.NewScript(`
			local t = redis.call('TIME')
			redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
			redis.call('PUBLISH', 'ch', 'hi')
			return t[1]`)
		for range 2 { // EVAL, then EVALSHA
			got, err := script.Run(ctx, c, []string{"k"}, "v", 1000).Int64()
			if err != nil || got != time.Now().Unix() {
				t.Fatalf("TIME in Lua: %v, %v; bubble %v", got, err, time.Now().Unix())
			}
			time.Sleep(time.Second)
			if f.M.Exists("k") {
				t.Fatal("did not expire")
			}
		}
	})
}

func TestFakePubSub(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		ctx := context.Background()
		sub := f.NewLink()
		ps := sub.Client().Subscribe(ctx, "ch")
		defer ps.Close()
		if _, err := ps.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		sub.Delay(time.Second)
		start := time.Now()
		if n := f.NewLink().Client().Publish(ctx, "ch", "hi").Val(); n != 1 {
			t.Fatalf("%d receivers", n)
		}
		if m, err := ps.ReceiveMessage(ctx); err != nil || m.Payload != "hi" {
			t.Fatal(m, err)
		}
		if took := time.Since(start); took != time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

func TestFakeFreeze(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		ctx := context.Background()
		l := f.NewLink()
		c := l.Client(quick)
		c.Set(ctx, "old", "v", time.Second)
		f.Freeze()
		l.Heal() // a link cannot thaw the server
		for _, c := range []*redis.Client{c, f.NewLink().Client(quick)} {
			if err := c.Set(ctx, "new", "v", 0).Err(); !isTimeout(err) {
				t.Fatalf("want a timeout, got %v", err)
			}
		}
		time.Sleep(time.Second)
		if f.M.Exists("new") {
			t.Fatal("a frozen server ran a command")
		}
		f.Thaw()
		// The request of the connected client comes late, as with SIGCONT.
		synctest.Wait()
		if !f.M.Exists("new") || f.M.Exists("old") {
			t.Fatal(f.M.Dump())
		}
	})
}

func TestFakeBlockedClientEnds(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		ctx := context.Background()
		l := f.NewLink()
		c := l.Client()
		start := time.Now()
		if err := c.BLPop(ctx, 10*time.Second, "list").Err(); err != redis.Nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Fatalf("took %v", took)
		}
		// Leave everything in a bad state: the cleanups must cope.
		l.Cut()
		f.Freeze()
		c.Ping(ctx)
	})
}

func TestFakeConnDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, f *Fake) {
		conn, err := f.NewLink().Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Second))
		start := time.Now()
		_, err = conn.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatal(err, time.Since(start))
		}
		if _, err = conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		// A deadline set during a Read counts.
		conn.SetDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { conn.SetReadDeadline(time.Now()) })
		if _, err = conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// TestFakeRealTime: outside of a bubble the Fake works on the real clock.
func TestFakeRealTime(t *testing.T) {
	f := NewFake(t)
	c := f.NewLink().Client()
	ctx := context.Background()
	c.Set(ctx, "k", "v", 20*time.Millisecond)
	eventually(t, "expiry", func() bool { return !f.M.Exists("k") })
}
