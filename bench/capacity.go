package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// capacity is a run that measures how far one server and one process go.
type capacity struct {
	*bench
	sizes
	data *measured
}

// sizes is how much of everything is measured.
type sizes struct {
	numbers               []int // of locks that one process holds
	ttl                   time.Duration
	long, short           time.Duration // the largest number and the fleet are held for long, the others for short
	settle, idle          time.Duration // before it is measured; without locks
	lockers, locks, share int           // of the fleet; locks of each; Lockers that have a client between them
	busyLocks             int
	busyTTLs              []time.Duration
	clusterLocks          int
	processes, handed     int // that hand over so many locks
	waiters               int
}

func fullSizes() sizes {
	return sizes{
		numbers: []int{10_000, 100_000, 1_000_000}, ttl: time.Minute,
		long: 10 * time.Minute, short: time.Minute, settle: 40 * time.Second, idle: 15 * time.Second,
		lockers: 10_000, locks: 100, share: 20,
		busyLocks: 100_000, busyTTLs: []time.Duration{8 * time.Second, 4 * time.Second, 2 * time.Second},
		clusterLocks: 100_000, processes: 4, handed: 256, waiters: 10_000,
	}
}

// quickSizes show that everything works. What they measure is worth little.
func quickSizes() sizes {
	return sizes{
		numbers: []int{100, 300}, ttl: time.Second,
		long: 2 * time.Second, short: time.Second, settle: time.Second, idle: time.Second,
		lockers: 20, locks: 5, share: 2,
		busyLocks: 300, busyTTLs: []time.Duration{time.Second, 500 * time.Millisecond},
		clusterLocks: 300, processes: 3, handed: 8, waiters: 50,
	}
}

// part is one thing that is measured.
type part struct {
	name string
	run  func(ctx context.Context, c *capacity) error
}

var parts = []part{
	{"held", heldPart}, {"fleet", fleetPart}, {"busy", busyPart}, {"cluster", clusterPart},
	{"hand-over", handOverPart}, {"waiters", waitersPart},
}

func partNames() string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return strings.Join(all, ", ")
}

// ints is a flag of several numbers.
type ints []int

func (v *ints) String() string { return fmt.Sprint([]int(*v)) }

func (v *ints) Set(s string) error {
	*v = nil
	for text := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		*v = append(*v, n)
	}
	return nil
}

// capacityOptions is what the command line says.
type capacityOptions struct {
	sizes
	parts          *regexp.Regexp
	md, data, from string
	note           string
	verbose        bool
}

func parseCapacity(args []string, stderr io.Writer) (o capacityOptions, err error) {
	flags := flag.NewFlagSet("bench -capacity", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.sizes = fullSizes()
	quick := flags.Bool("quick", false, "little of everything, whatever the other flags say")
	only := flags.String("parts", "", "parts whose name matches the `regexp`: "+partNames())
	flags.Var((*ints)(&o.numbers), "held", "hold so `many` locks in one process")
	flags.DurationVar(&o.ttl, "ttl", o.ttl, "their TTL")
	flags.DurationVar(&o.long, "for", o.long, "for how long the largest number, and the fleet's locks, are held")
	flags.DurationVar(&o.short, "short", o.short, "for how long the others are")
	flags.DurationVar(&o.settle, "settle", o.settle, "how long after they were taken that begins")
	flags.DurationVar(&o.idle, "idle", o.idle, "for how long a process without locks is watched, and what is short")
	flags.IntVar(&o.lockers, "lockers", o.lockers, "`N` Lockers of a fleet")
	flags.IntVar(&o.locks, "locks", o.locks, "`N` locks of each")
	flags.IntVar(&o.share, "share", o.share, "`N` of them share a client")
	flags.IntVar(&o.waiters, "waiters", o.waiters, "`N` waiters")
	flags.StringVar(&o.md, "md", "", "write the page to this `file`, too")
	flags.StringVar(&o.data, "data", "", "write what was measured to this `file`")
	flags.StringVar(&o.from, "from", "", "take what this `file` has, and measure only what -parts names")
	flags.StringVar(&o.note, "note", "", "what the page is to say of the circumstances, as a `text`")
	flags.BoolVar(&o.verbose, "v", false, "say more")
	if err = flags.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.sizes = quickSizes()
	}
	if o.parts, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	if o.from != "" && *only == "" {
		o.parts = nil
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, o.check()
}

// check refuses what can't be done, before it is begun.
func (s *sizes) check() error {
	for _, n := range append([]int{s.lockers, s.locks, s.share, s.waiters}, s.numbers...) {
		if n < 1 || n > 10_000_000 {
			return fmt.Errorf("%d: each number is from 1 to 10,000,000", n)
		}
	}
	for _, d := range []time.Duration{s.ttl, s.long, s.short, s.settle, s.idle} {
		if d < time.Second || d > 24*time.Hour {
			return fmt.Errorf("%v: each duration is from 1s to 24h", d)
		}
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask how many files may be open: %w", err)
	}
	if need := uint64(s.connections()); need > limit.Cur {
		return fmt.Errorf("%d Lockers, of which %d share a client, may need %d connections, but only %d files may be open: see ulimit -n, -lockers and -share",
			s.lockers, s.share, need, limit.Cur)
	}
	return nil
}

// connections is how many connections the server has at most: a subscription of each Locker, those of the clients,
// and what Lockers open for a while if a request has no answer.
func (s *sizes) connections() int {
	return s.lockers + (s.lockers/s.share+1)*poolSize + s.lockers/4 + 1000
}

func runCapacity(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseCapacity(args, stderr)
	if err != nil {
		return err
	}
	data := &measured{Runs: map[string]*runOf{}}
	if o.from != "" {
		if err := data.read(o.from); err != nil {
			return err
		}
	}
	if o.parts != nil {
		if err := measure(ctx, o, args, data, stderr); err != nil {
			return err
		}
	}
	text, err := data.page()
	if errors.Is(err, errIncomplete) && o.data != "" {
		_, err = fmt.Fprintf(stderr, "%s has what was measured; %v\n", o.data, err)
		return err
	}
	if err != nil {
		return err
	}
	if o.md != "" {
		if err := os.WriteFile(o.md, []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// measure does the parts, each on an empty server. After each it is written down what there is by then.
func measure(ctx context.Context, o capacityOptions, args []string, data *measured, stderr io.Writer) error {
	b, stop, err := newBench(options{verbose: o.verbose}, stderr, "--maxclients", fmt.Sprint(o.connections()))
	if err != nil {
		return err
	}
	defer stop()
	c, some := &capacity{b, o.sizes, data}, false
	for _, p := range parts {
		if !o.parts.MatchString(p.name) {
			continue
		}
		some = true
		begin := time.Now()
		c.say("%s", p.name)
		if err := p.run(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		data.Runs[p.name] = &runOf{
			Began: begin.UTC().Truncate(time.Second), Took: time.Since(begin).Seconds(), Command: shellCommand(append([]string{"-capacity"}, args...)),
			Machine: b.machine(ctx), Note: o.note,
		}
		if o.data != "" {
			if err := data.write(o.data); err != nil {
				return err
			}
		}
	}
	if !some {
		return fmt.Errorf("-parts matches none of %s", partNames())
	}
	return nil
}
