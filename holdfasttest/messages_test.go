package holdfasttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// recorder is a testing.TB whose failures are no failures of the test.
type recorder struct {
	cleanups
	text   strings.Builder
	failed bool
}

func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(&r.text, format+"\n", args...)
}
func (r *recorder) Fatal(args ...any) { r.Errorf("%s", fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failure runs a test and returns what it failed with.
func failure(t *testing.T, test func(t testing.TB, r *Redis)) string {
	rec := &recorder{cleanups: cleanups{TB: t}}
	done := make(chan bool)
	go func() {
		defer close(done)
		defer rec.run()
		test(rec, New(rec))
	}()
	<-done
	return rec.text.String()
}

// TestMessages: what fails the test says of which lock, and who has it.
func TestMessages(t *testing.T) {
	ctx := context.Background()
	hold := func(t testing.TB, l *holdfast.Locker, name string) {
		if _, err := l.Mutex(name).Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		run  func(t testing.TB, r *Redis)
		want string
	}{
		"held at the end": {func(t testing.TB, r *Redis) {
			hold(t, r.Locker(), "a")
			hold(t, r.Locker(holdfast.WithLabel("worker")), "b")
			r.AllowHeld("a")
		}, `^holdfasttest: at the end of the test "b" is held by worker, fence \d+, for \S+\. Release the lock .* AllowHeld\n$`},
		"waited for at the end": {func(t testing.TB, r *Redis) {
			r.Hold("a")
			go func() {
				_, _ = r.Locker().Mutex("a").Acquire(ctx) // gets it from the Hold, and keeps it
			}()
			r.WaitQueued("a", 1)
		}, `^holdfasttest: at the end of the test "a" is held by process-1, `},
		"permits held at the end": {func(t testing.TB, r *Redis) {
			for _, n := range []int{1, 2} {
				if _, err := r.Locker().Semaphore("a", 3, holdfast.WithWeight(n)).Acquire(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.Locker().RWMutex("b").Acquire(ctx); err != nil {
				t.Fatal(err)
			}
		}, `^holdfasttest: at the end of the test ` +
			`"a" is held by process-1 \(1 of 3 permits\), fence \d+, and by process-2 \(2 of 3 permits\), fence \d+; ` +
			`"b" is held by process-3 \(a writer\), fence \d+\. Release the lock .* AllowHeld\n$`},
		"closed without a release": {func(t testing.TB, r *Redis) {
			l := r.Locker()
			hold(t, l, "a")
			l.Close()
		}, `^holdfasttest: at the end of the test "a" is held by process-1, `},
		"a Locker of the test's own is open": {func(t testing.TB, r *Redis) {
			l := holdfast.New(r.Client())
			go func() { // after the check
				time.Sleep(20 * time.Second)
				l.Close()
			}()
			_ = l.Mutex("a").Do(ctx, func(context.Context) error { return nil })
		}, `a Locker made by holdfast.New on a client of this Redis is still open: call its Close\n$`},
		"an earlier failure stands alone": {func(t testing.TB, r *Redis) {
			hold(t, r.Locker(), "a")
			t.Fatal("first")
		}, `^first\n$`},
		"WaitFree": {func(t testing.TB, r *Redis) {
			r.HoldAsStranger("a", 0)
			r.WaitFree()
		}, `^$`}, // a stranger's lock is found only by its name
		"WaitFree of a stranger's": {func(t testing.TB, r *Redis) {
			r.HoldAsStranger("a", 0)
			r.WaitFree("a", "b")
		}, `^holdfasttest: after 30s, WaitFree: "a" is held by a stranger\n$`},
		"WaitHeld": {func(t testing.TB, r *Redis) { r.WaitHeld("a") }, `^holdfasttest: after 30s, WaitHeld\("a"\): it is free\n$`},
		"WaitQueued": {func(t testing.TB, r *Redis) {
			r.Hold("a")
			r.WaitQueued("a", 1)
		}, `^holdfasttest: after 30s, WaitQueued\("a", 1\): it is held by other, fence`},
		"Hold": {func(t testing.TB, r *Redis) {
			hold(t, r.Locker(), "a")
			r.Hold("a")
		}, `^holdfasttest: Hold\("a"\): .*wait timeout.*; it is held by process-1`},
		"HoldAsStranger": {func(t testing.TB, r *Redis) {
			hold(t, r.Locker(), "a")
			r.HoldAsStranger("a", 0)
		}, `^holdfasttest: after 30s, HoldAsStranger: "a" is held by process-1`},
		"HoldPermits": {func(t testing.TB, r *Redis) {
			r.HoldPermits("a", 2, 3, holdfast.WithMinHold(time.Hour)).Release()
			r.HoldPermits("a", 1, 3)
			r.HoldPermits("a", 1, 3)
		}, `^holdfasttest: HoldPermits\("a"\): .*wait timeout.*; it is held by ` +
			`other \(2 of 3 permits, kept by a minimum hold\), fence \d+, and by other \(1 of 3 permits\), fence \d+\n$`},
		"HoldPermits of too few": {func(t testing.TB, r *Redis) { r.HoldPermits("a", 3, 2) }, `^holdfasttest: HoldPermits\("a"\): .*3`},
		"HoldWrite": {func(t testing.TB, r *Redis) {
			r.HoldRead("a")
			r.HoldWrite("a")
		}, `^holdfasttest: HoldWrite\("a"\): .*wait timeout.*; it is held by other \(a reader\), fence \d+\n$`},
		"Take of permits": {func(t testing.TB, r *Redis) {
			r.HoldPermits("a", 1, 2)
			r.Take("a")
		}, `^holdfasttest: Take\("a"\): it is for a mutex, and this is held by other \(1 of 2 permits\), fence \d+\. .*: use Delete\n$`},
		"Take":                   {func(t testing.TB, r *Redis) { r.Take("a") }, `^holdfasttest: Take\("a"\): nobody holds the lock\n$`},
		"Delete":                 {func(t testing.TB, r *Redis) { r.Delete("a") }, `^holdfasttest: Delete\("a"\): nobody holds the lock\n$`},
		"ForceRelease":           {func(t testing.TB, r *Redis) { r.ForceRelease("a") }, `^holdfasttest: ForceRelease\("a"\): nobody holds the lock\n$`},
		"Expire":                 {func(t testing.TB, r *Redis) { r.Expire("a") }, `^holdfasttest: Expire\("a"\): nobody holds the lock\n$`},
		"Expire for ever":        {func(t testing.TB, r *Redis) { r.HoldAsStranger("a", 0); r.Expire("a") }, `^holdfasttest: Expire\("a"\): the lock has no expiry\n$`},
		"a frozen server":        {func(t testing.TB, r *Redis) { r.Freeze(); r.Holder("a") }, `^holdfasttest: Holder\("a"\): the server is frozen and answers nobody: call Thaw first\n$`},
		"a name that is refused": {func(t testing.TB, r *Redis) { r.Hold("") }, `^holdfasttest: Hold\(""\): .*the name is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := failure(t, test.run); !regexp.MustCompile(test.want).MatchString(got) {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
			})
		})
	}
}

// misuse is what would hang, or crash in a way that is hard to understand. Each runs in a process of
// its own.
var misuse = map[string]struct {
	run  func(t *testing.T)
	want string
}{
	"New outside, Locker inside": {func(t *testing.T) {
		r := New(t)
		synctest.Test(t, func(*testing.T) { r.Locker() })
	}, "Locker: the Redis is used in a synctest bubble, but was made outside of it: call holdfasttest.New in the function"},
	"Locker outside, used inside": {func(t *testing.T) {
		l := Locker(t)
		synctest.Test(t, func(t *testing.T) { _, _ = l.Mutex("a").Acquire(t.Context()) })
	}, "the Redis of this Locker or client is used in a synctest bubble, but was made outside of it"},
	"Locker used outside, then inside": {func(t *testing.T) {
		l := Locker(t)
		_ = l.Mutex("a").Do(t.Context(), func(context.Context) error { return nil })
		synctest.Test(t, func(t *testing.T) { _, _ = l.Mutex("a").Acquire(t.Context()) })
	}, "a synctest bubble, "}, // one of two messages
	"inside, used outside": {func(t *testing.T) {
		var r *Redis
		synctest.Test(t, func(t *testing.T) { r = New(t) })
		r.Holder("a")
	}, "the Redis was made in a synctest bubble and is used outside of it"},
	"in another bubble": {func(t *testing.T) {
		var r *Redis
		synctest.Test(t, func(t *testing.T) { r = New(t) })
		synctest.Test(t, func(t *testing.T) { r.Holder("a") })
	}, "Holder: the Redis was made in another synctest bubble: each bubble needs its own"},
	"the t of the test around": {func(t *testing.T) {
		synctest.Test(t, func(*testing.T) { New(t) })
	}, "New was called in a synctest bubble with the t of the test around it: use the t that synctest.Test gives"},
	"a Locker left open in a bubble": {func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := holdfast.New(New(t).Client())
			_ = l.Mutex("a").Do(t.Context(), func(context.Context) error { return nil })
		})
	}, "is still open: call its Close"},
}

const misuseEnv = "HOLDFASTTEST_MISUSE"

func TestMisuse(t *testing.T) {
	if run := os.Getenv(misuseEnv); run != "" {
		misuse[run].run(t)
		return
	}
	for name, m := range misuse {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMisuse$")
			cmd.Env = append(os.Environ(), misuseEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || ctx.Err() != nil || !strings.Contains(string(out), m.want) {
				t.Errorf("%v\n%.3000s\nwant %q", err, out, m.want)
			}
		})
	}
}
