//go:build linux

// Command proof puts Holdfast through faults, on the deployments that people run, for as long
// as wanted, and checks what its clients saw.
//
//	go -C proof run . -for 10m                                # every deployment, several side by side
//	go -C proof run . -for 10m -deploy cluster -seed 42       # the faults of that seed, in that order
//	go -C proof run . -faults 'black-holed,FLUSHALL'          # only some of them
//	go -C proof run . -contender rueidislock -deploy single   # another library, the same checker
//	go -C proof run . -for 10m -grace yes                     # with the failover grace
//	go -C proof run . -grace both -faults 'killed,SENTINEL FAILOVER' -strikes 200s -fresh 100ms \
//	    -locks 600 -think 50ms -workers 2 -clients 5          # some faults, again and again, and many new leases
//	go -C proof run . -for 40m -md ../docs/proof.md           # the report
//
// It needs redis-server on PATH, and gcc to step a server's clock (Debian: apt-get install
// redis-server gcc). What is started runs on 127.0.0.1 and keeps nothing. The exit status is 1
// if anything was found that the documentation does not excuse; then -out has the history of
// the lock, to read (txt) and porcupine's picture of it (html), and the goroutines of workers
// in which somebody was stuck.
//
// internal/proof says what is checked, and how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/proof"
)

func main() {
	proof.ChildMain(libraries...)
	redis.SetLogger(quiet{}) // it reports every fault
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var libraries = []proof.Library{proof.Holdfast, proof.HoldfastReplicas, rueidislock}

// options is what the command line says.
type options struct {
	config        proof.Config
	deploy        []setting
	out, md, json string
}

// setting is a deployment, with or without the failover grace.
type setting struct {
	kind  string
	grace bool
}

func (s setting) String() string {
	if s.grace {
		return s.kind + ", grace"
	}
	return s.kind
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("proof", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := &o.config
	flags.Uint64Var(&c.Seed, "seed", uint64(time.Now().UnixNano()), "the `seed` of faults and work; printed")
	flags.DurationVar(&c.For, "for", 10*time.Minute, "how long; the deployments of one server share it, and run beside the others")
	deploy := flags.String("deploy", strings.Join(proof.Deployments, ","), "the deployments")
	without := flags.String("without", "", "of these, the `deployments` to leave out, separated by commas")
	graced := flags.String("grace", "no", "yes: all clients have the failover grace that the deployment needs; both: each deployment without it and with it")
	flags.StringVar(&c.Only, "faults", "", "only faults whose name has one of these `parts`, separated by commas")
	contender := flags.String("contender", proof.Holdfast.Name, "the library: holdfast, holdfast-replicas (which waits for one) or rueidislock")
	flags.DurationVar(&c.Strikes, "strikes", 12*time.Second, "how long faults strike in each round")
	flags.IntVar(&c.Workers, "workers", 6, "worker processes")
	flags.IntVar(&c.Clients, "clients", min(7*runtime.NumCPU(), 36), "clients of each, with two goroutines each; more than 7 a CPU may be too much work")
	flags.IntVar(&c.Locks, "locks", 60, "locks")
	flags.DurationVar(&c.TTL, "ttl", time.Second, "the locks' TTL")
	flags.DurationVar(&c.Think, "think", 250*time.Millisecond, "mean pause between two acquisitions of a goroutine")
	flags.DurationVar(&c.Fresh, "fresh", 0, "everybody asks for the same lock for so long, then for the next, so that many leases are new; 0: any lock")
	flags.DurationVar(&c.Hold, "hold", 2*time.Second, "with -fresh, how long a lock is held at most")
	flags.StringVar(&o.out, "out", os.TempDir(), "`directory` for histories that break the promise")
	flags.StringVar(&o.md, "md", "", "write the report to this `file`, too")
	flags.StringVar(&o.json, "json", "", "write the sums of the counts to this `file`, as JSON")
	if err = flags.Parse(args); err != nil {
		return o, err
	}
	with, ok := map[string][]bool{"no": {false}, "yes": {true}, "both": {false, true}}[*graced]
	if !ok {
		return o, fmt.Errorf("-grace %q is none of no, yes, both", *graced)
	}
	for _, kind := range strings.Split(*deploy, ",") {
		if !slices.Contains(proof.Deployments, kind) {
			return o, fmt.Errorf("-deploy %q is none of %s", kind, strings.Join(proof.Deployments, ", "))
		}
		if slices.Contains(strings.Split(*without, ","), kind) {
			continue
		}
		for _, grace := range with {
			o.deploy = append(o.deploy, setting{kind, grace})
		}
	}
	at := slices.IndexFunc(libraries, func(l proof.Library) bool { return l.Name == *contender })
	if at < 0 {
		return o, fmt.Errorf("-contender %q is not known", *contender)
	}
	if c.Library = libraries[at]; c.Library.Name == rueidislock.Name && *deploy != proof.Single {
		return o, errors.New("-contender rueidislock goes with -deploy single")
	}
	if *graced != "no" && !c.Library.Graced {
		return o, fmt.Errorf("-contender %s has no failover grace", c.Library.Name)
	}
	return o, nil
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(stderr, "%7s  %s\n", time.Since(begin).Round(time.Second), fmt.Sprintf(format, args...))
	}
	say("seed %d", o.config.Seed)
	results, err := side(o, say)
	if err != nil {
		return err
	}
	report := &report{args: args, options: o, begin: begin, results: results}
	text := report.markdown()
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.md != "" {
		if err := os.WriteFile(o.md, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if o.json != "" {
		if err := report.writeSums(o.json); err != nil {
			return err
		}
	}
	return report.verdict()
}

// outcome is what came of one deployment.
type outcome struct {
	setting
	*proof.Result
	*linearity
}

// side runs the deployments of one server, one after the other, and beside them those with replicas,
// and the Cluster, which mostly wait for a failover.
func side(o options, say func(string, ...any)) ([]outcome, error) {
	var lanes [3][]int
	for i, d := range o.deploy {
		at := 0
		switch d.kind {
		case proof.Moved, proof.Sentinel, proof.Brisk, proof.MinReplicas:
			at = 1
		case proof.Cluster:
			at = 2
		}
		lanes[at] = append(lanes[at], i)
	}
	results, errs := make([]outcome, len(o.deploy)), make([]error, len(o.deploy))
	var running sync.WaitGroup
	for _, lane := range lanes {
		running.Go(func() {
			for _, i := range lane {
				results[i], errs[i] = one(o, o.deploy[i], o.config.For/time.Duration(len(lane)), say)
			}
		})
	}
	running.Wait()
	return results, errors.Join(errs...)
}

func one(o options, s setting, d time.Duration, say func(string, ...any)) (outcome, error) {
	c := o.config
	c.Deployment, c.Grace, c.Say, c.For, c.Stacks = s.kind, s.grace, say, d, o.out
	l := &linearity{name: strings.ReplaceAll(s.String(), ", ", "-"), out: o.out, say: say}
	c.Round = l.check
	result, err := under(func(t *tb) *proof.Result { return proof.Run(t, c) })
	if err != nil {
		return outcome{}, fmt.Errorf("%v: %w", s, err)
	}
	return outcome{s, result, l}, nil
}
