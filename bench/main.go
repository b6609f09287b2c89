// Command bench puts Holdfast and other Redis locks through the same workloads, in one
// run, and prints medians and ratios.
//
//	go -C bench run .                                    # all of it, about 16 minutes
//	go -C bench run . -quick                             # does it work? under a minute
//	go -C bench run . -run serial -seconds 30            # one question, for longer
//	go -C bench run . -md ../docs/bench.md -svg ../docs/bench.svg -readme ../README.md
//	go -C bench run . -capacity -quick                   # how far Holdfast goes; without -quick most of an hour
//
// It needs redis-server on PATH, and takes redis-py along if /usr/bin/python3 has it
// (Debian: apt-get install redis-server python3-redis), and redis-semaphore if it was installed by npm
// (Debian: apt-get install nodejs npm; npm ci --prefix bench/node --ignore-scripts). The server is its own, on
// 127.0.0.1, and keeps nothing on disk. Each library works in processes of its own, which
// do short slices in turn: a machine's speed changes over a run by more than the libraries
// differ, so only figures from slices next to each other are compared.
//
// # How it is made
//
// main.go, workloads.go and bench.go run the workloads, which are in contest.go, handoff.go,
// faults.go and held.go and are written against the interface in contender.go. Each library
// is behind it in a file use_*.go, redis-py in redispy.py, redis-semaphore in
// node/redissemaphore.mjs. A process (process.go) is this
// program again (child.go), told what to do in lines of JSON (proto.go); what it does is in
// cycle.go and hold.go. report.go, plot.go and versions.go write down what came of it.
//
// capacity.go has what -capacity does: its parts are in capacity_held.go and capacity_queue.go, what is kept of
// them in capacity_data.go, and the page that is made of that in capacity_page.go and capacity_size.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func main() {
	if os.Getenv(childEnv) != "" {
		childMain()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	run             *regexp.Regexp
	seconds, rounds int
	held            int
	quick, verbose  bool
	md, svg, readme string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "workloads whose name matches the `regexp`: "+strings.Join(names(), ", "))
	flags.IntVar(&o.seconds, "seconds", 5, "`N` seconds a slice where a lock is contended")
	flags.IntVar(&o.rounds, "rounds", 3, "`N` such slices, or trials, for each library")
	flags.IntVar(&o.held, "held", 0, "`N` locks to hold (default 10,000; 300 with -quick)")
	flags.BoolVar(&o.quick, "quick", false, "little of everything, whatever -seconds and -rounds say")
	flags.StringVar(&o.md, "md", "", "write the report to this `file`, too")
	flags.StringVar(&o.svg, "svg", "", "write a plot of the ratios to this `file`")
	flags.StringVar(&o.readme, "readme", "", "put the table into this `file`, between its two lines <!-- bench -->")
	flags.BoolVar(&o.verbose, "v", false, "show each slice")
	if err = flags.Parse(args); err != nil {
		return o, err
	}
	if o.held == 0 {
		o.held = 10_000
		if o.quick {
			o.held = 300
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.seconds < 1 || o.seconds > 600 || o.rounds < 1 || o.rounds > 100:
		return o, fmt.Errorf("-seconds %d and -rounds %d: from 1 to 600 and from 1 to 100", o.seconds, o.rounds)
	case o.held < 1 || o.held > 100_000:
		return o, fmt.Errorf("-held %d: from 1 to 100,000", o.held)
	}
	o.run, err = regexp.Compile(*only)
	return o, err
}

func names() (all []string) {
	for _, w := range workloads {
		all = append(all, w.name)
	}
	return all
}

// section is a workload with what came of it.
type section struct {
	*workload
	figures []*figure
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "-capacity" {
		return runCapacity(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b, stop, err := newBench(o, stderr)
	if err != nil {
		return err
	}
	defer stop()
	for name, missing := range map[string]func() string{python: pythonMissing, nodejs: nodeMissing} {
		if why := missing(); why != "" {
			b.absent[name] = why
			b.say("without %s: %s", name, why)
		}
	}
	begin := time.Now()
	var done []section
	for i := range workloads {
		w := &workloads[i]
		if !o.run.MatchString(w.name) {
			continue
		}
		b.say("%s: %s", w.name, w.about)
		if err := b.admin.FlushAll(ctx).Err(); err != nil {
			return err
		}
		figures, err := w.run(ctx, b, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		for _, f := range figures {
			b.say("%s", f.brief())
		}
		done = append(done, section{w, figures})
	}
	if len(done) == 0 {
		return fmt.Errorf("-run matches none of %s", strings.Join(names(), ", "))
	}
	text := b.report(ctx, args, begin, done)
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.md != "" {
		if err := os.WriteFile(o.md, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if o.readme != "" {
		if err := insert(o.readme, text); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(plot(done)), 0o644); err != nil {
			return err
		}
	}
	return b.broken
}

// newBench starts the server.
func newBench(o options, stderr io.Writer, serverArgs ...string) (b *bench, stop func(), err error) {
	server, stopServer, err := redistest.StartShared(serverArgs...)
	if errors.Is(err, redistest.ErrNoRedis) {
		err = fmt.Errorf("%w (Debian: apt-get install redis-server)", err)
	}
	if err != nil {
		return nil, nil, err
	}
	b = &bench{
		params: full(o.seconds, o.rounds, o.held), addr: server.Addr(), admin: goRedis(server.Addr()),
		absent: map[string]string{}, versions: map[string]string{}, err: stderr, verbose: o.verbose,
	}
	if o.quick {
		b.params = quick(o.held)
	}
	if f, ok := stderr.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b, func() {
		_ = b.admin.Close()
		stopServer()
	}, nil
}
