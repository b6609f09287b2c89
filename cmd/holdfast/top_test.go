package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/holdfast-go/holdfast"
)

// scene is top on a screen in memory, at a time that the test moves.
type scene struct {
	t *testing.T
	*topView
	m      *topModel
	screen tcell.SimulationScreen
	now    time.Time
}

func newScene(t *testing.T, width, height int) *scene {
	t.Helper()
	screen := tcell.NewSimulationScreen("UTF-8")
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(screen.Fini)
	screen.SetSize(width, height)
	now := time.Unix(1_800_000_000, 0)
	return &scene{t, &topView{screen: screen, addr: "localhost:6379"}, newTopModel(now), screen, now}
}

// lines draws and returns what the screen shows.
func (s *scene) lines() []string {
	s.draw(s.m, s.now)
	cells, width, _ := s.screen.GetContents()
	var lines []string
	for len(cells) > 0 {
		line := ""
		for _, c := range cells[:width] {
			if len(c.Runes) > 0 && c.Runes[0] != 0 {
				line += string(c.Runes)
			}
		}
		lines, cells = append(lines, strings.TrimRight(line, " ")), cells[width:]
	}
	return lines
}

func (s *scene) shows(line int, want string) {
	s.t.Helper()
	if lines := s.lines(); lines[line] != want {
		s.t.Errorf("line %d: %q, want %q", line, lines[line], want)
	}
}

func entry(name, label string, fence int64, ttl time.Duration, waiters int) holdfast.Entry {
	return holdfast.Entry{Name: name, Info: holdfast.Info{Held: true, Label: label, Fence: fence, TTL: ttl, Waiters: waiters,
		Since: time.UnixMicro(fence), HeldFor: time.Duration(fence) * time.Minute}}
}

func TestTopScreen(t *testing.T) {
	s := newScene(t, 80, 24)
	stranger := holdfast.Entry{Name: "python", Info: holdfast.Info{Held: true, Stranger: true, NoExpiry: true}}
	s.m.list([]holdfast.Entry{
		entry("jobs:a", "host-a:1", 1, 9*time.Second, 0), entry("jobs:b", "host-b:2", 2, 150*time.Second, 12), stranger,
	}, s.now)
	s.shows(0, "holdfast top  localhost:6379")
	s.shows(1, "3 locks: 3 held, 1 by strangers · 12 waiting · 0.0 hand-overs/s · 0 lost")
	s.shows(3, "NAME▾                   HOLDER                  HELD     TTL  WAIT  HAND/S  LOST")
	s.shows(4, "jobs:a                  host-a:1               60.0s    9.0s     -       -     -")
	s.shows(5, "jobs:b                  host-b:2                2m0s   2m30s    12       -     -")
	s.shows(6, "python                  (stranger)                 -    none     -       -     -")
	s.shows(23, topHelp)
	for keys, name := range map[string]string{"w": "jobs:b", "wr": "python", "t": "python", "s": "jobs:b", "f": "jobs:b", "o": "python", "h": "jobs:a", "n": "jobs:a"} {
		for _, key := range keys {
			s.key(s.m, tcell.KeyRune, key)
		}
		if got := s.lines()[4]; !strings.HasPrefix(got, name+" ") {
			t.Errorf("sorted by %s: %q", keys, got)
		}
	}
	s.key(s.m, tcell.KeyRune, 'n')
	for _, key := range "/HOST-B" {
		s.key(s.m, tcell.KeyRune, key)
	}
	s.shows(2, "filter: HOST-B_")
	s.key(s.m, tcell.KeyEnter, 0)
	s.shows(2, "filter: HOST-B (1 of 3; esc clears)")
	s.shows(5, "")
	s.key(s.m, tcell.KeyEscape, 0)
	s.shows(2, "")
	if !s.key(s.m, tcell.KeyRune, 'q') || !s.key(s.m, tcell.KeyCtrlC, 0) {
		t.Error("it goes on")
	}
}

// TestTopFits: nothing is longer than the screen or beside its column, whatever the names,
// the labels and the size.
func TestTopFits(t *testing.T) {
	for _, width := range []int{20, 60, 80, 200} {
		s := newScene(t, width, 10)
		s.m.list([]holdfast.Entry{
			entry(strings.Repeat("long", 100), strings.Repeat("label", 50), 1<<52, time.Hour, 1000),
			entry("日本語\x1b[31m", "лидер\n", 2, time.Second, 0),
		}, s.now)
		lines := s.lines()
		if strings.Contains(strings.Join(lines, ""), "\x1b") {
			t.Error("an escape gets through")
		}
		if width >= 60 && (!strings.HasSuffix(lines[4], " 1000       -     -") && !strings.HasSuffix(lines[5], " 1000       -     -")) {
			t.Errorf("%d columns: %q", width, lines)
		}
	}
	s := newScene(t, 80, 8)
	for i := range 30 {
		s.m.look(string(rune('a'+i%26))+strings.Repeat("x", i), entry("", "", 1, time.Second, 0).Info, s.now)
	}
	s.key(s.m, tcell.KeyEnd, 0)
	s.shows(7, "28-30 of 30 ↑↓  "+topHelp)
	s.key(s.m, tcell.KeyUp, 0)
	if got := s.lines()[7]; !strings.HasPrefix(got, "27-29 of 30") {
		t.Errorf("%q", got)
	}
	s.key(s.m, tcell.KeyHome, 0)
	if got := s.lines()[7]; !strings.HasPrefix(got, "1-3 of 30") {
		t.Errorf("%q", got)
	}
}

func TestTopCounts(t *testing.T) {
	s := newScene(t, 80, 24)
	list := func(after time.Duration, entries ...holdfast.Entry) {
		s.now = s.now.Add(after)
		s.m.list(entries, s.now)
	}
	list(0, entry("a", "x", 1, 10*time.Second, 0))
	list(10*time.Second, entry("a", "y", 2, 10*time.Second, 0)) // handed over
	list(time.Second, entry("a", "y", 2, 9*time.Second, 0))
	s.shows(1, "1 locks: 1 held, 0 by strangers · 0 waiting · 0.1 hand-overs/s · 0 lost")
	list(8*time.Second, entry("a", "y", 2, time.Second, 0)) // not renewed
	s.shows(4, "a                       y                       2m0s   !1.0s     -     0.1     -")
	list(500 * time.Millisecond) // gone, half a second before its time: given back
	s.shows(4, "a                       (nobody)                   -       -     -     0.1     -")
	list(time.Second, entry("a", "z", 3, 10*time.Second, 0))
	list(9*time.Second, entry("a", "z", 3, time.Second, 0))
	list(1500*time.Millisecond, entry("a", "w", 4, 10*time.Second, 0)) // ran out
	s.shows(1, "1 locks: 1 held, 0 by strangers · 0 waiting · 0.1 hand-overs/s · 1 lost")
	list(11 * time.Second)
	s.shows(4, "a                       (nobody)                   -       -     -       -     1")
	kept := entry("k", "x", 5, 10*time.Second, 0)
	list(0, kept)
	kept.TTL, kept.Kept = time.Second, true // released; its minimum hold runs out
	list(9*time.Second, kept)
	s.shows(5, "k                       x (released)            5m0s    1.0s     -       -     -")
	list(2 * time.Second)
	if s.m.losses != 1 {
		t.Errorf("a minimum hold that ran out counts as lost: %d", s.m.losses)
	}
	list(0, entry("b", "x", 1, time.Second, 0))
	list(time.Second)
	if _, there := s.m.rows["b"]; there {
		t.Error("a free lock without a history is still there")
	}
}

// TestTopPermits: of several holders one that comes is a hand-over, and one that goes is not.
func TestTopPermits(t *testing.T) {
	s := newScene(t, 80, 10)
	for i, c := range []struct {
		permits int
		fence   int64
	}{{1, 1}, {2, 2}, {1, 1}, {2, 3}} {
		e := entry("render", "last", c.fence, 9*time.Second, 0)
		e.Permits, e.Limit = c.permits, 3
		s.m.list([]holdfast.Entry{e}, s.now.Add(time.Duration(i)*time.Second))
	}
	s.shows(4, "render                  (2 of 3 permits)        3m0s    9.0s     -     2.0     -")
	if s.m.total != 2 || s.m.losses != 0 {
		t.Errorf("%d hand-overs, %d losses", s.m.total, s.m.losses)
	}
}
