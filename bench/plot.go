package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"strings"
)

// The plot's measures, in pixels.
const (
	labels   = 330 // the column of row names
	bars     = 430
	numbers  = 70 // room for a figure right of the longest bar
	barH     = 13
	barGap   = 2
	rowGap   = 12
	plotHead = 74
)

// style makes the plot readable on a light page and on a dark one.
const style = `
text{font:12px system-ui,sans-serif;fill:#24292f}.m{fill:#57606a}.g{stroke:#8c959f;stroke-opacity:.35}.one{stroke:#57606a}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9da7b1}.one{stroke:#9da7b1}}
`

var colours = map[string]string{
	"rueidislock": "#d9772b", "redislock": "#3f8fd2", "redsync": "#2ba37c", python: "#b874b0", nodejs: "#c9a227", baseline: "#8c959f",
}

type bar struct {
	library string
	ratio   float64
}

type group struct {
	title string
	bars  []bar
}

// plot shows each figure's ratios as bars on a logarithmic scale, from 1 to the right where
// Holdfast is better and to the left where it is worse.
func plot(done []section) string {
	groups, low, high := grouped(done)
	// Whole decades, so that 1 is on the scale, at least one to the right.
	from, to := math.Floor(math.Log10(low)), max(math.Ceil(math.Log10(high)), 1)
	x := func(ratio float64) float64 {
		return labels + bars*(math.Log10(ratio)-from)/(to-from)
	}
	height := plotHead
	for _, g := range groups {
		height += len(g.bars)*(barH+barGap) + rowGap
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %d %d" width="%[1]d" height="%d">`,
		labels+bars+numbers, height, height)
	fmt.Fprintf(&s, "<title>How many times better Holdfast is</title><style>%s</style>\n", style)
	legend(&s, groups)
	for d := from; d <= to; d++ {
		class, at := "g", x(math.Pow(10, d))
		if d == 0 {
			class = "one"
		}
		fmt.Fprintf(&s, `<path class="%s" d="M%.1f %dV%d"/><text class="m" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			class, at, plotHead-8, height-4, at, plotHead-14, times(math.Pow(10, d)))
	}
	y := plotHead
	for _, g := range groups {
		mid := y + len(g.bars)*(barH+barGap)/2 + 4
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labels-10, mid, html.EscapeString(g.title))
		for _, b := range g.bars {
			left, right := min(x(1), x(b.ratio)), max(x(1), x(b.ratio))
			fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="2" fill="%s"><title>%s</title></rect>`,
				left, y, max(right-left, 1.5), barH, colours[b.library], html.EscapeString(b.library))
			fmt.Fprintf(&s, `<text class="m" x="%.1f" y="%d">%s</text>`+"\n", right+5, y+barH-2, times(b.ratio))
			y += barH + barGap
		}
		y += rowGap
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// grouped returns the bars and the least and the largest ratio.
func grouped(done []section) (groups []group, low, high float64) {
	low, high = 1, 1
	for _, d := range done {
		head := ""
		for _, f := range d.figures {
			// A figure that goes on from the one above is named after it.
			title := f.name
			if rest, ok := strings.CutPrefix(title, "… "); ok {
				title = head + ": " + rest
			} else {
				head, _, _ = strings.Cut(title, ",")
				title, _, _ = strings.Cut(title, " (")
			}
			g := group{title: title}
			for _, lib := range libraries {
				if r, ok := f.ratio(lib.name); ok {
					g.bars = append(g.bars, bar{cmp.Or(lib.column, lib.name), r})
					low, high = min(low, r), max(high, r)
				}
			}
			if len(g.bars) > 0 {
				groups = append(groups, g)
			}
		}
	}
	return groups, low, high
}

func legend(s *strings.Builder, groups []group) {
	fmt.Fprintf(s, `<text x="12" y="20" font-weight="600">How many times better Holdfast is (right of 1x) or worse (left), logarithmic</text>`+"\n")
	seen := map[string]bool{}
	for _, g := range groups {
		for _, b := range g.bars {
			seen[b.library] = true
		}
	}
	at := 12
	for _, lib := range libraries {
		if seen[lib.name] {
			fmt.Fprintf(s, `<rect x="%d" y="31" width="11" height="11" rx="2" fill="%s"/><text x="%d" y="41">than %s</text>`+"\n",
				at, colours[lib.name], at+16, lib.name)
			at += 40 + 8*len("than "+lib.name)
		}
	}
}
