//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/proof"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// report says what a run found.
type report struct {
	args    []string
	options options
	begin   time.Time
	results []outcome
}

// kinds are the violations, in the report's order.
var kinds = []string{"overlap", "inversion", "lost update", "overtaken", "stuck"}

func count(list []proof.Violation, what string) (n int) {
	for _, v := range list {
		if v.What == what {
			n++
		}
	}
	return n
}

func (r *report) markdown() string {
	var b strings.Builder
	c := r.options.config
	args := slices.Clone(r.args)
	for i, arg := range args {
		if strings.Contains(arg, " ") {
			args[i] = "'" + arg + "'"
		}
	}
	if !slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(strings.TrimLeft(s, "-"), "seed") }) {
		args = append(args, "-seed", fmt.Sprint(c.Seed))
	}
	fmt.Fprintf(&b, "%s\n`go -C proof run . %s` on %s (it took %v): %s with %s, %s, %s/%s, %d CPUs.\n"+
		"%d worker processes with %d clients each, of two goroutines each; %d locks with a TTL of %v. Seed %d.\n\n",
		head, strings.Join(args, " "), r.begin.UTC().Format(time.DateOnly), time.Since(r.begin).Round(time.Second), c.Library.Name,
		redisVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		c.Workers, c.Clients, c.Locks, c.TTL, c.Seed)
	r.counts(&b)
	r.faults(&b)
	r.excused(&b)
	b.WriteString(apart + foot)
	return b.String()
}

// counts writes a row for each number and a column for each deployment.
func (r *report) counts(b *strings.Builder) {
	b.WriteString("## Counts\n\n|  |")
	for _, o := range r.results {
		fmt.Fprintf(b, " %v |", o.setting)
	}
	b.WriteString(" all |\n|---|" + strings.Repeat("--:|", len(r.results)+1) + "\n")
	fold := func(name string, of func(o outcome) int, with func(a, b int) int) {
		fmt.Fprintf(b, "| %s |", name)
		all := 0
		for _, o := range r.results {
			all = with(all, of(o))
			fmt.Fprintf(b, " %s |", commas(of(o)))
		}
		fmt.Fprintf(b, " %s |\n", commas(all))
	}
	row := func(name string, of func(o outcome) int) { fold(name, of, func(a, b int) int { return a + b }) }
	row("minutes", func(o outcome) int { return int(o.Took.Round(time.Minute).Minutes()) })
	fold("failover grace, ms", func(o outcome) int { return int(o.Grace.Milliseconds()) }, func(a, b int) int { return max(a, b) })
	row("rounds", func(o outcome) int { return o.Rounds })
	row("faults", func(o outcome) (n int) {
		for _, t := range o.Faults {
			n += t.Strikes
		}
		return n
	})
	row("**operations checked**", func(o outcome) int { return o.Counts.Operations() })
	row("… acquired", func(o outcome) int { return o.Counts.Got })
	row("… … of these of semaphores and read-write locks", func(o outcome) int { return o.Counts.Permits })
	row("… … of these beside others, within the limit", func(o outcome) int { return o.Counts.Beside })
	row("… not acquired", func(o outcome) int { return o.Counts.Failed })
	row("… uses of the store", func(o outcome) int { return o.Counts.Uses })
	row("… released", func(o outcome) int { return o.Counts.Released })
	row("sessions lost, and told so", func(o outcome) int { return o.Counts.Lost })
	row("uses that the store refused", func(o outcome) int { return o.Counts.Refused })
	row("pairs of waiters served in the order they came, more than 0.5 s apart", func(o outcome) int { return o.Ordered })
	row("histories found linearizable", func(o outcome) int { return o.histories })
	row("… of operations", func(o outcome) int { return o.ops })
	row("… not decided within "+patience.String(), func(o outcome) int { return o.unknown })
	for _, what := range kinds {
		row("**"+what+"**", func(o outcome) int { return count(o.Violations, what) })
	}
	row("**not linearizable**", func(o outcome) int { return o.illegal })
	row("overlaps that a fault excuses", func(o outcome) int { return count(o.Excused, "overlap") })
	fold("longest time that a lock was free, or enough of its permits, and waited for, faults at work or not, ms",
		func(o outcome) int { return int(o.Longest.Milliseconds()) }, func(a, b int) int { return max(a, b) })
	b.WriteString("\n")
}

// faults writes how often each struck, by deployment.
func (r *report) faults(b *strings.Builder) {
	names := make(map[string]int)
	for _, o := range r.results {
		for name, t := range o.Faults {
			names[name] += t.Strikes
		}
	}
	b.WriteString("## Faults\n\nHow often each struck; in parentheses, how often it could not be carried out, or its end was not seen in time.\n\n|  |")
	for _, o := range r.results {
		fmt.Fprintf(b, " %v |", o.setting)
	}
	b.WriteString(" all |\n|---|" + strings.Repeat("--:|", len(r.results)+1) + "\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(b, "| %s |", name)
		for _, o := range r.results {
			switch t := o.Faults[name]; {
			case t == nil:
				b.WriteString(" – |")
			case t.Failed > 0:
				fmt.Fprintf(b, " %d (%d) |", t.Strikes, t.Failed)
			default:
				fmt.Fprintf(b, " %d |", t.Strikes)
			}
		}
		fmt.Fprintf(b, " %d |\n", names[name])
	}
	b.WriteString("\n")
}

// excused writes how often the faults that may lead to an overlap did.
func (r *report) excused(b *strings.Builder) {
	b.WriteString("## How often the fence was needed\n\n" +
		"After these faults two sessions can be alive until the first one's next renewal, as doc.go says; with the failover\n" +
		"grace only after those that lose what it can't know of. This is how often they were. " + r.holds() + "\n\n" +
		"| deployment | fault | strikes | followed by an overlap | overlaps | the longest | nobody got any lock for, median | longest |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, o := range r.results {
		for _, name := range slices.Sorted(maps.Keys(o.Faults)) {
			if t := o.Faults[name]; t.Excuses || t.Loses {
				fmt.Fprintf(b, "| %v | %s | %d | %d | %d | %v | %s |\n", o.setting, name, t.Strikes, t.Overlapped, t.Overlaps, t.Longest.Round(time.Millisecond), pauses(t))
			}
		}
	}
	b.WriteString("\n")
}

// pauses says for how long nobody got any lock after a fault.
func pauses(t *proof.Tally) string {
	if len(t.Pauses) == 0 {
		return "– | –"
	}
	slices.Sort(t.Pauses)
	return fmt.Sprintf("%.1f s | %.1f s", t.Pauses[len(t.Pauses)/2].Seconds(), t.Pauses[len(t.Pauses)-1].Seconds())
}

// holds says for how long locks were held.
func (r *report) holds() string {
	if c := r.options.config; c.Fresh > 0 {
		return fmt.Sprintf("Everybody took\nanother lock every %v, and held it for up to %v.", c.Fresh, c.Hold)
	}
	return "On a fifth\nof the locks holds last up to 3 TTLs, on the others mostly up to 2 ms, and up to 30 ms where several may hold."
}

// verdict returns what breaks the promise, as an error.
func (r *report) verdict() error {
	var errs []error
	for _, o := range r.results {
		if n := len(o.Violations); n > 0 || o.illegal > 0 {
			errs = append(errs, fmt.Errorf("%v: %d violations, %d histories not linearizable: %s", o.setting, n, o.illegal, strings.Join(o.files, " ")))
		}
	}
	return errors.Join(errs...)
}

func commas(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// redisVersion is what the server that was used says of itself.
func redisVersion() string {
	program, err := redistest.Program()
	if err != nil {
		return "?"
	}
	out, _ := exec.Command(program, "--version").Output()
	m := regexp.MustCompile(`^(\S+) server v=(\S+)`).FindSubmatch(out)
	if m == nil {
		return "?"
	}
	return strings.ToLower(string(m[1])) + "-server " + string(m[2])
}
