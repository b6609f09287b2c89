package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// better says which of two values of a figure is the better one.
type better int

const (
	neither better = iota
	higher
	lower
)

// figure is one row of the report: what was measured of each library, a value a round.
type figure struct {
	name   string
	unit   string
	better better
	values map[string][]float64
	texts  map[string]string // instead of values
	only   []string          // whom it is about; nil: all but those without a column of their own
}

func newFigure(name, unit string, b better) *figure {
	return &figure{name, unit, b, map[string][]float64{}, map[string]string{}, nil}
}

// about says whether the library has a place in this row.
func (f *figure) about(library string) bool {
	if f.only != nil {
		return slices.Contains(f.only, library)
	}
	lib := find(library)
	return lib == nil || lib.column == ""
}

func (f *figure) add(library string, value float64) {
	if f.about(library) {
		f.values[library] = append(f.values[library], value)
	}
}

// in is the library that this row has in a column.
func (f *figure) in(column string) string {
	for _, name := range f.only {
		if find(name).column == column {
			return name
		}
	}
	return column
}

// value is the median over the rounds.
func (f *figure) value(library string) (float64, bool) {
	v := f.values[library]
	return median(v), len(v) > 0 && f.texts[library] == ""
}

// ratio says how many times better Holdfast is than the library: the median of the ratios
// of each round, since what else the machine does changes from one round to the next.
func (f *figure) ratio(library string) (float64, bool) {
	a, b := f.values[ours], f.values[library]
	if f.better == neither || library == ours || f.texts[ours] != "" || f.texts[library] != "" {
		return 0, false
	}
	var ratios []float64
	for i := range min(len(a), len(b)) {
		r := a[i] / b[i]
		if f.better == lower {
			r = b[i] / a[i]
		}
		if r > 0 && !math.IsInf(r, 0) {
			ratios = append(ratios, r)
		}
	}
	return median(ratios), len(ratios) > 0
}

// cell is how the report shows the library.
func (f *figure) cell(library string) string {
	if t := f.texts[library]; t != "" {
		return t
	}
	v, ok := f.value(library)
	if !ok {
		return "–"
	}
	if r, ok := f.ratio(library); ok {
		return fmt.Sprintf("%s (%s)", number(v), times(r))
	}
	return number(v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// number keeps three digits or so, with commas between the thousands.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case a == math.Trunc(a) && a < 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a < 0.1:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case a < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func times(r float64) string { return number(r) + "x" }
