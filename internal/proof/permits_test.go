package proof

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// took makes a session one of so many permits.
func took(s *Session, permits int) *Session {
	s.Weight = permits
	return s
}

func reads(s *Session) *Session  { return took(s, 1) }
func writes(s *Session) *Session { return took(s, holdfast.MaxPermits) }

// TestCheckPermits: permits are counted, and a writer is alone.
func TestCheckPermits(t *testing.T) {
	// A reader stays with a lease that another passed on; meanwhile others came and went.
	passed := func() []*Session {
		return []*Session{
			reads(heldFrom(1, 1, 10, 0, 1, 2)), reads(heldFrom(2, 2, 13, 0, 1.5, 1.7)), reads(heldFrom(3, 1, 12, 1.8, 2, 3)),
		}
	}
	late := func(fence int64) []*Session { // the last waited for the others, who had all
		return []*Session{
			took(heldFrom(1, 1, 10, 0, 1, 2), 2), took(heldFrom(2, 2, 20, 0, 1, 3), 3), took(heldFrom(3, 3, fence, 0, 2.1, 3), 1),
		}
	}
	long := Window{Name: "FLUSHALL", From: 1, To: 100 * second, Excuses: true, Excused: 100 * second}
	for name, test := range map[string]struct {
		lock     string
		strict   bool
		sessions []*Session
		windows  []Window
		want     []string
	}{
		"as many as there are": {lock: five, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 1, 3), 2), took(heldFrom(2, 2, 11, 0, 1, 4), 3), took(heldFrom(3, 3, 12, 0, 3, 5), 2), took(heldFrom(4, 1, 13, 1, 5, 6), 5),
		}},
		"one too many": {lock: five, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 1, 3), 2), took(heldFrom(2, 2, 11, 0, 1.1, 3), 3), took(heldFrom(3, 3, 12, 0, 1.2, 3), 1),
		}, want: []string{"overlap"}},
		"one too many, until one of three ends": {lock: pair, sessions: []*Session{
			heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 0, 1.1, 4), heldFrom(3, 3, 12, 0, 1.2, 3), heldFrom(4, 4, 13, 0, 2, 2.5),
		}, want: []string{"overlap", "overlap"}},
		"one too many, excused": {lock: pair, sessions: []*Session{
			heldFrom(1, 1, 10, 0, 1, 3), took(heldFrom(2, 2, 11, 0, 2, 4), 2),
		}, windows: []Window{long}, want: []string{"overlap excused"}},
		"three where there are two": {lock: pair, sessions: []*Session{
			heldFrom(1, 1, 10, 0, 1, 3), heldFrom(2, 2, 11, 0, 1, 3), heldFrom(3, 3, 12, 0, 2, 3),
		}, want: []string{"overlap"}},
		"readers together, then a writer": {lock: readWrite, sessions: []*Session{
			reads(heldFrom(1, 1, 10, 0, 1, 3)), reads(heldFrom(2, 2, 11, 0, 1, 4)), writes(heldFrom(3, 3, 12, 0, 4, 5)), reads(heldFrom(4, 4, 13, 0, 5, 6)),
		}},
		"a writer beside a reader": {lock: readWrite, sessions: []*Session{
			reads(heldFrom(1, 1, 10, 0, 1, 3)), writes(heldFrom(2, 2, 11, 0, 2, 4)),
		}, want: []string{"overlap"}},
		"a reader beside a writer": {lock: readWrite, sessions: []*Session{
			writes(heldFrom(1, 1, 10, 0, 1, 3)), reads(heldFrom(2, 2, 11, 0, 2, 4)),
		}, want: []string{"overlap"}},
		"a writer with a smaller fence than a reader before it": {lock: readWrite, sessions: []*Session{
			reads(heldFrom(1, 1, 12, 0, 1, 2)), writes(heldFrom(2, 2, 11, 0, 3, 4)),
		}, want: []string{"inversion"}},
		"two readers of a client with one fence": {lock: readWrite, sessions: []*Session{
			reads(heldFrom(1, 1, 11, 0, 1, 3)), reads(heldFrom(2, 1, 11, 0, 2, 4)),
		}, want: []string{"inversion"}},
		"two readers with one fence": {lock: readWrite, sessions: []*Session{
			reads(heldFrom(1, 1, 11, 0, 1, 3)), reads(heldFrom(2, 2, 11, 0, 2, 4)),
		}},
		"two readers with one fence, and no lease is passed on": {lock: readWrite, strict: true, sessions: []*Session{
			reads(heldFrom(1, 1, 11, 0, 1, 3)), reads(heldFrom(2, 2, 11, 0, 2, 4)),
		}, want: []string{"inversion"}},
		"a reader with a smaller fence than a writer before it": {lock: readWrite, sessions: []*Session{
			writes(heldFrom(1, 1, 12, 0, 1, 2)), reads(heldFrom(2, 2, 11, 0, 3, 4)),
		}, want: []string{"inversion"}},
		"a reader with a smaller fence than another before it":       {lock: readWrite, sessions: passed()},
		"and no lease is passed on":                                  {lock: readWrite, strict: true, sessions: passed(), want: []string{"inversion", "overtaken"}},
		"a smaller fence than one who left too few":                  {lock: five, sessions: late(19)},
		"a smaller fence than one who left too few, on a strict one": {lock: five, strict: true, sessions: late(19), want: []string{"inversion"}},
		"a larger fence than those who left too few":                 {lock: five, strict: true, sessions: late(21)},
		"a lost lease is passed on": {lock: readWrite, sessions: []*Session{
			writes(heldFrom(1, 1, 10, 0, 1, 2)), reads(heldFrom(2, 2, 11, 0, 1.6, 1.7)), reads(heldFrom(4, 2, 20, 0, 1.6, 1.7)), writes(heldFrom(3, 1, 12, 1.8, 2, 3)),
		}, windows: []Window{long}, want: []string{"overlap excused", "overlap excused", "inversion excused"}},
		"a lost lease is not passed on": {lock: readWrite, sessions: []*Session{
			writes(heldFrom(1, 1, 10, 0, 1, 1.9)), reads(heldFrom(4, 2, 20, 0, 1.6, 1.7)), writes(heldFrom(3, 1, 12, 1.95, 2, 3)),
		}, windows: []Window{long}, want: []string{"overlap excused", "inversion"}},
		"a reader sees a change": {lock: readWrite, sessions: func() []*Session {
			s := reads(heldFrom(1, 1, 10, 0, 1, 2))
			use(s, 7, false)
			return []*Session{s}
		}(), want: []string{"inversion"}},
		"readers read the same": {lock: readWrite, sessions: func() []*Session {
			a, b := reads(heldFrom(1, 1, 10, 0, 1, 2)), reads(heldFrom(2, 2, 11, 0, 1, 2))
			use(a, 7, true)
			use(b, 7, true)
			return []*Session{a, b}
		}()},
		"writers read the same": {lock: readWrite, sessions: func() []*Session {
			a, b := writes(heldFrom(1, 1, 10, 0, 1, 2)), writes(heldFrom(2, 2, 11, 0, 2, 3))
			use(a, 7, true)
			use(b, 7, true)
			return []*Session{a, b}
		}(), want: []string{"lost update"}},
		"one that fits is served before one who came first": {lock: five, strict: true, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 3), 4), took(heldFrom(2, 2, 12, 1, 3, 4), 5), took(heldFrom(3, 3, 11, 2, 2, 2.9), 1),
		}, want: []string{"overtaken"}},
		"one that fits waits for one who came first": {lock: five, strict: true, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 9), 4), took(heldFrom(2, 2, 11, 1, 9, 10), 5), took(heldFrom(3, 3, 12, 2, 10, 11), 1),
		}},
		"one that fits waits for nobody": {lock: five, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 9), 4), took(heldFrom(2, 2, 11, 1, 9, 10), 1),
		}, want: []string{"stuck"}},
		"one that fits waits for one who gave up": {lock: five, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 9), 4), {ID: 4, Client: 2, Weight: 2, Asked: second / 2, Failed: 8 * second, Ended: never}, took(heldFrom(2, 3, 11, 1, 8.5, 10), 1),
		}},
		"one that fits waits for one who came later, and gave up": {lock: five, sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 9), 4), {ID: 4, Client: 2, Weight: 2, Asked: 2 * second, Failed: 8 * second, Ended: never}, took(heldFrom(2, 3, 11, 1, 8.5, 10), 1),
		}, want: []string{"stuck"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &History{Locks: []string{test.lock}, Sessions: test.sessions, Windows: test.windows, To: 200 * second, Fences: true, Floor: map[uint16]int64{0: 5}}
			bounds := handBounds
			bounds.Strict = func(uint16) bool { return test.strict }
			var got []string
			for _, v := range Check(h, bounds).Violations {
				text := v.What
				if v.Excuse != "" {
					text += " excused"
				}
				got = append(got, text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// TestCheckDead: who waits behind a process that was killed waits until that counts as dead.
func TestCheckDead(t *testing.T) {
	for served, want := range map[float64]int{14: 0, 22: 1} {
		h := &History{Locks: []string{five}, To: 200 * second, Fences: true, Dead: map[uint32]int64{1: 2 * second}, Sessions: []*Session{
			took(heldFrom(1, 1, 10, 0, 0.1, 30), 4), {ID: 2, Client: 1 << clientBits, Weight: 2, Asked: second, Ended: never}, heldFrom(3, 2, 11, 3, served, 31),
		}}
		if got := Check(h, handBounds).Broken(); len(got) != want {
			t.Errorf("served at %v s: %v", served, got)
		}
	}
}

// TestOverlapLasts: an overlap lasts until so many have ended that the others have no more than there are.
func TestOverlapLasts(t *testing.T) {
	h := &History{Locks: []string{five}, Sessions: []*Session{
		took(heldFrom(1, 1, 10, 0, 1, 3), 1), took(heldFrom(2, 2, 11, 0, 1, 6), 4), took(heldFrom(3, 3, 12, 0, 2, 4), 3),
	}}
	got := Check(h, handBounds).Violations
	if len(got) != 1 || got[0].From != 2*second || int64(got[0].For) != 2*second || len(got[0].Sessions) != 3 {
		t.Errorf("%+v", got)
	}
}

// TestNames: each kind is among few names, with and without strict order, and the weights are those of the kind.
func TestNames(t *testing.T) {
	count := make(map[string]int)
	for i := range 60 {
		name := nameOf(i, true)
		count[fmt.Sprint(LimitOf(name), Strict(uint16(i)))]++
		if LimitOf(nameOf(i, false)) != 1 {
			t.Errorf("%s, of a library without permits", nameOf(i, false))
		}
	}
	for _, limit := range []int{1, 2, 5, holdfast.MaxPermits} {
		for _, strict := range []bool{false, true} {
			if n := count[fmt.Sprint(limit, strict)]; n < 3 {
				t.Errorf("limit %d, strict %v: %d of 60 names", limit, strict, n)
			}
		}
		r, seen := rand.New(rand.NewPCG(1, 2)), make(map[int]bool)
		for range 1000 {
			seen[weight(r, limit)] = true
		}
		if want := map[int]int{1: 1, 2: 2, 5: 5, holdfast.MaxPermits: 2}[limit]; len(seen) != want || !seen[1] || !seen[limit] {
			t.Errorf("limit %d: weights %v", limit, seen)
		}
	}
}
