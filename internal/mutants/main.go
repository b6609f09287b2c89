// Command mutants breaks one safety rule of Holdfast at a time and runs the tests that
// must fail then: it proves that they can. From the top of the module:
//
//	go run ./internal/mutants [-v] [NAME...]
//	go run ./internal/mutants -list
//
// The sources stay as they are: the tests are built once, from an overlay that has every mutant
// in it, and an environment variable selects one at run time. The command fails if a mutant
// survives, if its text is no longer found, or, at once, if one does not compile.
//
// With -list it runs nothing and prints docs/rules.md.
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

// mutant is one rule, broken: in file, old is replaced by new, and at least one of the tests that
// match must fail. Tests in another directory than dir returns are preceded by it and a colon.
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
	list := flag.Bool("list", false, "run nothing; print docs/rules.md: each rule, its code, its tests")
	flag.Parse()
	if *list {
		text, err := rules()
		if err != nil {
			fatal(err)
		}
		fmt.Print(text)
		return
	}
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
	bad := runAll(chosen, tests, *verbose)
	fmt.Printf("%d mutants, %d not caught\n", len(chosen), bad)
	if bad > 0 || len(chosen) == 0 {
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}
}

// runAll runs mutants, two at a time, prints each verdict and returns how many were not caught.
func runAll(chosen []mutant, tests map[string]string, verbose bool) (bad int) {
	var mu sync.Mutex
	var running errgroup.Group
	running.SetLimit(2)
	for _, m := range chosen {
		running.Go(func() error {
			began := time.Now()
			verdict, out := m.run(tests[m.dir()])
			mu.Lock()
			defer mu.Unlock()
			if verdict != caught {
				bad++
			}
			fmt.Printf("%-9s %5.1fs  %s\n", verdict, time.Since(began).Seconds(), m.name)
			if verbose || verdict != caught {
				fmt.Println(out)
			}
			return nil
		})
	}
	_ = running.Wait()
	return bad
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutants:", err)
	os.Exit(1)
}

// dir is that of the tests which must notice: the command's for its own files, else the
// library's.
func (m mutant) dir() string {
	if dir, _, other := strings.Cut(m.tests, ":"); other {
		return dir
	}
	if dir := filepath.Dir(m.file); dir == "cmd/holdfast" {
		return dir
	}
	return "."
}

// build builds the tests with all the mutants in them, and returns where they are, by the
// directory of their sources.
func build(dir string, chosen []mutant) (tests map[string]string, err error) {
	plan, err := weave(dir, chosen)
	if err != nil {
		return nil, err
	}
	tests = make(map[string]string)
	for _, m := range chosen {
		if tests[m.dir()] != "" {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("tests%d", len(tests)))
		out, err := exec.Command("go", "test", "-c", "-o", file, "-overlay", plan, "-vet=off", "-ldflags=-s -w", "./"+m.dir()).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		tests[m.dir()] = file
	}
	return tests, nil
}

// run runs a mutant's tests and tells apart a test that failed, which is wanted, from a pattern
// that matches nothing.
func (m mutant) run(tests string) (verdict, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	// Some need goroutines to come in a certain order, and so up to three tries.
	cmd := exec.CommandContext(ctx, tests, "-test.count=3", "-test.timeout=1m", "-test.failfast", "-test.run", m.tests[strings.Index(m.tests, ":")+1:])
	cmd.Dir = m.dir()
	cmd.Env = append(append(os.Environ(), "HOLDFAST_TEST=full"), m.env()...)
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
