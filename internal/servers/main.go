// Command servers runs Holdfast's tests on the servers that people have: Redis and Valkey, as releases
// of Debian package them. From the top of the module:
//
//	go run ./internal/servers                           # the conformance suite and 90 s of the proof on each
//	go run ./internal/servers -proof 0 redis-8.0        # the suite alone, on one
//	go run ./internal/servers -suite=false -proof 10m valkey-9.1
//	go run ./internal/servers -get                      # only gets them, and prints where they are
//	go run ./internal/servers -md docs/servers.md       # writes the report, too, with the last result on each
//
// It gets the servers from the mirror that the machine's own apt is set up with, unpacks them with the C
// library of their own release into -cache, and installs nothing. They run on 127.0.0.1 and keep nothing.
// The exit status is 1 if a server could not be had, a test failed, or the proof found something.
//
// The conformance suite is each test in which a real server takes part: those of the library, of package
// election, of its scripts and its store, of the deployments and failovers in internal/e2e, and those of
// the command that look at a server. They are run with HOLDFAST_REDIS_SERVER naming the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// options is what the command line says.
type options struct {
	cache, md string
	get       bool
	suite     bool
	proof     time.Duration
	parallel  int
	log       string
	chosen    []*release
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	flags := flag.NewFlagSet("servers", flag.ContinueOnError)
	o := &options{}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	flags.StringVar(&o.cache, "cache", filepath.Join(cache, "holdfast-servers"), "`directory` for what is unpacked")
	flags.StringVar(&o.md, "md", "", "write the report to this `file`")
	flags.StringVar(&o.log, "log", filepath.Join(os.TempDir(), "holdfast-servers"), "`directory` for the results, and for what tests and proof print")
	flags.BoolVar(&o.get, "get", false, "only get the servers, and print where their redis-server is")
	flags.BoolVar(&o.suite, "suite", true, "run the conformance suite")
	flags.DurationVar(&o.proof, "proof", 90*time.Second, "how long the proof runs on each; 0: not at all")
	flags.IntVar(&o.parallel, "parallel", 8, "how many tests run at a time; most of them wait")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "servers [flags] [NAME...]; the names are %s\n", strings.Join(names(), ", "))
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range flags.Args() {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(names(), ", "))
		}
	}
	for i := range releases {
		if flags.NArg() == 0 || slices.Contains(flags.Args(), releases[i].name) {
			o.chosen = append(o.chosen, &releases[i])
		}
	}
	for _, dir := range []*string{&o.cache, &o.log} {
		if *dir, err = filepath.Abs(*dir); err == nil {
			err = os.MkdirAll(*dir, 0o755)
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

func names() (all []string) {
	for _, r := range releases {
		all = append(all, r.name)
	}
	return all
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range o.chosen {
		err := o.one(ctx, &result{release: r, When: time.Now(), Args: args})
		if err != nil {
			err = fmt.Errorf("%s: %w", r.name, err)
			fmt.Fprintln(os.Stderr, "servers:", err)
			errs = append(errs, err)
		}
	}
	if o.md != "" {
		results, err := kept(o.log)
		errs = append(errs, err, os.WriteFile(o.md, []byte(markdown(results)), 0o644))
	}
	return errors.Join(errs...)
}

// one does on one server what is asked for, and keeps what came of it.
func (o *options) one(ctx context.Context, res *result) error {
	if err := res.release.get(o.cache); err != nil {
		res.Missing = err.Error()
		return errors.Join(err, res.keep(o.log))
	}
	server := filepath.Join(res.release.bin(o.cache), "redis-server")
	if o.get {
		_, err := fmt.Println(server)
		return err
	}
	for name, value := range map[string]string{redistest.ServerEnv: server, redistest.RequireEnv: "1", redistest.FullEnv: "servers"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	err := res.ask(ctx)
	if o.suite {
		err = errors.Join(err, o.runSuite(ctx, res))
	}
	if o.proof > 0 {
		err = errors.Join(err, o.runProof(ctx, res))
	}
	return errors.Join(err, res.keep(o.log))
}
