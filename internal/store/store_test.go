package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var names = []string{
	"jobs", "{jobs}", "{jobs}:a", "a{b", "a{b}c{d}", "}{x}", "{{x}}", "ключ", "\x00\n\xff", " ", "holdfast:x",
	"holdfast:", "{holdfast:2:n:}", strings.Repeat("n", 4096),
}

func TestKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range append(names, "x}", "{x", "x", "{x}", "{x}}", "{{x}") {
		if err := validate(name, false); err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		for _, key := range []string{name, auxOf(name), queueOf(name)} {
			if other, ok := seen[key]; ok && other != name {
				t.Errorf("%.40q and %.40q share the key %.40q", name, other, key)
			}
			seen[key] = name
		}
	}
}

func TestKeysRefused(t *testing.T) {
	for _, name := range []string{"holdfast:2:n:{x}", "holdfast:2:t:{x}", "holdfast:2", "holdfast:0:"} {
		if err := validate(name, false); !errors.Is(err, ErrReserved) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"a}b", "{}", "}", "{}x", "{}{x}", "x}{"} {
		if err := validate(name, true); !errors.Is(err, ErrNotColocated) {
			t.Errorf("%q on a cluster: %v", name, err)
		}
		if err := validate(name, false); err != nil {
			t.Errorf("%q on one server: %v", name, err)
		}
	}
}

// TestKeysShareASlot asks a real cluster node, whose word counts.
func TestKeysShareASlot(t *testing.T) {
	c := redistest.Start(t, "--cluster-enabled", "yes").Client()
	for _, name := range names {
		if err := validate(name, true); err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		a, err := c.ClusterKeySlot(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{auxOf(name), queueOf(name)} {
			if b := c.ClusterKeySlot(t.Context(), key).Val(); a != b {
				t.Errorf("%.40q: NAME is in slot %d, %.40q in %d", name, a, key, b)
			}
		}
	}
}

// TestScriptsAnswerInForm runs every script on both servers and decodes the replies; the
// behaviour is tested through the library.
func TestScriptsAnswerInForm(t *testing.T) {
	for what, client := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) {
			s := New(client)
			lock := NewLock("{a}")
			attempt := strings.Repeat("x", 36)
			id := NewID(lock, attempt, "t")
			other := NewID(lock, strings.Repeat("y", 36), "u")
			want := func(what string, status Status, ttl time.Duration) func(Reply, error) Reply {
				return func(r Reply, err error) Reply {
					t.Helper()
					if err != nil || r.Status != status || r.TTL > ttl || r.TTL < ttl-time.Second {
						t.Errorf("%s: %+v, %v; want %d, %v", what, r, err, status, ttl)
					}
					return r
				}
			}
			want("inspect", Gone, 0)(do(s, s.Inspect(lock)))
			want("check", Gone, 0)(do(s, s.Check(id)))
			want("resume", Gone, 0)(do(s, s.Resume(Attempt{ID: id, TTL: time.Minute, Label: "l"})))
			first := want("acquire", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: "l"}, false)))
			again := want("acquire again", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: "l"}, false)))
			if first.Fence == 0 || first.Fence != again.Fence {
				t.Errorf("fence %d, again %d", first.Fence, again.Fence)
			}
			want("acquire, held", Busy, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: "l"}, false)))
			if r := want("inspect", Held, time.Minute)(do(s, s.Inspect(lock))); r.Label != "l" || r.Fence != first.Fence {
				t.Errorf("inspect: %+v", r)
			}
			want("renew", Held, 2*time.Minute)(do(s, s.Renew(id, 2*time.Minute, 0, false, 0)))
			want("renew shorter", Held, 2*time.Minute)(do(s, s.Renew(id, time.Minute, 0, true, 0)))
			want("renew, another's", Taken, 0)(do(s, s.Renew(other, time.Minute, 0, false, 0)))
			want("extend", Held, 3*time.Minute)(do(s, s.Extend(id, time.Minute, false, 1)))
			want("extend again", Held, 3*time.Minute)(do(s, s.Extend(id, time.Minute, false, 1)))
			want("set", Held, time.Minute)(do(s, s.Extend(id, time.Minute, true, 2)))
			want("renew, void", Held, 2*time.Minute)(do(s, s.Renew(id, 2*time.Minute, 4, false, 0)))
			want("set, overtaken", Stale, 2*time.Minute)(do(s, s.Extend(id, time.Second, true, 3)))
			want("renew, for ever", Held, -time.Millisecond)(do(s, s.Renew(id, NoExpiry, 0, true, 0)))
			want("extend, for ever", Persistent, -time.Millisecond)(do(s, s.Extend(id, time.Second, true, 5)))
			next := NewID(lock, strings.Repeat("z", 36), "t")
			if r := want("resume", Held, time.Minute)(do(s, s.Resume(Attempt{ID: next, TTL: time.Minute, Label: "m"}))); r.Fence <= first.Fence {
				t.Errorf("fence %d after %d", r.Fence, first.Fence)
			}
			want("check, displaced", Taken, 0)(do(s, s.Check(id)))
			want("release, displaced", Taken, 0)(do(s, s.Release(id, 0, 0, nil)))
			if r := want("force, another fence", Taken, 0)(do(s, s.Force(lock, first.Fence))); r.Fence <= first.Fence {
				t.Errorf("the fence is said to be %d", r.Fence)
			}
			want("stand in the queue", Busy, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: "n", Channel: "c"}, true)))
			if r := want("inspect", Held, time.Minute)(do(s, s.InspectQueue(lock))); len(r.Queue) != 1 || r.Queue[0].Label != "n" || r.Queue[0].Alive < 5*time.Second {
				t.Errorf("waiters: %+v", r.Queue)
			}
			want("leave the queue", Taken, 0)(do(s, s.Release(other, 0, 0, nil)))
			want("force", Held, 0)(do(s, s.Force(lock, 0)))
			want("force, free", Gone, 0)(do(s, s.Force(lock, 0)))
			want("check, forced", Forced, 0)(do(s, s.Check(next)))
			want("withdraw", Gone, 0)(do(s, s.Withdraw(id, time.Minute)))
			want("acquire, withdrawn", Withdrawn, 0)(do(s, s.Acquire(Attempt{ID: id, TTL: time.Minute, Label: ""}, false)))
			want("acquire", Held, time.Minute)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: ""}, false)))
			want("release", Held, 0)(do(s, s.Release(other, time.Minute, 0, nil)))
			want("acquire, released", Withdrawn, 0)(do(s, s.Acquire(Attempt{ID: other, TTL: time.Minute, Label: ""}, false)))
		})
	}
}

func do(s *Store, c Call) (Reply, error) {
	s.Do(context.Background(), &c)
	return c.Reply, c.Err
}

// TestTombstonesAreForgotten: they don't pile up in a lock that is in use for long.
func TestTombstonesAreForgotten(t *testing.T) {
	client := redistest.Start(t).Client()
	s, ctx := New(client), t.Context()
	const name = "a"
	lock := NewLock(name)
	id := func(i int) ID {
		token := fmt.Sprintf("%036d", i)
		return NewID(lock, token, "")
	}
	tombstones := func() string {
		// What comes before them is of a few bytes.
		text := client.Get(ctx, auxOf(name)).Val()
		return text[strings.LastIndex(text, ":")+1:]
	}
	for i := range 1500 {
		if _, err := do(s, s.Withdraw(id(i), time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if x := tombstones(); len(x) != 1000*46 {
		t.Errorf("%d bytes of tombstones, want %d", len(x), 1000*46)
	}
	if ttl := client.PTTL(ctx, auxOf(name)).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("they expire in %v", ttl)
	}
	for _, i := range []int{500, 1499} {
		if r, err := do(s, s.Acquire(Attempt{ID: id(i), TTL: time.Second}, false)); err != nil || r.Status != Withdrawn {
			t.Errorf("attempt %d: %+v, %v", i, r, err)
		}
	}
	expired := strings.ReplaceAll(tombstones(), fmt.Sprintf("%036d", 500), strings.Repeat("e", 36))
	at := strings.Index(expired, "e") + 36
	text := client.Get(ctx, auxOf(name)).Val()
	before := text[:strings.LastIndex(text, ":")+1]
	client.Set(ctx, auxOf(name), before+expired[:at]+"0000000001"+expired[at+10:], redis.KeepTTL)
	if _, err := do(s, s.Withdraw(id(0), time.Minute)); err != nil {
		t.Fatal(err)
	}
	if x := tombstones(); strings.Contains(x, "e") || len(x)%46 != 0 || len(x) < 46 {
		t.Errorf("an expired tombstone is still there, or half of one: %d bytes", len(x))
	}
}

func TestHashesAreOfTheSource(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, s := range []*scripts.Script{
		scripts.Acquire, scripts.Resume, scripts.Renew, scripts.Extend, scripts.Release, scripts.Check, scripts.Inspect, scripts.Force,
	} {
		if hash, err := client.ScriptLoad(t.Context(), s.Source).Result(); err != nil || hash != s.Hash {
			t.Errorf("%v: the server says %s, we say %s", err, hash, s.Hash)
		}
	}
}

func TestErrorClasses(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err                         error
		answered, unsent, transient bool
	}{
		{dial, false, true, true},
		{fmt.Errorf("x: %w", dial), false, true, true},
		{redis.ErrPoolTimeout, false, true, true},
		{redis.ErrClosed, false, true, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false, false, true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, false, false, true},
		{io.EOF, false, false, true},
		{context.DeadlineExceeded, false, false, true},
		{context.Canceled, false, false, false},
		{reply("WRONGTYPE Operation against a key"), true, false, false},
		{reply("NOPERM this user"), true, false, false},
		{reply("ERR The user executing the script can't run this command"), true, false, false},
		{reply("OOM command not allowed"), true, false, true},
		{reply("READONLY You can't write"), true, false, true},
		{reply("LOADING Redis is loading"), true, false, true},
		{reply("BUSY Redis is busy"), true, false, true},
		{reply("CLUSTERDOWN The cluster is down"), true, false, true},
		{reply("TRYAGAIN Multiple keys"), true, false, true},
		{reply("ERR max number of clients reached"), true, false, true},
	} {
		if got := Answered(c.err); got != c.answered {
			t.Errorf("Answered(%v) = %v", c.err, got)
		}
		if got := Unsent(c.err); got != c.unsent {
			t.Errorf("Unsent(%v) = %v", c.err, got)
		}
		if got := Transient(c.err); got != c.transient {
			t.Errorf("Transient(%v) = %v", c.err, got)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// FuzzDecode: no reply, whatever a server or a proxy makes up, becomes a lease but one of
// the form that the scripts have.
func FuzzDecode(f *testing.F) {
	f.Add(4, byte(0), int64(1), int64(10000), int64(1763), "")
	f.Add(5, byte(1), int64(0), int64(-1), int64(0), "host:1")
	f.Add(4, byte(2), int64(-7), int64(-2), int64(-1), "x")
	f.Add(2, byte(3), int64(2), int64(1<<62), int64(1<<53), "")
	f.Fuzz(func(t *testing.T, n int, kinds byte, status, ttl, fence int64, label string) {
		if n < 0 || n > 7 {
			return
		}
		var v []any
		for i, x := range []any{status, ttl, fence, int64(0), label, label, nil}[:n] {
			if kinds>>i&1 == 1 {
				x = fmt.Sprint(x)
			}
			v = append(v, x)
		}
		r, err := decode(v)
		_, listed := waiters(label) // whose form is tested below
		good := (n == 4 || n == 5 || n == 6 && listed) && kinds&15 == 0 && status >= -7 && status <= 2 && ttl >= -1 && ttl <= (1<<63-1)/1_000_000 && fence >= 0
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
		c := &Call{owner: ""}
		if (&batch{calls: []*Call{c}, cmd: redis.NewCmdResult(v, nil)}).answer(); c.Err == nil {
			f.Errorf("%v is decoded as %+v", v, c.Reply)
		}
	}
}

// TestPlainReplies: likewise of the one number that is the reply for all locks of a call.
func TestPlainReplies(t *testing.T) {
	s := New(redis.NewClient(&redis.Options{}))
	defer s.client.Close()
	id := NewID(NewLock("a"), strings.Repeat("x", 36), "")
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

// TestTouchReplies: likewise of renewals by NAME alone.
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

// TestDoubtsAreFew: a Cluster that does not answer, or a process that is too slow to hear it, is
// not asked ever more; one that has answered is asked at once again.
func TestDoubtsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most, all atomic.Int32
		var slow atomic.Bool
		client := redis.NewClusterClient(&redis.ClusterOptions{
			ClusterSlots: func(ctx context.Context) ([]redis.ClusterSlot, error) {
				all.Add(1)
				now := under.Add(1)
				defer under.Add(-1)
				most.Store(max(most.Load(), now))
				if slow.Load() {
					<-ctx.Done()
				}
				return nil, errors.New("nobody knows")
			},
		})
		defer client.Close()
		s := New(client)
		ask := func() int {
			before := all.Load()
			for range 1000 { // for 20 s
				s.Doubt()
				time.Sleep(20 * time.Millisecond)
			}
			return int(all.Load() - before)
		}
		slow.Store(true)
		if n := ask(); n < 5 || n > 20 || most.Load() < 4 || most.Load() > 8 {
			t.Errorf("%d were asked in 20 s, %d at once, while none was answered", n, most.Load())
		}
		slow.Store(false)
		time.Sleep(doubtTime)
		if n := ask(); n < 150 {
			t.Errorf("%d were asked in 20 s, all answered", n)
		}
		time.Sleep(doubtTime)
	})
}
