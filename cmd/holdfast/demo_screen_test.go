package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFencesKeepTheirOrderWhenShort(t *testing.T) {
	for _, first := range []int64{
		1_763_888_812_345_678,
		1_763_888_899_999_999, // eight digits are about to start again
		1_763_888_999_999_999, // nine
		1_763_889_999_999_999,
		1_999_999_999_999_999,
		7,
	} {
		var f fenceFormat
		previous := f.short(first)
		for step := int64(1); step < 30_000_000; step = 3*step + 1 {
			next := f.short(first + step)
			if len(next) != len(previous) || next <= previous {
				t.Errorf("after %s comes %s, %d later than %d", previous, next, step, first)
			}
			previous = next
		}
	}
}

func TestScreenGathersWrites(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	at := s.start.UnixNano()
	for i := range int64(9) {
		s.wrote("worker-1", event{At: at, Fence: 1_763_888_812_345_678, Count: i + 1})
	}
	s.say(at, "director", "hello")
	s.wrote("worker-2", event{At: at, Fence: 1_763_888_812_345_999, Count: 10})
	s.wrote("worker-2", event{At: at, Fence: 1_763_888_812_345_999, Count: 11})
	s.heading("end")

	want := `  0.0s  worker-1  write 1 accepted, fence …12345678
  0.0s  worker-1  writes 2 to 6 accepted
  0.0s  worker-1  writes 7 to 9 accepted
  0.0s  director  hello
  0.0s  worker-2  write 10 accepted, fence …12345999
  0.0s  worker-2  write 11 accepted

end
`
	if out.String() != want {
		t.Errorf("screen shows\n%s\nwant\n%s", out.String(), want)
	}
}

func TestScreenWrapsAndIndents(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	s.say(s.start.Add(12*time.Second).UnixNano(), "worker-1", "%s end", strings.Repeat("wörd ", 30))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], " 12.0s  worker-1  wörd") {
		t.Errorf("got %q, want three lines, the first with its instant and worker", lines)
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > screenWidth {
			t.Errorf("line %d has %d columns: %q", i, n, line)
		}
		if i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", textColumn)+"w") {
			t.Errorf("line %d is not indented by %d: %q", i, textColumn, line)
		}
	}
}

func TestColourOnlyWhereAsked(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	if s.colour {
		t.Error("colour on something that is no terminal")
	}
	s.colour = true
	s.say(s.start.UnixNano(), "worker-1", "hello")
	if want := "  0.0s  \x1b[36mworker-1\x1b[0m  hello\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
