//go:build unix

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// TestSaysWhoHolds: with -v, one line after a second says who holds the lock, since when and for how
// long. Nothing is said without it, nor of a wait that is over before.
func TestSaysWhoHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, args := range [][]string{{"run", "-v"}, {"lead", "--verbose", "--restart", "never"}} {
		s := r.hold(t, "a", holdfast.WithLabel("first"))
		tl := newTool(t, r.Addr(), append(args, "a", "--", "true")...).start()
		quiet := newTool(t, r.Addr(), "run", "--wait", "2500ms", "a", "--", "true").start()
		tl.until("it has said who holds the lock", func() bool { return strings.HasSuffix(tl.err(), "\n") })
		time.Sleep(1500 * time.Millisecond) // for a second line
		line := tl.err()
		for _, want := range []string{`holdfast: waits for "a": held by first since `, " ago), ", "s of its TTL left\n"} {
			if !strings.Contains(line, want) || strings.Count(line, "\n") != 1 {
				t.Errorf("%q: %q, want %q", args, line, want)
			}
		}
		quiet.want(statusConflict, "wait timeout")
		if strings.Contains(quiet.err(), "waits for") {
			t.Errorf("said without -v: %q", quiet.err())
		}
		if err := s.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tl.wait() != 0 || strings.Count(tl.err(), "waits for") != 1 {
			t.Errorf("%q: %s", args, tl.err())
		}
		s = r.hold(t, "b")
		soon := newTool(t, r.Addr(), "run", "-v", "b", "--", "sleep", "2").start()
		time.Sleep(500 * time.Millisecond)
		if err := s.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		soon.want(0, "")
	}
}

// TestSaysStranger: a lock that is not Holdfast's, and one without a TTL.
func TestSaysStranger(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.client.Set(t.Context(), "a", "x", 0)
	tl := newTool(t, r.Addr(), "run", "-v", "--wait", "2", "a", "--", "true").start()
	tl.want(statusConflict, "holdfast: waits for \"a\": held by a stranger, which is not Holdfast, without a TTL\n")
}

// TestNotALock: a name whose key is of another type is told as that, at once, with a status of its own.
func TestNotALock(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.client.HSet(t.Context(), "hash", "f", "v")
	r.client.RPush(t.Context(), "list", "v")
	for name, kind := range map[string]string{"hash": "hash", "list": "list"} {
		for _, flags := range [][]string{nil, {"--no-wait"}, {"--wait", "30ms"}, {"--wait", "20"}, {"--no-wait", "--conflict-exit-code", "0"}} {
			start := time.Now()
			tl := newTool(t, r.Addr(), append(append([]string{"run"}, flags...), name, "--", "true")...).start()
			tl.want(statusNotALock, `"`+name+`" is no lock: there is a key of that name that holds a `+kind)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%q: told after %v", flags, took)
			}
		}
	}
	tl := newTool(t, r.Addr(), "lead", "--restart", "never", "hash", "--", "true").start()
	tl.until("lead says so", func() bool {
		return strings.Contains(tl.err(), `"hash" is no lock: there is a key of that name that holds a hash; it goes on waiting`)
	})
	if err := r.client.Del(t.Context(), "hash").Err(); err != nil {
		t.Fatal(err)
	}
	if status := tl.wait(); status != 0 || strings.Count(tl.err(), "is no lock") != 1 {
		t.Errorf("status %d: %s", status, tl.err())
	}
}
