package main

import (
	"fmt"
	"strings"
	"time"
)

// sumUp writes the table, and returns an error if it shows anything wrong.
func (d *director) sumUp() error {
	s := d.screen
	s.flush()
	now := time.Now()
	moments := d.history.twoOwners(now.UnixNano())

	s.heading("Hand-overs")
	row := "  %-14s  %-8s  %-8s  %10s  %s"
	fmt.Fprintln(s.out, s.style(styleDim, fmt.Sprintf(row, "scene", "from", "to", "took", "bounded by")))
	for _, h := range d.handovers {
		fmt.Fprintf(s.out, row+"\n", h.scene, h.from, h.to, milliseconds(h.took), h.bound)
	}
	fmt.Fprintln(s.out)
	total := "  %-25s %4d  %s\n"
	fmt.Fprintf(s.out, total, "moments with two owners:", len(moments),
		fmt.Sprintf("in %d terms, %d looks at a live context", len(d.history.terms), d.history.looks()))
	fmt.Fprintf(s.out, total, "refused writes:", d.refused, "sent with an old fence, on purpose")
	fmt.Fprintf(s.out, total, "accepted writes:", d.accepted, "each with its leader's fence")

	if err := d.twoOwners(now); err != nil {
		return err
	}
	if d.refused == 0 {
		return fmt.Errorf("no write was refused, want at least the late one")
	}
	fmt.Fprintln(s.out, "\nOne process can hold 100,000 such locks: docs/bench.md says at what cost.")
	fmt.Fprintf(s.out, "\nNothing went wrong in %.1fs.\n", now.Sub(s.start).Seconds())
	return nil
}

// twoOwners returns an error if there ever were two owners until now: when, for
// the first few moments.
func (d *director) twoOwners(now time.Time) error {
	moments := d.history.twoOwners(now.UnixNano())
	if len(moments) == 0 {
		return nil
	}
	var said []string
	for _, m := range moments[:min(3, len(moments))] {
		said = append(said, fmt.Sprintf("%s ran as the owner at %.3fs, within a term of %s",
			m.looked, since(d.screen.start, m.at).Seconds(), m.owner))
	}
	return fmt.Errorf("two owners at once, seen %d times: %s", len(moments), strings.Join(said, "; "))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
