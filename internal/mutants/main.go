// Command mutants breaks one safety rule of Holdfast at a time and runs the tests that
// must notice. It is the proof that they can fail. From the top of the module:
//
//	go run ./internal/mutants [-v] [NAME...]
//
// The sources are left as they are: the tests are built once, from an overlay that has every
// mutant in it, and told at run time which one to be. A mutant whose text is no longer found,
// or that survives, fails the command; and so does one that does not compile, at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// mutant is one rule, broken: in file, old becomes new, and of the tests that match, at
// least one fails.
type mutant struct {
	name, file, old, new, tests string
}

const (
	caught   = "caught"
	survived = "SURVIVED"
	stale    = "STALE"
	broken   = "BROKEN"
)

func main() {
	verbose := flag.Bool("v", false, "show what the tests print")
	flag.Parse()
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fatal(err)
	}
	defer os.RemoveAll(dir)
	var chosen []mutant
	for _, m := range mutants {
		if flag.NArg() == 0 || slices.Contains(flag.Args(), m.name) {
			chosen = append(chosen, m)
		}
	}
	tests, err := build(dir, chosen)
	if err != nil {
		_ = os.RemoveAll(dir)
		fatal(err)
	}
	bad := 0
	var mu sync.Mutex
	var running errgroup.Group
	running.SetLimit(2)
	for _, m := range chosen {
		running.Go(func() error {
			began := time.Now()
			verdict, out := m.run(tests)
			mu.Lock()
			defer mu.Unlock()
			if verdict != caught {
				bad++
			}
			fmt.Printf("%-9s %5.1fs  %s\n", verdict, time.Since(began).Seconds(), m.name)
			if *verbose || verdict != caught {
				fmt.Println(out)
			}
			return nil
		})
	}
	_ = running.Wait()
	fmt.Printf("%d mutants, %d not caught\n", len(chosen), bad)
	if bad > 0 || len(chosen) == 0 {
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutants:", err)
	os.Exit(1)
}

// build builds the tests with all the mutants in them.
func build(dir string, chosen []mutant) (tests string, err error) {
	plan, err := weave(dir, chosen)
	if err != nil {
		return "", err
	}
	tests = filepath.Join(dir, "tests")
	out, err := exec.Command("go", "test", "-c", "-o", tests, "-overlay", plan, "-vet=off", "-ldflags=-s -w", ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return tests, nil
}

// run runs a mutant's tests and tells apart a test that failed, which is wanted, from a pattern
// that matches nothing.
func (m mutant) run(tests string) (verdict, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	// Some need goroutines to come in a certain order, and so up to three tries.
	cmd := exec.CommandContext(ctx, tests, "-test.count=3", "-test.timeout=1m", "-test.failfast", "-test.run", m.tests)
	cmd.Env = append(os.Environ(), m.env()...)
	cmd.WaitDelay = 10 * time.Second // for what the tests started and did not stop
	printed, err := cmd.CombinedOutput()
	out = string(printed)
	switch {
	case strings.Contains(out, "no tests to run"):
		return stale, out
	case err == nil:
		return survived, out
	case strings.Contains(out, "compiling script"), strings.Contains(out, "Error running script"):
		return broken, out
	case strings.Contains(out, "--- FAIL"), strings.Contains(out, "panic:"):
		return caught, out
	}
	return broken, out
}
