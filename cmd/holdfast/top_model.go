package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast"
)

// rateWindow is over how long hand-overs a second are counted.
const rateWindow = 10 * time.Second

// lookTakes is by how much the times of two looks may lie less far apart than the server's.
const lookTakes = 50 * time.Millisecond

// topRow is what top knows of a lock.
type topRow struct {
	name    string
	info    holdfast.Info
	seen    time.Time // when info was read
	longest time.Duration
	changes []time.Time // hand-overs that were seen within rateWindow
	losses  int
	listed  bool // by the list under way
}

// topModel gathers what successive looks at the locks show. It is for one goroutine.
type topModel struct {
	rows     map[string]*topRow
	began    time.Time
	total    int // hand-overs that were seen
	losses   int
	failed   int // locks that could not be looked at
	problem  string
	sorting  byte
	reversed bool
	filter   string
}

func newTopModel(now time.Time) *topModel {
	return &topModel{rows: make(map[string]*topRow), began: now, sorting: 'n'}
}

// list takes what a list of all locks has found. Those that it has not are free.
func (m *topModel) list(entries []holdfast.Entry, now time.Time) {
	for _, r := range m.rows {
		r.listed = false
	}
	for _, e := range entries {
		m.look(e.Name, e.Info, now)
		m.rows[e.Name].listed = true
	}
	for name, r := range m.rows {
		if !r.listed {
			m.look(name, holdfast.Info{}, now)
			// Long enough to be read, and to be counted.
			if len(r.changes) == 0 && r.losses == 0 {
				delete(m.rows, name)
			}
		}
	}
}

// look takes what a look at one lock has found.
func (m *topModel) look(name string, info holdfast.Info, now time.Time) {
	r := m.rows[name]
	if r == nil {
		m.rows[name] = &topRow{name: name, info: info, seen: now, longest: info.TTL}
		return
	}
	if info.Fence != r.info.Fence || info.Held != r.info.Held {
		if r.ranOut(now) {
			r.losses++
			m.losses++
		}
		if info.Held && info.Fence > r.info.Fence { // not if the last of several holders is gone
			r.changes = append(r.changes, now)
			m.total++
		}
		r.longest = info.TTL
	}
	r.longest = max(r.longest, info.TTL)
	for len(r.changes) > 0 && now.Sub(r.changes[0]) > rateWindow {
		r.changes = r.changes[1:]
	}
	r.info, r.seen = info, now
}

// ranOut reports whether a hold that is over must have ended with its TTL: it had not been
// renewed when half of that was over, and the rest has gone by, too.
func (r *topRow) ranOut(now time.Time) bool {
	return r.info.Held && !r.info.Stranger && !r.info.NoExpiry && !r.info.Kept &&
		r.info.TTL < r.longest/2 && now.Sub(r.seen) >= r.info.TTL-lookTakes
}

// rate is the row's hand-overs a second.
func (m *topModel) rate(r *topRow, now time.Time) float64 {
	return float64(len(r.changes)) / max(min(rateWindow, now.Sub(m.began)).Seconds(), 1)
}

// topTotals are the figures of the heading.
type topTotals struct {
	locks, held, strangers, waiters, losses int
	rate                                    float64
}

func (m *topModel) totals(now time.Time) (t topTotals) {
	for _, r := range m.rows {
		t.locks++
		if r.info.Held {
			t.held++
		}
		if r.info.Stranger {
			t.strangers++
		}
		t.waiters += r.info.Waiters
		t.rate += m.rate(r, now)
	}
	t.losses = m.losses
	return t
}

// topColumn is one that can be sorted by.
type topColumn struct {
	key     byte
	title   string
	compare func(m *topModel, now time.Time, a, b *topRow) int // the order without reversal
}

var topColumns = []topColumn{
	{'n', "NAME", func(*topModel, time.Time, *topRow, *topRow) int { return 0 }},
	{'o', "HOLDER", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(holder(a.info), holder(b.info)) }},
	{'f', "FENCE", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(b.info.Fence, a.info.Fence) }},
	{'s', "HELD", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(b.info.HeldFor, a.info.HeldFor) }},
	{'t', "TTL", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(a.info.TTL, b.info.TTL) }},
	{'w', "WAIT", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(b.info.Waiters, a.info.Waiters) }},
	{'h', "HAND/S", func(m *topModel, now time.Time, a, b *topRow) int { return cmp.Compare(m.rate(b, now), m.rate(a, now)) }},
	{'l', "LOST", func(_ *topModel, _ time.Time, a, b *topRow) int { return cmp.Compare(b.losses, a.losses) }},
}

// shown returns the rows that match the filter, in order.
func (m *topModel) shown(now time.Time) []*topRow {
	var rows []*topRow
	filter := strings.ToLower(m.filter)
	for _, r := range m.rows {
		if strings.Contains(strings.ToLower(printable(r.name)), filter) || strings.Contains(strings.ToLower(holder(r.info)), filter) {
			rows = append(rows, r)
		}
	}
	at := slices.IndexFunc(topColumns, func(c topColumn) bool { return c.key == m.sorting })
	slices.SortFunc(rows, func(a, b *topRow) int {
		order := cmp.Or(topColumns[at].compare(m, now, a, b), cmp.Compare(a.name, b.name))
		if m.reversed {
			return -order
		}
		return order
	})
	return rows
}
