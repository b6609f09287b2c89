package proof

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) {
	ChildMain(Holdfast)
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m)
}

// TestShortRound puts each deployment through a round of the faults that excuse nothing, and
// one of them through those that excuse an overlap, too.
func TestShortRound(t *testing.T) {
	t.Parallel()
	think := 30 * time.Millisecond
	if !redistest.Full() {
		think *= 5 // the tests of other packages run beside these
	}
	for _, kind := range []string{Single, AOF, Clock, Sentinel, Cluster} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rounds := 1
			if kind == Single {
				rounds = 2
			}
			result := Run(t, Config{
				Seed: seed, Deployment: kind, Library: Holdfast, Rounds: rounds, Strikes: 5 * time.Second,
				Workers: 4, Clients: 6, Locks: 10, TTL: time.Second, Think: think,
				Say: t.Logf, Round: func(h *History, r *Report) { failOn(t, h, r) },
			})
			if c := result.Counts; c.Got < 100 || c.Permits < 50 || c.Beside < 5 || c.Uses < 300 || len(result.Faults) < 8 {
				t.Errorf("%d faults, %d acquisitions, %d of permits and %d beside others, and %d uses: that shows little",
					len(result.Faults), c.Got, c.Permits, c.Beside, c.Uses)
			}
		})
	}
}

// TestShortGrace has writes lost where all clients have the failover grace: that excuses nothing.
func TestShortGrace(t *testing.T) {
	t.Parallel()
	kinds := []string{RDB, Moved}
	if redistest.Full() {
		kinds = append(kinds, Single, Everysec, Sentinel, MinReplicas, Cluster)
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			result := Run(t, Config{
				Seed: seed, Deployment: kind, Library: Holdfast, Rounds: 1, Strikes: 5 * time.Second, Grace: true,
				Only:    "killed,power cut,promoted by hand,SENTINEL FAILOVER,TAKEOVER",
				Workers: 2, Clients: 4, Locks: 300, TTL: time.Second, Think: 50 * time.Millisecond, Fresh: 100 * time.Millisecond, Hold: time.Second,
				Say: t.Logf, Round: func(h *History, r *Report) { failOn(t, h, r) },
			})
			lost := 0
			for _, tally := range result.Faults {
				if tally.Loses {
					lost += tally.Strikes
				}
			}
			if result.Grace <= time.Second || result.Counts.Got < 10 || lost == 0 {
				t.Errorf("grace %v, %d acquisitions, writes lost %d times: that shows little", result.Grace, result.Counts.Got, lost)
			}
		})
	}
}

// TestExcuses: lost writes excuse an overlap only without the failover grace.
func TestExcuses(t *testing.T) {
	without, with := &director{}, &director{grace: time.Second}
	for i := range allFaults {
		f := &allFaults[i]
		if f.excuses && f.loses {
			t.Errorf("%s is said to be excused, and to lose writes", f.name)
		}
		if got, want := without.excuses(f), f.excuses || f.loses; got != want {
			t.Errorf("%s excuses without the grace: %v", f.name, got)
		}
		if got := with.excuses(f); got != f.excuses {
			t.Errorf("%s excuses with the grace: %v", f.name, got)
		}
	}
	for kind, want := range map[string]time.Duration{Single: 1020 * time.Millisecond, MinReplicas: 3060 * time.Millisecond, Sentinel: 16320 * time.Millisecond} {
		if got := graceOf(kind, time.Second); got != want {
			t.Errorf("the grace of %s is %v, want %v", kind, got, want)
		}
	}
}

// TestAfter: an overlap counts as one after the fault that may lose writes, excused or not.
func TestAfter(t *testing.T) {
	h := &History{Windows: []Window{
		{Name: "connections reset", To: 10 * second, Excused: 10 * second},
		{Name: "failover", From: 2 * second, To: 8 * second, Loses: true, Excused: 4 * second},
	}}
	for at, want := range map[int64]string{1: "", 3: "failover", 5: ""} {
		got := ""
		if w := h.after(Violation{What: "overlap", From: at * second}); w != nil {
			got = w.Name
		}
		if got != want {
			t.Errorf("an overlap at %d s is one after %q, want %q", at, got, want)
		}
	}
	if h.after(Violation{What: "stuck", From: 3 * second}) != nil {
		t.Error("a lock that is stuck is no overlap")
	}
}

// TestPause: the longest time without a new session counts, within the fault's time and the round's.
func TestPause(t *testing.T) {
	w := &Window{From: 2 * second, To: 30 * second}
	h := &History{To: 20 * second, Sessions: []*Session{
		heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 0, 9, 10), heldFrom(3, 1, 12, 0, 5, 6), heldFrom(4, 1, 13, 0, 14, 15), {ID: 5, Asked: second},
	}}
	if got := h.pause(w); got != 6*time.Second {
		t.Errorf("%v, want 6s: from 14 s to the end of the round", got)
	}
	if w.To = 16 * second; h.pause(w) != 5*time.Second {
		t.Errorf("%v, want 5s: from 9 s to 14 s", h.pause(w))
	}
}

// TestFreshLocks: with Fresh everybody asks for one lock after the other; those of an even number are
// left to one goroutine of each client.
func TestFreshLocks(t *testing.T) {
	w := &worker{job: job{Locks: make([]string, 4), Fresh: time.Hour}}
	first, second := &caller{w: w}, &caller{w: w, second: true}
	if a, b := first.lock(), second.lock(); a|1 != b || first.lock() != a {
		t.Errorf("within an hour the locks are %d, %d and then %d", a, b, first.lock())
	}
	w.Fresh = time.Nanosecond
	seen := make(map[uint16]bool)
	for range 1000 {
		seen[first.lock()] = true
	}
	if len(seen) < 3 {
		t.Errorf("of 4 locks %d were asked for", len(seen))
	}
}

// failOn reports what breaks the promise.
func failOn(t *testing.T, h *History, r *Report) {
	for _, v := range r.Broken() {
		var text strings.Builder
		h.Print(&text, v)
		t.Error(text.String())
	}
}

// TestOwnSlots: a slot that is on its way is not yet the node's.
func TestOwnSlots(t *testing.T) {
	const nodes = "a1 127.0.0.1:1@2 master - 0 1 1 connected 0-99\n" +
		"b2 127.0.0.1:3@4 myself,master - 0 1 2 connected 100-199 300 [301-<-a1]\n"
	for slot, want := range map[int]bool{99: false, 100: true, 150: true, 199: true, 200: false, 300: true, 301: false} {
		if got := ownSlots(nodes, slot); got != want {
			t.Errorf("slot %d: %v", slot, got)
		}
	}
}
