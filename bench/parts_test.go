package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestHist(t *testing.T) {
	for range 10_000 {
		ns := rand.Int64N(1 << rand.N(50))
		b := bucket(ns)
		if ns < floor(b) || ns >= floor(b+1) {
			t.Fatalf("%d is in bucket %d, from %d to %d", ns, b, floor(b), floor(b+1))
		}
		if w := floor(b+1) - floor(b); w > 1 && float64(w) > 0.04*float64(ns) {
			t.Fatalf("the bucket of %d is %d wide", ns, w)
		}
	}
	var h, o hist
	for i := range 100 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	h.merge(o)
	for q, want := range map[float64]time.Duration{0: 1, .5: 51, .99: 100} {
		if got := h.quantile(q); got < want*970*time.Microsecond || got > want*1030*time.Microsecond {
			t.Errorf("quantile %v of 1 to 100 ms is %v", q, got)
		}
	}
	if got := h.mean(); got != 50500*time.Microsecond {
		t.Errorf("mean of 1 to 100 ms is %v", got)
	}
}

func TestHandOffs(t *testing.T) {
	waits, overlaps := handOffs([]answer{
		{Events: []event{{Asked: 0, Got: 10, Called: 30}, {Asked: 95, Got: 100, Called: 120}, {Asked: 121, Got: 130, Called: 140}}},
		{Events: []event{{Asked: 20, Got: 42, Called: 60}, {Asked: 110, Got: 139, Called: 150}}},
	})
	// 30 → 42 counts. 60 → 100 doesn't, nobody waited; nor 120 → 130, within a process.
	if len(waits) != 1 || waits[0] != 12 || overlaps != 1 {
		t.Errorf("waits %v, overlaps %d", waits, overlaps)
	}
}

func TestFigure(t *testing.T) {
	for _, test := range []struct {
		better better
		ours   []float64
		peer   []float64
		want   string
	}{
		{higher, []float64{10, 40, 30}, []float64{5, 10, 10}, "10 (3x)"},
		{lower, []float64{10, 40, 30}, []float64{5, 10, 10}, "10 (0.33x)"},
		{neither, []float64{10}, []float64{5}, "5"},
		{higher, []float64{10}, []float64{0}, "0"},
		{higher, nil, []float64{12345.6}, "12,346"},
		{higher, []float64{10}, nil, "–"},
	} {
		f := newFigure("f", "u", test.better)
		for _, v := range test.ours {
			f.add(ours, v)
		}
		for _, v := range test.peer {
			f.add("peer", v)
		}
		if got := f.cell("peer"); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.00123: "0.0012", 1.234: "1.23", 12.34: "12.3", 999.9: "1,000", 1e6: "1,000,000"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s", v, got)
		}
	}
}

// TestFigureOnly has a row about two libraries, one of which has no column of its own.
func TestFigureOnly(t *testing.T) {
	all, two := newFigure("all", "u", higher), newFigure("two", "u", higher)
	two.only = []string{ours, fenced}
	for _, f := range []*figure{all, two} {
		f.add(ours, 30)
		f.add("redislock", 20)
		f.add(fenced, 10)
	}
	for column, want := range map[string][2]string{ours: {"30", "30"}, "redislock": {"20 (1.50x)", "10 (3x)"}, "redsync": {"–", "–"}} {
		if got := [2]string{all.cell(all.in(column)), two.cell(two.in(column))}; got != want {
			t.Errorf("%s: %q, not %q", column, got, want)
		}
	}
	r := roster{failed: map[string]bool{fenced: true, "redsync": true}}
	r.finish(all, two)
	for column, want := range map[string][2]string{"redislock": {"20 (1.50x)", "failed"}, "redsync": {"failed", "–"}} {
		if got := [2]string{all.cell(all.in(column)), two.cell(two.in(column))}; got != want {
			t.Errorf("%s, when two have failed: %q, not %q", column, got, want)
		}
	}
}

// TestBursts has a lock that takes 0.1 ms, in bursts with pauses of 20 ms.
func TestBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runner{acquire: func(context.Context) (func() error, context.Context, error) {
			time.Sleep(100 * time.Microsecond)
			return func() error { return nil }, nil, nil
		}}
		begin := time.Now()
		r.run(t.Context(), order{For: 100 * time.Millisecond, Burst: 20, Pause: 20 * time.Millisecond})
		if took := time.Since(begin); r.Count != 100 || took != 110*time.Millisecond {
			t.Errorf("%d cycles in %v, not 5 bursts of 20", r.Count, took)
		}
		if math.Abs(r.Rate-10_000) > 1 {
			t.Errorf("%v cycles a second, not 10,000: pauses count, or too many are left out", r.Rate)
		}
	})
}

// crammed is a semaphore that lets everybody in.
type crammed struct{}

func (crammed) lock(string) acquirer { return nil }
func (crammed) close()               {}
func (crammed) semaphore(string, int) acquirer {
	return func(context.Context) (func() error, context.Context, error) {
		return func() error { return nil }, nil, nil
	}
}

// TestTooMany has a semaphore of 2 that lets 3 in: its slice is worth nothing, and the run fails.
func TestTooMany(t *testing.T) {
	for goroutines, broken := range map[int]bool{2: false, 3: true} {
		synctest.Test(t, func(t *testing.T) {
			w := child{c: crammed{}}
			o := order{Shared: true, Permits: 2, Goroutines: goroutines, Hold: time.Second, For: time.Minute}
			a, err := w.cycle(o)
			if err != nil || a.Count == 0 || a.Broken > 0 != broken {
				t.Fatalf("%d goroutines: %+v, %v", goroutines, a, err)
			}
			b := bench{err: io.Discard}
			err = b.check(&workload{name: "w"}, find(baseline), o, a)
			if (err != nil) != broken || (b.broken != nil) != broken {
				t.Errorf("%d goroutines: %v, and the run ends with %v", goroutines, err, b.broken)
			}
		})
	}
	locks := child{c: usesRueidislock{}}
	if _, err := locks.cycle(order{Shared: true, Permits: 2}); err == nil {
		t.Error("a library without a semaphore has cycled on one")
	}
}

// TestBareSemaphore has the bare commands: 2 permits are for 2, and nothing is left behind.
func TestBareSemaphore(t *testing.T) {
	needRedis(t)
	server := redistest.Start(t)
	admin := server.Client()
	u, err := openBare(setup{Addr: server.Addr(), TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	acquire := u.(semaphores).semaphore("s", 2)
	var releases []func() error
	for range 2 {
		release, _, err := acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := acquire(ctx); err == nil {
		t.Error("three have a permit of 2")
	}
	if ttl := admin.PTTL(t.Context(), "s").Val(); ttl < 50*time.Second || ttl > time.Minute {
		t.Errorf("TTL %v, not a minute", ttl)
	}
	for _, release := range releases {
		if err := release(); err != nil {
			t.Error(err)
		}
	}
	if admin.Exists(t.Context(), "s").Val() != 0 || releases[0]() == nil {
		t.Error("a permit is left, or was released twice")
	}
}

// TestRedislockFence has redislock with a fence: it is a lock as without, and each time it is taken counts.
func TestRedislockFence(t *testing.T) {
	needRedis(t)
	server := redistest.Start(t)
	admin := server.Client()
	u, err := openFenced(setup{Addr: server.Addr(), TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	mine, others := u.lock("l"), u.lock("l")
	for want := int64(1); want < 4; want++ {
		release, _, err := mine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if fence, err := admin.Get(t.Context(), "l:fence").Int64(); err != nil || fence != want {
			t.Errorf("fence %d, not %d: %v", fence, want, err)
		}
		if ttl := admin.PTTL(t.Context(), "l").Val(); ttl < 50*time.Second || ttl > time.Minute {
			t.Errorf("TTL %v, not a minute", ttl)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, _, err := others(ctx); err == nil {
			t.Error("two have the lock")
		}
		cancel()
		if err := release(); err != nil || admin.Exists(t.Context(), "l").Val() != 0 {
			t.Errorf("not released: %v", err)
		}
	}
}

// TestProxy sends bytes to an echo through a proxy, and cuts it.
func TestProxy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { // until ln closes
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	p, err := newProxy(ln.Addr().String(), 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	fmt.Fprint(c, "hello")
	buf := make([]byte, 5)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
		t.Fatalf("%q, %v", buf, err)
	}
	if took := time.Since(begin); took < 20*time.Millisecond || took > time.Second {
		t.Errorf("20 ms through the proxy took %v", took)
	}
	p.cut()
	fmt.Fprint(c, "hello")
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(buf); n > 0 || err == io.EOF {
		t.Errorf("through a cut: %d bytes, %v", n, err)
	}
}
