package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// list gathers what List finds, by name.
func list(t *testing.T, l *holdfast.Locker, pattern string) map[string]holdfast.Info {
	t.Helper()
	found := make(map[string]holdfast.Info)
	for entry, err := range l.List(t.Context(), pattern) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := found[entry.Name]; twice {
			t.Errorf("%q was listed twice", entry.Name)
		}
		found[entry.Name] = entry.Info
	}
	return found
}

// waiter asks for the lock from a Locker of its own until the test ends, and has been
// noted when it returns.
func waiter(t *testing.T, e *env, name, label string, place int) {
	t.Helper()
	ctx, cancel := context.WithCancel(e.ctx())
	mu, done := e.locker().Mutex(name, holdfast.WithLabel(label)), make(chan struct{})
	go func() {
		defer close(done)
		if s, err := mu.Acquire(ctx); err == nil {
			_ = s.Release(context.WithoutCancel(ctx))
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, label+" waits", func() bool {
		info, err := mu.Inspect(e.ctx())
		return err == nil && info.Waiters == place
	})
}

func TestInspectQueue(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		if info, queue, err := mu.InspectQueue(e.ctx()); err != nil || info.Held || queue != nil {
			t.Errorf("a free lock: %+v, %v, %v", info, queue, err)
		}
		s := e.acquire(mu)
		labels := []string{"first 1\n", strings.Repeat("x", holdfast.MaxLabelLen), ""}
		for i, label := range labels {
			waiter(t, e, "a", label, i+1)
		}
		info, queue, err := mu.InspectQueue(e.ctx())
		if err != nil || info.Fence != s.Fence() || info.Waiters != len(labels) || len(queue) != len(labels) {
			t.Fatalf("%+v, %v, %v", info, queue, err)
		}
		for i, w := range queue {
			if w.Label != labels[i] || w.Alive <= 0 || w.Alive > 10*time.Second {
				t.Errorf("waiter %d: %+v", i, w)
			}
		}
		if plain, err := mu.Inspect(e.ctx()); err != nil || plain.Fence != info.Fence || plain.Waiters != info.Waiters {
			t.Errorf("Inspect: %+v, %v", plain, err)
		}
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		l := e.locker()
		if found := list(t, l, ""); len(found) > 0 {
			t.Errorf("nothing is held: %v", found)
		}
		want := map[string]int64{}
		for _, name := range []string{"jobs:a", "jobs:[b]", "{jobs}:c", "other", "br}ace", "\x00\n"} {
			want[name] = e.acquire(l.Mutex(name)).Fence()
		}
		released := e.acquire(l.Mutex("jobs:released"))
		if err := released.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		e.direct.Set(e.ctx(), "jobs:stranger", "x", time.Minute)
		e.direct.Set(e.ctx(), "holdfast:2:t:no tag", "x", time.Minute)
		found := list(t, l, "")
		for name, fence := range want {
			if info := found[name]; !info.Held || info.Fence != fence {
				t.Errorf("%q: %+v, want fence %d", name, info, fence)
			}
		}
		if len(found) != len(want) {
			t.Errorf("found %q", slices.Collect(maps.Keys(found)))
		}
		if found := list(t, l, "jobs:*"); len(found) != 2 {
			t.Errorf("jobs:*: %v", found)
		}
		if found := list(t, l, `jobs:\[b\]`); len(found) != 1 || !found["jobs:[b]"].Held {
			t.Errorf(`jobs:\[b\]: %v`, found)
		}
		if found := list(t, l, "{jobs}:?"); len(found) != 1 {
			t.Errorf("{jobs}:?: %v", found)
		}
		// A stranger is found once one of ours has met it.
		if _, err := l.Mutex("jobs:stranger").TryAcquire(e.ctx()); !errors.Is(err, holdfast.ErrHeld) {
			t.Fatal(err)
		}
		waiter(t, e, "jobs:stranger", "w", 1)
		if info := list(t, l, "jobs:s*")["jobs:stranger"]; !info.Stranger || info.Waiters != 1 {
			t.Errorf("a stranger's: %+v", info)
		}
	})
}

// TestListMany: more than fit on a page, each once, and a caller that has seen enough.
func TestListMany(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		const many = 1200
		l := e.locker()
		e.take(l, many)
		if found := list(t, l, "lock*"); len(found) != many {
			t.Errorf("found %d", len(found))
		}
		n := 0
		for range l.List(e.ctx(), "") {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%d rounds", n)
		}
	})
}

func TestListOnACluster(t *testing.T) {
	t.Parallel()
	l := holdfast.New(redistest.StartCluster(t).Client())
	defer l.Close()
	for i := range 30 {
		if _, err := l.Mutex(fmt.Sprint("c", i)).Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if found := list(t, l, "c*"); len(found) != 30 {
		t.Errorf("found %d: %v", len(found), found)
	}
}

func TestListErrors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	server.SetUser(t, "half", "+@all", "~holdfast:2:*", "~mine:*", "&*")
	all := holdfast.New(admin)
	defer all.Close()
	for _, name := range []string{"mine:a", "mine:b", "theirs"} {
		if _, err := all.Mutex(name).Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	client := server.Client(func(o *redis.Options) { o.Username, o.Password = "half", "secret" })
	l := holdfast.New(client)
	defer l.Close()
	var good, bad []string
	for entry, err := range l.List(t.Context(), "") {
		if err != nil {
			bad = append(bad, entry.Name+": "+err.Error())
		} else {
			good = append(good, entry.Name)
		}
	}
	if len(good) != 2 || len(bad) != 1 || !strings.HasPrefix(bad[0], `theirs: holdfast: inspect "theirs": `) {
		t.Errorf("found %q, errors %q", good, bad)
	}
	admin.Do(t.Context(), "acl", "setuser", "half", "-scan")
	n := 0
	for entry, err := range l.List(t.Context(), "x*") {
		if n++; err == nil || entry.Name != "" || !strings.HasPrefix(err.Error(), `holdfast: list the locks "x*": NOPERM`) {
			t.Errorf("%+v, %v", entry, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range l.List(ctx, "") {
		if n++; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	l.Close()
	for _, err := range l.List(t.Context(), "") {
		if n++; !errors.Is(err, holdfast.ErrClosed) {
			t.Error(err)
		}
	}
	if n != 3 {
		t.Errorf("%d errors, want 3", n)
	}
}

func TestForceReleaseFence(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mu := e.locker().Mutex("a")
		if err := mu.ForceReleaseFence(e.ctx(), 0); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("fence 0: %v", err)
		}
		if err := mu.ForceReleaseFence(e.ctx(), 1); err != nil {
			t.Errorf("a free lock: %v", err)
		}
		first := e.acquire(mu)
		if err := first.Release(e.ctx()); err != nil {
			t.Fatal(err)
		}
		s := e.acquire(mu, holdfast.WithToken("given"))
		err := mu.ForceReleaseFence(e.ctx(), first.Fence())
		text := fmt.Sprintf(`holdfast: force the release of "a": held under another fence: its fence is %d, not %d`, s.Fence(), first.Fence())
		if locktest.AsPermits() { // others may hold some, too
			text = fmt.Sprintf(`holdfast: force the release of "a": held under another fence: no holder has the fence %d`, first.Fence())
		}
		if !errors.Is(err, holdfast.ErrOtherFence) || err.Error() != text {
			t.Errorf("the fence before: %v, want %s", err, text)
		}
		if err := s.Check(e.ctx()); err != nil {
			t.Errorf("the next holder was not spared: %v", err)
		}
		waiter(t, e, "a", "w", 1)
		if err := mu.ForceReleaseFence(e.ctx(), s.Fence()); err != nil {
			t.Error(err)
		}
		if err := s.Check(e.ctx()); !errors.Is(err, holdfast.ErrForceReleased) {
			t.Errorf("Check: %v", err)
		}
		eventually(t, "the waiter had its turn", func() bool {
			info, err := mu.Inspect(e.ctx())
			return err == nil && !info.Held
		})
		e.direct.Set(e.ctx(), "a", "stranger", time.Minute)
		if err := mu.ForceReleaseFence(e.ctx(), s.Fence()); !errors.Is(err, holdfast.ErrOtherFence) {
			t.Errorf("a stranger's: %v", err)
		}
	})
}
