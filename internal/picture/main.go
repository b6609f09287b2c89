// Command picture draws what a terminal shows as an SVG. It reads the text with its escape
// sequences, as "tmux capture-pane -e -p" writes it, and knows those for bold, dim, underlined
// and reversed text and for the sixteen colours. See docs/top.sh.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
)

func main() {
	if err := draw(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// The size of a cell, and of the frame.
const (
	cellWidth, cellHeight = 8.4, 18.0
	frame                 = 12.0
	columns               = 80
)

const background, plain = "#1b1f24", "#d0d7de"

var colours = map[string]string{
	"30": "#6e7681", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#56d4dd", "37": plain, "39": plain,
	"90": "#8b949e", "91": "#ff7b72", "92": "#7ee787", "93": "#e3b341", "94": "#79c0ff", "95": "#d2a8ff", "96": "#56d4dd", "97": "#ffffff",
}

// style is how the next text looks.
type style struct {
	colour                          string
	bold, dim, underlined, reversed bool
}

// apply takes in the numbers of an escape sequence.
func (s *style) apply(numbers string) {
	for number := range strings.SplitSeq(numbers, ";") {
		switch number {
		case "", "0":
			*s = style{}
		case "1":
			s.bold = true
		case "2":
			s.dim = true
		case "4":
			s.underlined = true
		case "7":
			s.reversed = true
		default:
			if colour, ok := colours[number]; ok {
				s.colour = colour
			}
		}
	}
}

func draw(out io.Writer, in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	w := bufio.NewWriter(out)
	width, height := columns*cellWidth+2*frame, float64(len(lines))*cellHeight+2*frame
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.1f %.1f" width="%.0f" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`+"\n",
		width, height, width)
	fmt.Fprintf(w, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", background)
	var now style
	for i, line := range lines {
		x, y := 0, frame+float64(i)*cellHeight
		for line != "" {
			piece, rest, escaped := strings.Cut(line, "\x1b[")
			x += run(w, now, piece, x, y)
			line = rest
			if escaped {
				var numbers string
				if numbers, line, escaped = strings.Cut(rest, "m"); !escaped {
					return fmt.Errorf("line %d: an escape sequence that is no style", i+1)
				}
				now.apply(numbers)
			}
		}
	}
	fmt.Fprintln(w, "</svg>")
	return w.Flush()
}

// run draws a piece of a line from column x on, and returns how many columns it takes.
func run(w io.Writer, s style, text string, x int, y float64) int {
	width := uniseg.StringWidth(text)
	left := frame + float64(x)*cellWidth
	colour := s.colour
	if colour == "" {
		colour = plain
	}
	if s.reversed && width > 0 {
		fmt.Fprintf(w, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left, y, float64(width)*cellWidth, cellHeight, colour)
		colour = background
	}
	if strings.TrimSpace(text) == "" {
		return width
	}
	more := ""
	if s.bold {
		more += ` font-weight="bold"`
	}
	if s.dim {
		more += ` opacity="0.6"`
	}
	if s.underlined {
		more += ` text-decoration="underline"`
	}
	fmt.Fprintf(w, `<text x="%.1f" y="%.1f" textLength="%.1f" xml:space="preserve" fill="%s"%s>`, left, y+cellHeight*0.72, float64(width)*cellWidth, colour, more)
	_ = xml.EscapeText(w, []byte(text)) // what fails shows at Flush
	fmt.Fprintln(w, "</text>")
	return width
}
