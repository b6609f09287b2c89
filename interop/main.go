// Command interop runs real lock libraries of Python, Node, PHP and Go beside Holdfast, on the same keys, and compares
// what they do with what they are known to do.
//
//	go -C interop run .                                   # all of them: about a quarter of an hour
//	go -C interop run . -only redis-py-4.3,redlock-5 -race 3s
//	go -C interop run . -md ../docs/interop.md            # writes the report, too
//	go -C interop run . -newest                           # with the newest versions of npm's libraries
//	go -C interop run . -list
//
// It needs redis-server, python3, node and npm. The libraries come from Debian's mirror and from npm, into the folder
// -store, and are not installed; those of Go are in its go.mod. All works on 127.0.0.1.
// The exit status is 1 if a library does something else than libraries_*.go say, and each such difference is printed.
//
// # How it is made
//
// A library is a line in a table of libraries_*.go and a few lines in a worker: workers/redispy.py, workers/node.mjs,
// workers/lock.php, or gopeers.go. A worker (worker.go) is told in lines of JSON to acquire, extend and release, so each
// trial (trials.go), the hand-offs (handoff.go) and the race (race.go) are written once; result.go does them. get.go and
// command.go get the libraries and start the workers; report.go writes the report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func main() {
	if what := os.Getenv(childEnv); what != "" {
		childMain(what)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "interop:", err)
		stop()
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	md        string
	store     string
	installed bool
	newest    bool
	list      bool
	race      time.Duration
	chosen    []*library
}

func parse(args []string, out io.Writer) (*options, error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(out)
	o := &options{}
	only := flags.String("only", "", "the libraries with these `names`, with commas between")
	flags.StringVar(&o.md, "md", "", "write the report into this `file`, in place of the one between its two lines <!-- interop -->")
	flags.StringVar(&o.store, "store", filepath.Join(cacheDir(), "holdfast-interop"), "`folder` for the libraries, which may be removed; what is there is taken as it is")
	flags.BoolVar(&o.installed, "installed", false, "take the packages of Debian that are installed on this machine")
	flags.BoolVar(&o.newest, "newest", false, "take the newest versions of npm's libraries, not those of node/package-lock.json")
	flags.BoolVar(&o.list, "list", false, "only print the names")
	flags.DurationVar(&o.race, "race", 20*time.Second, "how long each race takes; those without a pause take a quarter of it")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.race < time.Second || o.race > 10*time.Minute {
		return nil, fmt.Errorf("-race %v: from 1 s to 10 min", o.race)
	}
	wanted := names()
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	for _, name := range wanted {
		lib := find(name)
		if lib == nil {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(names(), ", "))
		}
		o.chosen = append(o.chosen, lib)
	}
	return o, nil
}

// cacheDir is the user's own: programs are run from there.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return dir
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if o.list {
		_, err := fmt.Fprintln(out, strings.Join(names(), "\n"))
		return err
	}
	begin := time.Now()
	results, machine, err := o.all(ctx, out)
	if err != nil {
		return err
	}
	if o.md != "" {
		if err := insert(o.md, report(results, machine, args, begin)); err != nil {
			return err
		}
	}
	return changes(results)
}

// changes are an error that has one line for each thing that is not as expected.
func changes(results []*result) error {
	var errs []error
	for _, r := range results {
		for _, c := range r.Changed {
			errs = append(errs, fmt.Errorf("%s %s: %s", r.lib.name, r.Version, c))
		}
	}
	return errors.Join(errs...)
}

// all tries one library after the other on one server.
func (o *options) all(ctx context.Context, out io.Writer) (results []*result, machine string, err error) {
	s, err := newStore(o.store, o.installed, o.newest)
	if err != nil {
		return nil, "", err
	}
	server, stop, err := redistest.StartShared()
	if err != nil {
		return nil, "", err
	}
	defer stop()
	client := goRedis(server.Addr())
	defer client.Close()
	if machine, err = describe(ctx, client); err != nil {
		return nil, "", err
	}
	for _, lib := range o.chosen {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		fmt.Fprintln(out, lib.name)
		r := &result{lib: lib, Found: make(map[string]string)}
		if err := r.try(ctx, s, server.Addr(), client, o.race); err != nil {
			r.Changed = append(r.Changed, err.Error())
		}
		r.print(out)
		results = append(results, r)
	}
	return results, machine, nil
}
