package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	screenWidth = 80
	textColumn  = 18 // what print puts before the text

	writesPerLine = 5 // few enough for the timeline to look alive
)

// ANSI styles, used on a terminal only.
const (
	styleReset = "\x1b[0m"
	styleBold  = "\x1b[1m"
	styleDim   = "\x1b[2m"
)

// styles gives everyone who appears in the timeline a colour of their own.
var styles = map[string]string{
	"worker-1": "\x1b[36m",
	"worker-2": "\x1b[33m",
	"worker-3": "\x1b[35m",
	"store":    "\x1b[31m",
	"director": styleDim,
}

// screen writes the timeline. Runs of accepted writes are gathered in one line.
type screen struct {
	out    io.Writer
	colour bool
	start  time.Time
	fences fenceFormat

	writes struct {
		who         string
		fence       int64
		at          int64
		first, last int64
	}
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, colour: wantsColour(out), start: time.Now()}
}

// wantsColour tells whether out is a terminal whose user has nothing against it
// (https://no-color.org).
func wantsColour(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *screen) style(style, text string) string {
	if !s.colour || style == "" {
		return text
	}
	return style + text + styleReset
}

func (s *screen) heading(text string) {
	s.flush()
	fmt.Fprintf(s.out, "\n%s\n", s.style(styleBold, text))
}

// say writes one event of the timeline, at an instant as in event.At.
func (s *screen) say(at int64, who, format string, args ...any) {
	s.flush()
	s.print(at, who, fmt.Sprintf(format, args...))
}

func (s *screen) print(at int64, who, text string) {
	lines := wrap(text, screenWidth-textColumn)
	fmt.Fprintf(s.out, "%5.1fs  %s  %s\n", time.Unix(0, at).Sub(s.start).Seconds(),
		s.style(styles[who], fmt.Sprintf("%-8s", who)), lines[0])
	for _, line := range lines[1:] {
		fmt.Fprintf(s.out, "%*s%s\n", textColumn, "", line)
	}
}

// wrote adds an accepted write: the first of a term gets its own line, the rest
// wait for a flush.
func (s *screen) wrote(who string, ev event) {
	w := &s.writes
	if w.who != who || w.fence != ev.Fence {
		s.say(ev.At, who, "write %d accepted, fence %s", ev.Count, s.fences.short(ev.Fence))
		w.who, w.fence, w.first = who, ev.Fence, 0
		return
	}
	if w.first == 0 {
		w.at, w.first = ev.At, ev.Count
	}
	w.last = ev.Count
	if w.last-w.first+1 >= writesPerLine {
		s.flush()
	}
}

// flush writes what wrote has gathered.
func (s *screen) flush() {
	w := &s.writes
	if w.first == 0 {
		return
	}
	text := fmt.Sprintf("writes %d to %d accepted", w.first, w.last)
	if w.first == w.last {
		text = fmt.Sprintf("write %d accepted", w.first)
	}
	w.first = 0
	s.print(w.at, w.who, text)
}

// wrap breaks text into lines of at most width characters, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// fenceFormat shortens fences: they have 16 digits, of which only the last ones
// differ within a demo.
type fenceFormat struct {
	modulus int64
	digits  int
}

// short is the end of a fence, as many digits of all fences as tell them apart.
func (f *fenceFormat) short(fence int64) string {
	if f.modulus == 0 {
		f.fit(fence)
	}
	return fmt.Sprintf("…%0*d", f.digits, fence%f.modulus)
}

// fit takes so many digits that they don't start from zero again within a minute
// of microseconds after the first fence: a later one must look larger.
func (f *fenceFormat) fit(first int64) {
	const minute = int64(time.Minute / time.Microsecond)
	f.modulus, f.digits = 100_000_000, 8
	for f.digits < 18 && first%f.modulus+minute >= f.modulus {
		f.modulus, f.digits = f.modulus*10, f.digits+1
	}
}
