package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/uniseg"
)

// topView is what top shows apart from the locks.
type topView struct {
	screen tcell.Screen
	addr   string
	colour bool
	every  time.Duration
	top    int // the first row shown
	paused bool
	typing bool // a filter
}

// style returns a style, without its colours where they are not wanted. What it says is
// said by text, too.
func (v *topView) style(colour tcell.Color, bold bool) tcell.Style {
	s := tcell.StyleDefault.Bold(bold)
	if v.colour && colour != tcell.ColorDefault {
		s = s.Foreground(colour)
	}
	return s
}

// put writes text at a place, up to the end of the line or a width.
func (v *topView) put(x, y, width int, text string, style tcell.Style) {
	end, _ := v.screen.Size()
	if width > 0 {
		end = min(end, x+width)
	}
	for g := uniseg.NewGraphemes(text); g.Next() && x+g.Width() <= end; x += g.Width() {
		runes := g.Runes()
		v.screen.SetContent(x, y, runes[0], runes[1:], style)
	}
}

// fill is put over the whole of a line.
func (v *topView) fill(y int, text string, style tcell.Style) {
	width, _ := v.screen.Size()
	v.put(0, y, 0, pad(text, width, false), style)
}

const topHelp = "q quit  / filter  n o s t w h l sort  r reverse  space pause"

// bodyFrom is the line of the first row.
const bodyFrom = 4

// visible is how many rows fit.
func (v *topView) visible() int {
	_, height := v.screen.Size()
	return max(height-bodyFrom-1, 1)
}

// rowsShown returns the rows that are on the screen.
func (v *topView) rowsShown(m *topModel, now time.Time) (rows []*topRow, all int) {
	rows = m.shown(now)
	all = len(rows)
	v.top = max(min(v.top, all-v.visible()), 0)
	return rows[v.top:min(v.top+v.visible(), all)], all
}

func (v *topView) draw(m *topModel, now time.Time) {
	v.screen.Clear()
	_, height := v.screen.Size()
	t := m.totals(now)
	title := "holdfast top  " + v.addr
	if v.paused {
		title += "  PAUSED"
	}
	v.fill(0, title, v.style(tcell.ColorDefault, true))
	v.put(0, 1, 0, fmt.Sprintf("%d locks: %d held, %d by strangers · %d waiting · %.1f hand-overs/s · %d lost",
		t.locks, t.held, t.strangers, t.waiters, t.rate, t.losses), tcell.StyleDefault)
	rows, all := v.rowsShown(m, now)
	switch {
	case m.problem != "":
		v.fill(2, m.problem, v.style(tcell.ColorRed, true))
	case m.failed > 0:
		v.fill(2, fmt.Sprintf("%d more can't be looked at: \"holdfast ls\" says why", m.failed), v.style(tcell.ColorRed, true))
	case v.typing:
		v.put(0, 2, 0, "filter: "+m.filter+"_", v.style(tcell.ColorDefault, true))
	case m.filter != "":
		v.put(0, 2, 0, fmt.Sprintf("filter: %s (%d of %d; esc clears)", m.filter, all, t.locks), tcell.StyleDefault)
	}
	l := v.layout()
	v.heading(m, l)
	for i, r := range rows {
		v.row(m, l, bodyFrom+i, r, now)
	}
	if all == 0 {
		v.put(0, bodyFrom, 0, "no such lock is held or waited for", tcell.StyleDefault)
	}
	foot := topHelp
	if all > len(rows) {
		foot = fmt.Sprintf("%d-%d of %d ↑↓  %s", v.top+1, v.top+len(rows), all, topHelp)
	}
	v.fill(height-1, foot, tcell.StyleDefault.Reverse(true))
	v.screen.Show()
}

// cell is a column's place.
type cell struct {
	x, width int
	right    bool
}

// layout gives each column its place, by its key. The fence, which nobody reads at a
// glance, has one on wide screens only.
func (v *topView) layout() map[byte]cell {
	width, _ := v.screen.Size()
	fixed := []struct {
		key   byte
		width int
	}{{'f', 16}, {'s', 7}, {'t', 7}, {'w', 5}, {'h', 7}, {'l', 5}}
	if width < 100 {
		fixed = fixed[1:]
	}
	cells, x := make(map[byte]cell), width
	for i := len(fixed) - 1; i >= 0; i-- {
		x -= fixed[i].width
		cells[fixed[i].key] = cell{x, fixed[i].width, true}
		x--
	}
	name := max((x-1)*11/20, 1)
	cells['n'] = cell{0, name, false}
	cells['o'] = cell{name + 1, max(x-name-1, 1), false}
	return cells
}

func (v *topView) heading(m *topModel, l map[byte]cell) {
	for _, c := range topColumns {
		at, ok := l[c.key]
		if !ok {
			continue
		}
		title, style := c.title, v.style(tcell.ColorDefault, true)
		if c.key == m.sorting {
			mark := "▾"
			if m.reversed {
				mark = "▴"
			}
			title += mark
			style = style.Underline(true)
		}
		v.cell(at, bodyFrom-1, title, style)
	}
}

func (v *topView) cell(at cell, y int, text string, style tcell.Style) {
	v.put(at.x, y, at.width, pad(text, at.width, at.right), style)
}

func (v *topView) row(m *topModel, l map[byte]cell, y int, r *topRow, now time.Time) {
	plain := tcell.StyleDefault
	whole := plain
	switch {
	case !r.info.Held:
		whole = plain.Dim(v.colour)
	case r.info.Stranger:
		whole = v.style(tcell.ColorTeal, false)
	}
	texts := map[byte]string{
		'n': printable(r.name), 'o': holder(r.info), 'f': fenceText(r.info), 's': heldText(r.info), 't': ttlText(r.info),
		'w': zero(r.info.Waiters), 'h': "-", 'l': zero(r.losses),
	}
	if rate := m.rate(r, now); rate > 0 {
		texts['h'] = strconv.FormatFloat(rate, 'f', 1, 64)
	}
	for key, at := range l {
		style := whole
		switch {
		case key == 't' && r.info.Held && !r.info.NoExpiry && !r.info.Kept && r.info.TTL < r.longest/4:
			style = v.style(tcell.ColorRed, true)
			texts[key] = "!" + texts[key] // not renewed for long
		case key == 'l' && r.losses > 0:
			style = v.style(tcell.ColorRed, true)
		case key == 'w' && r.info.Waiters > 0:
			style = v.style(tcell.ColorOlive, false)
		}
		v.cell(at, y, texts[key], style)
	}
}

func zero(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// key does what a key asks for, and reports whether that is to quit.
func (v *topView) key(m *topModel, k tcell.Key, r rune) (quit bool) {
	switch {
	case k == tcell.KeyCtrlC:
		return true
	case v.typing:
		v.typed(m, k, r)
		return false
	}
	switch k {
	case tcell.KeyEscape:
		m.filter = ""
	case tcell.KeyUp:
		v.top--
	case tcell.KeyDown:
		v.top++
	case tcell.KeyPgUp:
		v.top -= v.visible()
	case tcell.KeyPgDn:
		v.top += v.visible()
	case tcell.KeyHome:
		v.top = 0
	case tcell.KeyEnd:
		v.top = len(m.rows)
	case tcell.KeyRune:
		return v.command(m, r)
	}
	return false
}

func (v *topView) command(m *topModel, r rune) (quit bool) {
	switch {
	case r == 'q':
		return true
	case r == '/':
		v.typing = true
	case r == ' ':
		v.paused = !v.paused
	case r == 'r':
		m.reversed = !m.reversed
	case strings.ContainsRune("nofstwhl", r):
		m.sorting, m.reversed = byte(r), false
	}
	return false
}

func (v *topView) typed(m *topModel, k tcell.Key, r rune) {
	switch k {
	case tcell.KeyEnter:
		v.typing = false
	case tcell.KeyEscape:
		v.typing, m.filter = false, ""
	case tcell.KeyBackspace, tcell.KeyBackspace2:
		if runes := []rune(m.filter); len(runes) > 0 {
			m.filter = string(runes[:len(runes)-1])
		}
	case tcell.KeyRune:
		m.filter += string(r)
	}
}
