package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// beginning starts a library of Go on a server of its own.
func beginning(t *testing.T, lib *library) *beside {
	t.Helper()
	server := redistest.Start(t)
	b, stop, err := open(t.Context(), lib, nil, server.Addr(), server.Client())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return b
}

// TestOverlapIsFound: where both do not use the same key, the race finds overlaps and lost updates, and the trials end
// with an error.
func TestOverlapIsFound(t *testing.T) {
	t.Parallel()
	lib := *find("redislock")
	lib.key = "another"
	b := beginning(t, &lib)
	if found, err := refused(t.Context(), b); err == nil || !strings.Contains(err.Error(), "got a lock that Holdfast holds") {
		t.Errorf("refused: %q, %v", found, err)
	}
	if err := b.w().must(order{Op: "release"}); err != nil {
		t.Fatal(err)
	}
	res, err := b.race(t.Context(), time.Second, 0, 2)
	if err == nil || res.Lost == 0 || res.Overlaps == 0 {
		t.Errorf("the race: %+v, %v", res, err)
	}
}

// TestStaleIsFound: a library that takes a lock away from Holdfast is found. Here it is another client that does it.
func TestStaleIsFound(t *testing.T) {
	t.Parallel()
	b := beginning(t, find("redislock"))
	ctx := t.Context()
	for name, change := range map[string]func() error{
		"deleted":     func() error { return b.client.Del(ctx, b.lib.holdfastKey()).Err() },
		"overwritten": func() error { return b.client.Set(ctx, b.lib.holdfastKey(), "x", long).Err() },
		"shortened":   func() error { return b.client.Expire(ctx, b.lib.holdfastKey(), 5*time.Second).Err() },
		"lengthened":  func() error { return b.client.Expire(ctx, b.lib.holdfastKey(), time.Minute).Err() },
	} {
		s, err := b.mutex().Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetTTL(ctx, long); err != nil {
			t.Fatal(err)
		}
		if err := b.intact(ctx, s); err != nil {
			t.Errorf("before it was %s: %v", name, err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if b.intact(ctx, s) == nil {
			t.Errorf("it is not found that the lock was %s", name)
		}
		_ = b.client.Del(ctx, b.lib.holdfastKey())
		_ = s.Release(ctx)
	}
}

// TestChangeIsSaid: a library that does something else than it is known to do is named with its version, the trial, and
// both outcomes.
func TestChangeIsSaid(t *testing.T) {
	t.Parallel()
	lib := *find("redsync")
	lib.expect = like(lib.expect, "default", "9s")
	lib.version = "v5."
	b := beginning(t, &lib)
	r := &result{lib: &lib, Version: b.w().version, Found: make(map[string]string)}
	r.checkVersion()
	for _, trial := range trials[:2] {
		if err := r.one(t.Context(), b, trial); err != nil {
			t.Fatal(err)
		}
	}
	err := changes([]*result{r})
	if err == nil {
		t.Fatal("nothing is said")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		"redsync v4.18.1: the version does not begin with \"v5.\"",
		"redsync v4.18.1: trial \"default\": \"8s\" instead of \"9s\"",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}

// TestParse: the libraries that are named, or all; one that there is not is refused.
func TestParse(t *testing.T) {
	o, err := parse([]string{"-only", "redislock,redsync", "-race", "3s"}, io.Discard)
	if err != nil || len(o.chosen) != 2 || o.chosen[0].name != "redislock" || o.race != 3*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = parse(nil, io.Discard); err != nil || len(o.chosen) != len(libraries) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"-only", "redlock-3"}, {"-race", "1ms"}, {"redsync"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q is not refused", args)
		}
	}
}

// TestTable: each library has an outcome for each trial, and no name comes twice.
func TestTable(t *testing.T) {
	for i, lib := range libraries {
		if slices.Index(names(), lib.name) != i {
			t.Errorf("%s comes twice", lib.name)
		}
		if lib.expect == nil {
			continue // can't be had
		}
		for _, trial := range trials {
			if lib.expect[trial.name] == "" {
				t.Errorf("%s has no outcome of trial %q", lib.name, trial.name)
			}
		}
		if lib.setting == "" || lib.gap == 0 {
			t.Errorf("%s: nothing is said of the setting, or of the gap", lib.name)
		}
	}
}

// TestReport: what is missing is a row with its reason, and the report takes its place in the file.
func TestReport(t *testing.T) {
	ran := &result{lib: find("rueidislock-1"), Version: "v1.0.79", Found: find("rueidislock-1").expect, Busy: 5 * time.Second,
		Race: raced{Ours: side{Got: 7, Longest: 3 * time.Millisecond}, Theirs: side{Got: 9, GaveUp: 1, Longest: time.Second}}}
	gone := &result{lib: find("redis-py-8"), Missing: "no release of Debian has it"}
	text := report([]*result{ran, gone}, "a machine", []string{"-race", "20s"}, time.Now())
	for _, want := range []string{
		"`go -C interop run . -race 20s` on ",
		"| rueidislock 1.0.79, KeyMajority 1 | no: `rueidislock:0:job` | give Holdfast the name `rueidislock:0:job` | ",
		"in the race 7 : 9 |",
		"| rueidislock, KeyMajority 1 | 7 : 9 | 3 : 1000 ms, then gave up (1) | ",
		"| redis-py 8 | not available here: no release of Debian has it |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	file := filepath.Join(t.TempDir(), "interop.md")
	if err := os.WriteFile(file, []byte("a\n"+mark+"old\n"+mark+"b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := insert(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "a\n"+mark+"new\n"+mark+"b\n" {
		t.Errorf("%q", got)
	}
	if err := insert(os.DevNull, "new\n"); err == nil {
		t.Error("a file without the two lines is not refused")
	}
}
