package proof

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// second is a second after the start of hand-made histories.
const second = int64(time.Second)

// held is a session that was asked for, held and released in these seconds.
func heldFrom(id int64, client uint32, fence int64, asked, got, over float64) *Session {
	at := func(s float64) int64 { return int64(s * float64(second)) }
	return &Session{
		ID: id, Client: client, Caller: client << 1, Fence: fence, Weight: 1, Asked: at(asked), Got: at(got),
		LastAlive: at(over), Ended: at(over), Released: at(over), ByCaller: true, Code: 1,
	}
}

var handBounds = Bounds{
	Stuck: 5 * time.Second, Order: 100 * time.Millisecond,
	Passes: func(clients, goroutines int) int { return 2 },
	Strict: func(lock uint16) bool { return lock == 0 },
}

// use is an update of the store that a session makes while it is alive.
func use(s *Session, value uint16, ok bool) {
	s.Uses = append(s.Uses, Use{From: s.Got, To: s.Got + 1, Fence: s.Fence, Value: value, OK: ok})
}

func TestCheck(t *testing.T) {
	long := Window{Name: "FLUSHALL", From: 1, To: 100 * second, Excuses: true, Excused: 100 * second}
	elsewhere := Window{Name: "FLUSHALL", From: 50 * second, To: 51 * second, Excuses: true, Excused: 52 * second}
	harmless := Window{Name: "connections reset", From: 1, To: 100 * second}
	overlapping := func() []*Session {
		return []*Session{heldFrom(1, 1, 10, 0, 1, 3), heldFrom(2, 2, 11, 0, 2, 4)}
	}
	soon := Window{Name: "failover", From: 1, To: 3 * second, Excuses: true, Excused: 4 * second}
	// outrun is a lease that was lost and then passed on with that fence, beside a rightful holder
	// whom the store refuses much later.
	outrun := func(fence int64) []*Session {
		rightful := heldFrom(2, 2, 20, 0, 2, 9)
		rightful.Uses = append(rightful.Uses, Use{From: 8 * second, To: 8*second + 1, Fence: 20})
		return []*Session{heldFrom(1, 1, 10, 0, 1, 2.5), rightful, heldFrom(3, 1, fence, 0, 2.6, 3)}
	}
	for name, test := range map[string]struct {
		sessions []*Session
		windows  []Window
		want     []string // what is found, with "excused" where it is
	}{
		"one after the other": {sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 0, 2, 3), heldFrom(3, 1, 12, 2.5, 3, 4)}},
		"overlap":             {sessions: overlapping(), want: []string{"overlap"}},
		"overlap, excused":    {sessions: overlapping(), windows: []Window{long}, want: []string{"overlap excused"}},
		"overlap under a fault that excuses none": {sessions: overlapping(), windows: []Window{harmless}, want: []string{"overlap"}},
		"overlap after lost writes, with the failover grace": {
			sessions: overlapping(), windows: []Window{{Name: "failover", From: 1, To: 100 * second, Loses: true, Excused: 100 * second}}, want: []string{"overlap"},
		},
		"overlap long before the fault": {sessions: overlapping(), windows: []Window{elsewhere}, want: []string{"overlap"}},
		"overlap with one before the last": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 9), heldFrom(2, 2, 11, 0, 2, 3), heldFrom(3, 3, 12, 0, 4, 5)},
			want:     []string{"overlap", "overlap"},
		},
		"Acquire returned and nobody looked": {sessions: func() []*Session {
			late := heldFrom(2, 2, 10, 0, 2, 0)
			late.LastAlive = 0
			return []*Session{heldFrom(1, 1, 11, 0, 1, 3), late}
		}()},
		"fence not larger": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 10, 2.5, 3, 4)}, want: []string{"inversion"},
		},
		"fence smaller, asked before": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 9, 0, 3, 4)}, want: []string{"inversion"},
		},
		"fence smaller, after a fault that excuses overlaps": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 9, 2.5, 3, 4)}, windows: []Window{long}, want: []string{"inversion"},
		},
		"a lost lease is passed on": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1.5, 2.5), heldFrom(2, 2, 20, 0, 1.6, 1.7), heldFrom(3, 1, 11, 2, 2.6, 3)},
			windows:  []Window{long}, want: []string{"overlap excused", "inversion excused"},
		},
		"a lost lease rests, and is had again": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 1.5), heldFrom(2, 2, 5_000_000, 0, 1.6, 1.7), heldFrom(3, 1, 10+1_470_000, 2.4, 2.5, 3)},
			windows:  []Window{long}, want: []string{"inversion excused"},
		},
		"a lease that rests is had again with a fence that another had": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 1.5), heldFrom(4, 2, 3_000_000, 0, 1.52, 1.58),
				heldFrom(2, 2, 5_000_000, 0, 1.6, 1.7), heldFrom(3, 1, 4_000_000, 2.4, 2.5, 3)},
			windows: []Window{long}, want: []string{"inversion"},
		},
		"a lease that rests is had again though it was not lost": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 1.5), heldFrom(2, 2, 5_000_000, 1.55, 1.6, 1.7), heldFrom(3, 1, 10+1_470_000, 2.4, 2.5, 3)},
			want:     []string{"inversion", "overtaken"},
		},
		"fence of an earlier round": {sessions: []*Session{heldFrom(1, 1, 5, 0, 1, 2)}, want: []string{"inversion"}},
		"refused though alive": {sessions: func() []*Session {
			s := heldFrom(1, 1, 10, 0, 1, 2)
			use(s, 0, false)
			return []*Session{s}
		}(), want: []string{"inversion"}},
		"refused, for one with a larger fence overlapped it": {sessions: outrun(21), windows: []Window{soon}, want: []string{"overlap excused", "overlap excused"}},
		"refused, and what overlapped it has a smaller fence": {
			sessions: outrun(19), windows: []Window{soon}, want: []string{"overlap excused", "overlap excused", "inversion"},
		},
		"refused, and no overlap is excused": {sessions: outrun(21), want: []string{"overlap", "overlap", "inversion"}},
		"lost update": {sessions: func() []*Session {
			a, b := heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 0, 3, 4)
			use(a, 7, true)
			use(b, 7, true)
			return []*Session{a, b}
		}(), windows: []Window{long}, want: []string{"lost update"}},
		"overtaken": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 0.1, 3), heldFrom(2, 2, 12, 1, 4, 5), heldFrom(3, 3, 11, 2, 3, 4)},
			want:     []string{"overtaken"},
		},
		"overtaken within the time of a request": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 0.1, 3), heldFrom(2, 2, 12, 1, 4, 5), heldFrom(3, 3, 11, 1.05, 3, 4)},
		},
		"overtaken during a fault": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 0.1, 3), heldFrom(2, 2, 12, 1, 4, 5), heldFrom(3, 3, 11, 2, 3, 4)},
			windows:  []Window{harmless},
		},
		"stuck": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 1, 9, 10)}, want: []string{"stuck"},
		},
		"free, and nobody waited": {sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 8.9, 9, 10)}},
		"free while a fault was at work": {
			sessions: []*Session{heldFrom(1, 1, 10, 0, 1, 2), heldFrom(2, 2, 11, 1, 9, 10)},
			windows:  []Window{{Name: "server stopped", From: 2 * second, To: 6 * second}},
		},
		"a call that never ended": {sessions: []*Session{{ID: 1, Asked: second, Ended: never}}, want: []string{"stuck"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &History{
				Locks: []string{"lock"}, Sessions: test.sessions, Windows: test.windows, To: 200 * second,
				Fences: true, Floor: map[uint16]int64{0: 5},
			}
			var got []string
			for _, v := range Check(h, handBounds).Violations {
				text := v.What
				if v.Excuse != "" {
					text += " excused"
				}
				got = append(got, text)
				var printed strings.Builder
				h.Print(&printed, v)
				if !strings.Contains(printed.String(), v.Detail) || strings.Count(printed.String(), "\n") < 2 {
					t.Errorf("printed: %s", printed.String())
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// TestCheckPasses: where goroutines of a client pass a lock on, others may be served first,
// but not more of them than the bound says, and never of the same client.
func TestCheckPasses(t *testing.T) {
	line := func(client func(i int) uint32) []*Session {
		list := []*Session{heldFrom(1, 1, 10, 0, 0.1, 3), heldFrom(2, 2, 20, 1, 9, 10)}
		for i := range 3 {
			list = append(list, heldFrom(int64(3+i), client(i), int64(11+i), 2, float64(3+i), float64(4+i)))
		}
		for _, s := range list {
			s.Lock = 1
		}
		return list
	}
	for name, test := range map[string]struct {
		sessions []*Session
		want     int
	}{
		"three others, two allowed": {line(func(int) uint32 { return 3 }), 1},
		"of the same client":        {line(func(i int) uint32 { return uint32(2 + i) }), 1},
		"two others":                {line(func(int) uint32 { return 3 })[:4], 0},
	} {
		h := &History{Locks: []string{"", "lock"}, Sessions: test.sessions, To: 20 * second, Fences: true, Floor: map[uint16]int64{}}
		if got := Check(h, handBounds).Broken(); len(got) != test.want || len(got) > 0 && got[0].What != "overtaken" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRecords: what a worker writes is what the director reads, up to half a record at the
// end.
func TestRecords(t *testing.T) {
	want := []Record{
		{Kind: Asked, Lock: 65535, Caller: 1 << 31, Client: 7, ID: 1 << 63, T1: 1 << 62},
		{Kind: Used, OK: true, Code: 255, T1: -1, T2: 3, Fence: 1 << 52, Value: 8191},
	}
	var stream []byte
	for i := range want {
		stream = want[i].append(stream)
	}
	stream = append(stream, stream[:recordSize-1]...)
	var got []Record
	if err := readRecords(strings.NewReader(string(stream)), func(r Record) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %+v", got)
	}
}
