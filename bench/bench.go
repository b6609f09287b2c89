package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// bench is one run: all workloads on one server.
type bench struct {
	params
	addr     string
	admin    *redis.Client // straight to the server
	absent   map[string]string
	versions map[string]string // of libraries that aren't Go modules
	err      io.Writer         // progress
	terminal bool
	verbose  bool
	notes    []string
	broken   error // that a library let too many in
}

// workload is what the libraries are put through, and what is measured.
type workload struct {
	name  string // for -run
	about string
	who   []string // takes part
	run   func(ctx context.Context, b *bench, w *workload) ([]*figure, error)
	warm  bool // Holdfast's leases rest in the process: another service than a release that goes to Redis
}

// row is the name of the workload's first figure.
func (w *workload) row(name string) string {
	if w.warm {
		return name + ", WithLinger"
	}
	return name
}

// progress says what goes on; on a terminal, in place of what it said before.
func (b *bench) progress(format string, args ...any) {
	switch s := fmt.Sprintf(format, args...); {
	case b.verbose:
		fmt.Fprintln(b.err, s)
	case b.terminal:
		fmt.Fprintf(b.err, "\r%-100.100s", s)
	}
}

// say is for what stays.
func (b *bench) say(format string, args ...any) {
	if b.terminal && !b.verbose {
		fmt.Fprintf(b.err, "\r%100s\r", "")
	}
	fmt.Fprintf(b.err, format+"\n", args...)
}

// note is something that a reader of the figures has to know.
func (b *bench) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if !slices.Contains(b.notes, s) {
		b.notes = append(b.notes, s)
		b.say("  ! %s", s)
	}
}

// libraries returns those that take part in the workload.
func (b *bench) libraries(w *workload) (libs []*library) {
	for i := range libraries {
		if l := &libraries[i]; slices.Contains(w.who, l.name) && b.absent[l.name] == "" {
			libs = append(libs, l)
		}
	}
	return libs
}

// roster keeps who still takes part: one that fails is left out from then on, and the
// report says so.
type roster struct {
	b      *bench
	w      *workload
	libs   []*library
	failed map[string]bool
}

func (b *bench) roster(w *workload) *roster {
	return &roster{b, w, b.libraries(w), map[string]bool{}}
}

func (r *roster) fail(lib *library, err error) {
	r.failed[lib.name] = true
	r.b.note("%s: %s failed: %v", r.w.name, lib.name, err)
}

// turns has each library do something in turn, again and again, in another order each round: a slow second of
// the machine must not hit always the same, and how fast a slice is depends on what ran before it.
func (r *roster) turns(ctx context.Context, rounds int, do func(round int, lib *library) error) error {
	for round := range rounds {
		for _, i := range rand.Perm(len(r.libs)) {
			lib := r.libs[i]
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if r.failed[lib.name] {
				continue
			}
			r.b.progress("%s: round %d of %d: %s", r.w.name, round+1, rounds, lib.name)
			if err := do(round, lib); err != nil && ctx.Err() == nil {
				r.fail(lib, err)
			}
		}
	}
	return ctx.Err()
}

// finish marks in the figures who failed.
func (r *roster) finish(figures ...*figure) []*figure {
	for _, f := range figures {
		for name := range r.failed {
			if f.about(name) {
				f.texts[name] = "failed"
			}
		}
	}
	return figures
}

// check notes what makes a measured slice doubtful, and returns an error if it is worth nothing.
func (b *bench) check(w *workload, lib *library, o order, a answer) error {
	if a.Broken > 0 && o.Permits > 0 {
		err := fmt.Errorf("more than %d of one process had permits of %d at the same time, %d times", o.Permits, o.Permits, a.Broken)
		b.broken = errors.Join(b.broken, fmt.Errorf("%s: %s: %w", w.name, lib.name, err))
		return err
	}
	if a.Broken > 0 {
		b.note("%s: %s let two owners of one process in at the same time, %d times", w.name, lib.name, a.Broken)
	}
	if a.Failed > 0 {
		b.note("%s: %s failed at %d of %d cycles: %s", w.name, lib.name, a.Failed, a.Failed+a.Count, a.Failure)
	}
	return nil
}

// brief is a figure for the progress.
func (f *figure) brief() string {
	var s strings.Builder
	fmt.Fprintf(&s, "  %s, %s:", f.name, f.unit)
	names := slices.Collect(maps.Keys(f.values))
	names = slices.AppendSeq(names, maps.Keys(f.texts))
	for _, l := range libraries {
		if slices.Contains(names, l.name) {
			fmt.Fprintf(&s, "  %s %s", l.name, f.cell(l.name))
		}
	}
	return s.String()
}
