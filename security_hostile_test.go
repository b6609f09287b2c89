package holdfast_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// hostile is what somebody could give as a name, a label or a token to have it run, cut
// short, or taken for something else.
var hostile = []string{
	"'); redis.call('flushall') --",
	`"); redis.call("flushall") --`,
	"]] redis.call('flushall') return [[",
	"a\r\nFLUSHALL\r\n",
	"*1\r\n$8\r\nFLUSHALL\r\n",
	"nul\x00and more",
	"\x00",
	"\xff\xfe not UTF-8 \xc3",
	"{tag}a", "a{tag}", "{}a", "a{b",
	"*", "?", "[a-z]", "a b", " ", "%s%n", "$(reboot)", "`reboot`", "../../etc/passwd",
	"KEYS[1]", "nil", "0", "-1", "1e400", "false",
}

// longest pads a hostile text to the most that is allowed.
func longest(text string, n int) string { return (text + strings.Repeat("\x00'\n", n))[:n] }

// TestHostile: whatever name, label and token are, they are data. The lock they make is the
// one key of exactly that name, and holds exactly that token; nothing else is touched, and no
// script is made of them.
func TestHostile(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		l := e.locker()
		hostileHold(e, l, "warm-up", "all scripts", "are there by now")
		e.must(e.direct.Set(e.ctx(), "canary", "alive", 0).Err())
		scripts := e.cachedScripts()
		for i, text := range append(hostile, longest(hostile[0], 256)) {
			name, label, token := text, hostile[(i+1)%len(hostile)], hostile[(i+2)%len(hostile)]
			if i == len(hostile) {
				name, token = longest(name, holdfast.MaxNameLen), longest(token, holdfast.MaxTokenLen)
				label = longest(label, holdfast.MaxLabelLen)
			}
			hostileHold(e, l, name, label, token)
		}
		if n := e.cachedScripts(); n != scripts {
			t.Errorf("the server knows %d scripts, and knew %d before", n, scripts)
		}
		if got := e.direct.Get(e.ctx(), "canary").Val(); got != "alive" {
			t.Errorf("another key is %q", got)
		}
	})
}

func hostileHold(e *env, l *holdfast.Locker, name, label, token string) {
	e.t.Helper()
	about := fmt.Sprintf("%.40q, %.40q, %.40q", name, label, token)
	mu := l.Mutex(name, holdfast.WithToken(token), holdfast.WithLabel(label))
	s := e.acquire(mu)
	if got := e.direct.Get(e.ctx(), name).Val(); got != token {
		e.t.Errorf("%s: the key holds %.60q", about, got)
	}
	info, err := mu.Inspect(e.ctx())
	if err != nil || info.Label != label || info.Fence != s.Fence() || info.Stranger {
		e.t.Errorf("%s: Inspect = %+v, %v", about, info, err)
	}
	// A token that only begins or ends alike is another's.
	for _, other := range []string{token + "\x00", token + " ", token[:len(token)-1], "x" + token} {
		if other == "" || len(other) > holdfast.MaxTokenLen {
			continue
		}
		if _, err := mu.Resume(e.ctx(), other); !errors.Is(err, holdfast.ErrLost) {
			e.t.Errorf("%s: taken up by %.40q: %v", about, other, err)
		}
	}
	if got := s.Token(); got != token {
		e.t.Errorf("%s: Token = %.60q", about, got)
	}
	e.must(s.Release(e.ctx()))
	if n := e.direct.Exists(e.ctx(), name).Val(); n != 0 {
		e.t.Errorf("%s: the key is still there", about)
	}
}

// TestHostileWaiting: the queue holds hostile tokens and labels, too, and hands the lock to
// who has them.
func TestHostileWaiting(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		for i, text := range hostile {
			holder, waiter := e.locker(), e.locker(holdfast.WithToken(text), holdfast.WithLabel(text))
			name := hostile[(i+1)%len(hostile)]
			s := e.acquire(holder.Mutex(name))
			next := e.wait(waiter.Mutex(name))
			eventually(t, "one waits", func() bool {
				info, err := holder.Mutex(name).Inspect(e.ctx())
				return err == nil && info.Waiters == 1
			})
			e.must(s.Release(e.ctx()))
			s = <-next
			if got := e.direct.Get(e.ctx(), name).Val(); got != text {
				t.Errorf("granted to %q, waited %q", got, text)
			}
			e.must(s.Release(e.ctx()))
		}
	})
}

// TestHostileSize: a megabyte is refused before anything is sent, as a name, label or token,
// and the error is short.
func TestHostileSize(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		huge := strings.Repeat("a", 1<<20)
		l := e.locker()
		sent := e.commands()
		for what, mu := range map[string]*holdfast.Mutex{
			"name":  l.Mutex(huge),
			"token": l.Mutex("a", holdfast.WithToken(huge)),
			"label": l.Mutex("a", holdfast.WithLabel(huge)),
		} {
			_, err := mu.TryAcquire(e.ctx())
			if !errors.Is(err, holdfast.ErrInvalid) || len(err.Error()) > 400 || !strings.Contains(err.Error(), "1048576") {
				t.Errorf("%s: %.500v", what, err)
			}
		}
		if _, err := l.Mutex("a").Resume(e.ctx(), huge); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("Resume: %.500v", err)
		}
		if n := e.commands(); n != sent+1 { // this one's own
			t.Errorf("%d commands were sent", n-sent-1)
		}
	})
}

// info is a number that the server tells of itself.
func (e *env) info(section, field string) (n int) {
	e.t.Helper()
	text, err := e.direct.Info(e.ctx(), section).Result()
	e.must(err)
	_, rest, found := strings.Cut(text, field+":")
	if _, err := fmt.Sscan(rest, &n); err != nil || !found {
		e.t.Fatalf("no %s in INFO %s: %v", field, section, err)
	}
	return n
}

func (e *env) cachedScripts() int { return e.info("memory", "number_of_cached_scripts") }
func (e *env) commands() int      { return e.info("stats", "total_commands_processed") }
