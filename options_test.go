package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// unreachable is a client for what must be refused before anything is sent: it fails
// the test if it is asked to connect.
func unreachable(t testing.TB) redis.UniversalClient {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	c.AddHook(refuse{t})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestBadInput(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name string
		opts []holdfast.Option
		say  []string // what the error must contain
	}{
		{"", nil, []string{"name is empty"}},
		{long, nil, []string{"5000", "4096"}},
		{"holdfast:2:n:{a}", nil, []string{"reserved"}},
		{"a", opts(holdfast.WithTTL(0)), []string{"0s", "1ms"}},
		{"a", opts(holdfast.WithTTL(-time.Second)), []string{"-1s", "1ms"}},
		{"a", opts(holdfast.WithTTL(999 * time.Microsecond)), []string{"999µs", "1ms"}},
		{"a", opts(holdfast.WithTTL(50 * time.Millisecond)), []string{"50ms", "21ms", "40ms"}},
		{"a", opts(holdfast.WithTTL(83 * time.Millisecond)), []string{"41.5ms", "83ms", "41.34ms"}},
		{"a", opts(holdfast.WithTTL(25*time.Millisecond), holdfast.WithoutRenewal()), []string{"25ms", "20.5ms", "10ms"}},
		{"a", opts(holdfast.WithTTL(time.Second), holdfast.WithRenewInterval(950*time.Millisecond)), []string{"950ms", "1s", "940ms"}},
		{"a", opts(holdfast.WithRenewInterval(-time.Second)), []string{"-1s"}},
		{"a", opts(holdfast.WithRenewInterval(time.Hour)), []string{"1h0m0s", "10s"}},
		{"a", opts(holdfast.WithRetryInterval(0)), []string{"0s", "1ms"}},
		{"a", opts(holdfast.WithRetryInterval(-1)), []string{"-1ns", "1ms"}},
		{"a", opts(holdfast.WithWaitTimeout(-time.Second)), []string{"-1s"}},
		{"a", opts(holdfast.WithMaxHold(0)), []string{"0s", "1ms"}},
		{"a", opts(holdfast.WithTTL(math.MaxInt64)), []string{"2562047h", "876000h"}},
		{"a", opts(holdfast.WithMinHold(0)), []string{"minimum hold 0s", "1ms"}},
		{"a", opts(holdfast.WithMinHold(-time.Second)), []string{"minimum hold -1s", "1ms"}},
		{"a", opts(holdfast.WithMinHold(math.MaxInt64)), []string{"minimum hold", "2562047h", "876000h"}},
		{"a", opts(holdfast.WithMinHold(2*time.Second), holdfast.WithMaxHold(time.Second)), []string{"minimum hold 2s", "maximum hold 1s"}},
		{"a", opts(holdfast.WithMaxHold(math.MaxInt64)), []string{"maximum hold", "2562047h", "876000h"}},
		{"a", opts(holdfast.WithDrain(-time.Second)), []string{"drain time -1s", "under 0s"}},
		{"a", opts(holdfast.WithDrain(math.MaxInt64)), []string{"drain time", "2562047h", "876000h"}},
		{"a", opts(holdfast.WithRetryInterval(math.MaxInt64)), []string{"retry", "2562047h", "876000h"}},
		{"a", opts(holdfast.WithTurnsForStrangers(time.Second, 0)), []string{"gap 0s", "1ms", "10s"}},
		{"a", opts(holdfast.WithTurnsForStrangers(time.Minute, 11*time.Second)), []string{"gap 11s", "1ms", "10s"}},
		{"a", opts(holdfast.WithTurnsForStrangers(100*time.Millisecond, 150*time.Millisecond)), []string{"100ms", "150ms"}},
		{"a", opts(holdfast.WithTurnsForStrangers(-1, 0)), []string{"gap 0s"}},
		{"a", opts(holdfast.WithToken("")), []string{"token is empty"}},
		{"a", opts(holdfast.WithToken(long)), []string{"5000", "4096"}},
		{"a", opts(holdfast.WithLabel(long)), []string{"5000", "256"}},
	} {
		t.Run(fmt.Sprintf("%.20q %d", c.name, len(c.opts)), func(t *testing.T) {
			l := holdfast.New(unreachable(t))
			defer l.Close()
			mu := l.Mutex(c.name, c.opts...)
			_, acquire := mu.Acquire(t.Context())
			_, try := mu.TryAcquire(t.Context())
			ctx, release := mu.Lock(t.Context())
			release()
			_, resume := mu.Resume(t.Context(), "token")
			_, locked := mu.Locked(t.Context())
			_, inspect := mu.Inspect(t.Context())
			errs := []error{
				mu.Err(), acquire, try, context.Cause(ctx), resume, locked, inspect,
				mu.Do(t.Context(), nil), mu.Lead(t.Context(), nil), mu.ForceRelease(t.Context()),
			}
			for i, err := range errs {
				if !errors.Is(err, holdfast.ErrInvalid) {
					t.Errorf("call %d: %v, want ErrInvalid", i, err)
					continue
				}
				for _, say := range c.say {
					if !strings.Contains(err.Error(), say) {
						t.Errorf("%q does not say %q", err, say)
					}
				}
				if len(err.Error()) > 400 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
		})
	}
}

func TestGoodLimits(t *testing.T) {
	l := holdfast.New(unreachable(t))
	defer l.Close()
	for _, mu := range []*holdfast.Mutex{
		l.Mutex(strings.Repeat("x", holdfast.MaxNameLen)),
		l.Mutex("a}b"), // on a single server
		l.Mutex("holdfast:a"),
		l.Mutex("a", holdfast.WithTTL(84*time.Millisecond)),
		l.Mutex("a", holdfast.WithTTL(100*365*24*time.Hour)),
		l.Mutex("a", holdfast.WithTTL(31*time.Millisecond), holdfast.WithoutRenewal()),
		l.Mutex("a", holdfast.WithTTL(time.Second), holdfast.WithRenewInterval(940*time.Millisecond)),
		l.Mutex("a", holdfast.WithWaitTimeout(0), holdfast.WithLabel(""), holdfast.WithLogger(nil)),
		l.Mutex("a", holdfast.WithToken(strings.Repeat("\x00", holdfast.MaxTokenLen))),
		l.Mutex("a", holdfast.WithTTL(1), holdfast.WithoutExpiry()),
	} {
		if err := mu.Err(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadInputOfCalls(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		if _, err := mu.Acquire(e.ctx(), holdfast.WithTTL(0)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("Acquire with a bad option: %v", err)
		}
		if _, err := mu.Resume(e.ctx(), ""); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("Resume of no token: %v", err)
		}
		if keys := e.keys(); len(keys) != 0 {
			t.Errorf("refused calls left %q", keys)
		}
		s := e.acquire(mu)
		before := s.ValidUntil()
		for _, err := range []error{
			s.Extend(e.ctx(), 0), s.Extend(e.ctx(), -time.Second), s.Extend(e.ctx(), time.Microsecond), s.Extend(e.ctx(), math.MaxInt64), s.SetTTL(e.ctx(), math.MaxInt64),
			s.SetTTL(e.ctx(), 0), s.SetTTL(e.ctx(), -time.Second), s.SetTTL(e.ctx(), 50*time.Millisecond),
		} {
			if !errors.Is(err, holdfast.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
		}
		if got := s.ValidUntil(); got.Sub(before).Abs() > time.Second || s.Check(e.ctx()) != nil {
			t.Errorf("refused calls moved ValidUntil from %v to %v", before, got)
		}
		_ = s.Release(e.ctx())
	})
}

func TestPanics(t *testing.T) {
	l := holdfast.New(unreachable(t))
	defer l.Close()
	mu := l.Mutex("a")
	var none context.Context
	for what, f := range map[string]func(){
		"New":          func() { holdfast.New(nil) },
		"Acquire":      func() { _, _ = mu.Acquire(none) },
		"TryAcquire":   func() { _, _ = mu.TryAcquire(none) },
		"Lock":         func() { mu.Lock(none) },
		"Resume":       func() { _, _ = mu.Resume(none, "x") },
		"Locked":       func() { _, _ = mu.Locked(none) },
		"ForceRelease": func() { _ = mu.ForceRelease(none) },
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "holdfast: nil") {
					t.Errorf("%s with nil: %v", what, r)
				}
			}()
			f()
		}()
	}
}

// TestNilPointer: a client that is a nil pointer, or embeds one, is refused by every use, and
// nothing panics.
func TestNilPointer(t *testing.T) {
	for _, client := range []redis.UniversalClient{
		(*redis.Client)(nil), (*redis.ClusterClient)(nil), (*redis.Ring)(nil), struct{ *redis.Client }{}, &struct{ redis.UniversalClient }{},
	} {
		l := holdfast.New(client)
		mu := l.Mutex("a")
		_, acquire := mu.Acquire(t.Context())
		_, try := mu.TryAcquire(t.Context())
		_, resume := mu.Resume(t.Context(), "token")
		_, locked := mu.Locked(t.Context())
		for i, err := range []error{mu.Err(), acquire, try, resume, locked, mu.ForceRelease(t.Context())} {
			if !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "nil pointer") {
				t.Errorf("%T, %d: %v", client, i, err)
			}
		}
		for _, err := range l.List(t.Context(), "") {
			if err == nil || !strings.Contains(err.Error(), "nil pointer") {
				t.Errorf("%T, List: %v", client, err)
			}
		}
		_ = l.Close()
	}
}

func TestClusterNames(t *testing.T) {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer client.Close()
	l := holdfast.New(client)
	defer l.Close()
	for name, good := range map[string]bool{
		"jobs": true, "{jobs}:a": true, "a{b": true, "x{y}z": true, "{}{a}": false, "a}b": false, "{}": false, "}": false,
	} {
		if err := l.Mutex(name).Err(); (err == nil) != good || err != nil && !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%q on a cluster: %v", name, err)
		}
	}
}

func TestNothingSecretIsShown(t *testing.T) {
	const secret = "s3cr3t-token"
	each(t, func(t *testing.T, e *env) {
		var log strings.Builder
		text := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		l := e.locker(holdfast.WithToken(secret), holdfast.WithLogger(text), holdfast.WithTTL(200*time.Millisecond))
		mu := l.Mutex("a")
		s := e.acquire(mu)
		var out []any
		info, err := mu.Inspect(e.ctx())
		out = append(out, info, err)
		_, err = mu.TryAcquire(e.ctx())
		out = append(out, err)
		_ = e.direct.Set(e.ctx(), "a", "x", 0).Err()
		out = append(out, s.Check(e.ctx()), s.Err(), s.Release(e.ctx()))
		_, err = mu.Resume(e.ctx(), secret)
		out = append(out, err)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, v := range append(out, s) {
				if text := fmt.Sprintf(verb, v); strings.Contains(text, secret) {
					t.Errorf("%s shows the token: %s", verb, text)
				}
			}
		}
		text.Info("a session", "session", s)
		_ = l.Close() // joins the goroutine that logs
		if strings.Contains(log.String(), secret) || !strings.Contains(log.String(), "lock lost") {
			t.Errorf("the log:\n%s", log.String())
		}
	})
}

func FuzzOptions(f *testing.F) {
	f.Add("name", int64(time.Second), int64(0), int64(time.Second), int64(0), int64(time.Hour), "token", "label")
	f.Add("{a}", int64(-1), int64(1), int64(-1), int64(-1), int64(-1), "", "")
	f.Add("a}b", int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MinInt64), "\x00", "\xff")
	client := unreachable(f)
	f.Fuzz(func(t *testing.T, name string, ttl, interval, retry, wait, hold int64, token, label string) {
		l := holdfast.New(client)
		defer l.Close()
		mu := l.Mutex(name, holdfast.WithTTL(time.Duration(ttl)), holdfast.WithRenewInterval(time.Duration(interval)),
			holdfast.WithRetryInterval(time.Duration(retry)), holdfast.WithWaitTimeout(time.Duration(wait)),
			holdfast.WithMaxHold(time.Duration(hold)), holdfast.WithToken(token), holdfast.WithLabel(label))
		err := mu.Err()
		if err != nil && !errors.Is(err, holdfast.ErrInvalid) {
			t.Fatalf("%v is no ErrInvalid", err)
		}
		bad := ttl < int64(time.Millisecond) || interval < 0 || retry < int64(time.Millisecond) || wait < 0 ||
			hold < int64(time.Millisecond) || token == "" || name == "" || interval > ttl
		if bad && err == nil {
			t.Fatal("accepted")
		}
	})
}

func opts(o ...holdfast.Option) []holdfast.Option { return o }

// refuse is a hook that lets nothing through.
type refuse struct{ t testing.TB }

func (r refuse) DialHook(redis.DialHook) redis.DialHook { return nil }

func (r refuse) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		r.t.Errorf("sent %v", cmd.Args()[0])
		return errors.New("refused")
	}
}

func (r refuse) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errors.New("refused") }
}

// TestOptionsShared: locks with equal options of their own have them once in memory, and others don't get
// theirs.
func TestOptionsShared(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		l := e.locker()
		opts := func(ttl time.Duration) []holdfast.Option {
			return []holdfast.Option{holdfast.WithTTL(ttl), holdfast.WithLabel("me")}
		}
		of := func(name string, ttl time.Duration) *holdfast.Session { return e.acquire(l.Mutex(name, opts(ttl)...)) }
		call := func(name string, ttl time.Duration) *holdfast.Session { return e.acquire(l.Mutex(name), opts(ttl)...) }
		first := of("a", time.Minute)
		for name, same := range map[string]*holdfast.Session{"of a Mutex": of("b", time.Minute), "of a call": call("c", time.Minute)} {
			if !holdfast.SameOptions(first, same) {
				t.Errorf("options %s that are the same are there twice", name)
			}
		}
		other := call("d", time.Hour)
		waits := e.acquire(l.Mutex("e"), append(opts(time.Minute), holdfast.WithWaitContext(e.ctx()))...)
		if holdfast.SameOptions(first, other) || holdfast.SameOptions(first, waits) {
			t.Error("other options are shared")
		}
		if left := time.Until(other.ValidUntil()); left < 50*time.Minute || other.Label() != "me" {
			t.Errorf("valid for %v, label %q", left, other.Label())
		}
	})
}
