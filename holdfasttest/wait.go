package holdfasttest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast"
)

// WaitHeld waits until somebody holds the lock, or some of its permits, and returns who. It fails the test
// after 30 s.
func (r *Redis) WaitHeld(name string) (info holdfast.Info) {
	r.t.Helper()
	r.thawed("WaitHeld", name)
	r.waitUntil(patience, func() bool {
		info = r.Holder(name)
		return info.Held && !info.Kept
	}, func() string { return fmt.Sprintf("WaitHeld(%q): it is %s", name, r.describe(name)) })
	return info
}

// WaitQueued waits until at least n processes wait for the lock. The goroutines of one Locker that
// wait for one lock count as one. It fails the test after 30 s.
func (r *Redis) WaitQueued(name string, n int) {
	r.t.Helper()
	r.thawed("WaitQueued", name)
	r.waitUntil(patience, func() bool { return r.Holder(name).Waiters >= n },
		func() string { return fmt.Sprintf("WaitQueued(%q, %d): it is %s", name, n, r.describe(name)) })
}

// WaitFree waits until these locks, or without a name all locks, are neither held nor waited for. It
// fails the test after 30 s, and says who holds them. A lock that only a minimum hold keeps counts
// as free.
func (r *Redis) WaitFree(names ...string) {
	r.t.Helper()
	r.thawed("WaitFree", strings.Join(names, ", "))
	var busy []string
	r.waitUntil(patience, func() bool { busy = r.busy(names, nil); return len(busy) == 0 },
		func() string { return "WaitFree: " + strings.Join(busy, "; ") })
}

// AllowHeld allows these locks, or without a name all locks, to be held or waited for at the end of
// the test.
func (r *Redis) AllowHeld(names ...string) {
	r.t.Helper()
	r.enter("AllowHeld")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allowAll = r.allowAll || len(names) == 0
	for _, name := range names {
		r.allowed[name] = true
	}
}

// busy says of each lock that is held or waited for by whom.
func (r *Redis) busy(names []string, except map[string]bool) (busy []string) {
	r.t.Helper()
	ctx, cancel := within()
	defer cancel()
	if len(names) == 0 {
		for entry, err := range r.look.List(ctx, "") {
			if err != nil {
				r.t.Fatalf("holdfasttest: %v", err)
			}
			if !slices.Contains(names, entry.Name) { // it may be listed twice
				names = append(names, entry.Name)
			}
		}
	}
	for _, name := range names {
		if info := r.Holder(name); !except[name] && (info.Held && !info.Kept || info.Waiters > 0) {
			busy = append(busy, quoted(name)+" is "+r.describe(name))
		}
	}
	return busy
}

func quoted(name string) string { return fmt.Sprintf("%q", name) }

// waitUntil waits until the condition holds, or fails the test with what is the case instead.
func (r *Redis) waitUntil(limit time.Duration, cond func() bool, instead func() string) {
	r.t.Helper()
	if !poll(limit, cond) {
		r.t.Fatalf("holdfasttest: after %v, %s", limit, instead())
	}
}

// poll reports whether the condition holds within the limit. It asks every 1 ms at first, and every
// 20 ms later: in a bubble a long wait would else take much processor time.
func poll(limit time.Duration, cond func() bool) bool {
	began, pause := time.Now(), time.Millisecond
	for !cond() {
		if time.Since(began) > limit {
			return false
		}
		time.Sleep(pause)
		pause = min(pause+pause/4, 20*time.Millisecond)
	}
	return true
}
