package notify

import (
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEpochs: the epoch is odd while the subscription works, and never the same again.
func TestEpochs(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		if channel, epoch := r.s.Channel(); channel != "" || epoch != 0 {
			t.Errorf("before the start: %q, %d", channel, epoch)
		}
		r.make = func(_ int, c *conn) { <-c.sent } // its server says nothing so far
		r.s.Start()
		r.s.Start()
		c, _ := r.last()
		if channel, epoch := r.s.Channel(); channel != "" || epoch != 0 {
			t.Errorf("before the server has answered: %q, %d", channel, epoch)
		}
		c.sent <- &redis.Subscription{Kind: "subscribe", Channel: "another"}
		is(t, "for another channel", r.heard(), nil)
		r.make = nil
		for i := range 3 {
			if i == 0 {
				c.sent <- &redis.Subscription{Kind: "subscribe", Channel: r.s.own}
				is(t, "when it works", r.heard(), []string{`poke ""`})
			}
			if channel, epoch := r.s.Channel(); channel != r.s.own || epoch != uint64(2*i+1) {
				t.Errorf("connection %d: %q, %d", i, channel, epoch)
			}
			c.sent <- io.EOF
			synctest.Wait()
			if channel, epoch := r.s.Channel(); channel != "" || epoch != uint64(2*i+2) {
				t.Errorf("after connection %d: %q, %d", i, channel, epoch)
			}
			time.Sleep(time.Second)
			var n int
			if c, n = r.last(); n != i+2 || r.broken != i+1 {
				t.Errorf("%d connections, %d broken", n, r.broken)
			}
			is(t, "when it broke and works again", r.heard(), []string{`poke ""`, `poke ""`})
		}
	})
}

// TestMessages: what a message becomes.
func TestMessages(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		r.s.Start()
		r.s.Watch("a")
		c, _ := r.last()
		r.heard()
		for _, m := range []struct {
			channel, text string
			want          []string
		}{
			{r.s.own, "g something", []string{"message g something"}},
			{"key:a", "del", []string{`poke "a"`}},
			{"key:a", "expired", []string{`poke "a"`}},
			{"key:a", "evicted", []string{`poke "a"`}},
			{"key:a", "set", nil},
			{"key:b", "del", nil},
			{"", "del", nil},
		} {
			c.sent <- &redis.Message{Channel: m.channel, Payload: m.text}
			is(t, m.channel+" "+m.text, r.heard(), m.want)
		}
		c.sent <- reply("NOPERM no right to watch a key")
		c.sent <- &redis.Message{Channel: r.s.own, Payload: "w"}
		is(t, "after a refusal", r.heard(), []string{"message w"})
	})
}

// reply is an error of Redis.
type reply string

func (e reply) Error() string { return string(e) }
func (reply) RedisError()     {}

// TestBackOff: a connection is followed by the next sooner or later, by how long it lived.
func TestBackOff(t *testing.T) {
	for name, c := range map[string]struct {
		lives time.Duration
		n     int
		least time.Duration // until so many connections have been made
		most  time.Duration
	}{
		"none lives long":    {0, 10, 16 * time.Second, 28 * time.Second}, // 0.1 0.2 0.4 0.8 1.6 3.2 5 5 5
		"each lives a while": {1100 * ms, 10, 10 * time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				r.make = func(_ int, conn *conn) {
					time.AfterFunc(c.lives, func() { conn.sent <- io.EOF })
				}
				r.s.Start()
				var last *conn
				for n := 0; n < c.n; time.Sleep(10 * ms) {
					last, n = r.last()
				}
				if last.made < c.least || last.made > c.most {
					t.Errorf("%d connections were made in %v", c.n, last.made)
				}
			})
		})
	}
}

// TestSilence: when a silent connection is asked, and that one that does not answer is given up. One
// that is cut off when it is idle is asked earlier from then on.
func TestSilence(t *testing.T) {
	t.Run("it answers", func(t *testing.T) {
		onFake(t, func(t *testing.T, r *rig) {
			r.s.Start()
			time.Sleep(10 * time.Second)
			c, n := r.last()
			if want := []time.Duration{3 * time.Second, 6 * time.Second, 9 * time.Second}; n != 1 || !slices.Equal(c.asked(), want) {
				t.Errorf("%d connections, asked at %v", n, c.asked())
			}
		})
	})
	t.Run("it does not", func(t *testing.T) {
		onFake(t, func(t *testing.T, r *rig) {
			r.make = func(n int, c *conn) { c.deaf = n == 0 }
			r.s.Start()
			time.Sleep(5900 * ms)
			if _, n := r.last(); n != 1 {
				t.Errorf("%d connections before the answer had its time", n)
			}
			time.Sleep(300 * ms)
			c, n := r.last()
			if _, epoch := r.s.Channel(); n != 2 || epoch != 3 {
				t.Errorf("%d connections, epoch %d", n, epoch)
			}
			time.Sleep(2400 * ms)
			if asks := c.asked(); len(asks) != 1 || asks[0]-c.made != 2250*ms {
				t.Errorf("the next, made at %v, is asked at %v", c.made, asks)
			}
		})
	})
	for name, c := range map[string]struct{ lives, asked time.Duration }{
		"one is cut off after a second":            {time.Second, 750 * ms},
		"one is cut off, too soon to tell of that": {400 * ms, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				r.make = func(n int, conn *conn) {
					if n < 3 {
						time.AfterFunc(c.lives, func() { conn.sent <- io.EOF })
					}
				}
				r.s.Start()
				time.Sleep(30 * time.Second)
				last, n := r.last()
				if asked := last.asked()[0] - last.made; n != 4 || asked != c.asked {
					t.Errorf("%d connections, the last is asked after %v", n, asked)
				}
			})
		})
	}
}

// TestReport: where nobody hears us the connection is replaced, once in a while, and less often if
// that does not help.
func TestReport(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		r.s.Start()
		unheard := func() (replaced bool) {
			_, before := r.last()
			_, epoch := r.s.Channel()
			r.s.Report(Report{Epoch: epoch, Known: true})
			time.Sleep(200 * ms)
			_, n := r.last()
			return n > before
		}
		r.s.Report(Report{Epoch: 1})                           // says nothing
		r.s.Report(Report{Epoch: 1, Known: true, Heard: true}) // all is well
		r.s.Report(Report{Epoch: 17, Known: true})             // of another epoch
		time.Sleep(200 * ms)
		if _, n := r.last(); n != 1 {
			t.Fatalf("%d connections", n)
		}
		wait := time.Duration(0)
		for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
			16 * time.Second, 30 * time.Second, 30 * time.Second} {
			for wait = 0; !unheard(); wait += 200 * ms {
			}
			if wait < want-400*ms || wait > want {
				t.Errorf("replaced the %d. time after %v, not %v", i+1, wait, want)
			}
		}
		_, epoch := r.s.Channel()
		r.s.Report(Report{Epoch: epoch, Known: true, Heard: true})
		time.Sleep(30 * time.Second)
		if !unheard() {
			t.Error("not replaced once it has helped")
		}
		time.Sleep(time.Second)
		if !unheard() {
			t.Error("not replaced after a second, though the one before had helped")
		}
	})
}

// TestEnd: everything ends with the context: see onFake.
func TestEnd(t *testing.T) {
	for name, during := range map[string]func(*rig){
		"before the start":    func(*rig) {},
		"while it listens":    func(r *rig) { r.s.Start(); r.last() },
		"while it pauses":     func(r *rig) { r.s.Start(); c, _ := r.last(); c.sent <- errors.New("broken"); synctest.Wait() },
		"before it connected": func(r *rig) { r.s.Start() },
	} {
		t.Run(name, func(t *testing.T) { onFake(t, func(t *testing.T, r *rig) { during(r) }) })
	}
}
