// Command mutants breaks one safety rule of Holdfast at a time and runs the tests that
// must notice. It is the proof that they can fail. From the top of the module:
//
//	go run ./internal/mutants [-v] [NAME...]
//
// The sources are left as they are: a mutant is compiled from an overlay. A mutant whose
// text is no longer found, or that survives, or that does not compile, fails the command.
package main

import (
	"context"
	"encoding/json"
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

func main() {
	verbose := flag.Bool("v", false, "show what the tests print")
	flag.Parse()
	bad, ran := 0, 0
	var mu sync.Mutex
	var running errgroup.Group
	running.SetLimit(2) // building takes most of the time
	for _, m := range mutants {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), m.name) {
			continue
		}
		ran++
		running.Go(func() error {
			began := time.Now()
			verdict, out := m.run()
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
	fmt.Printf("%d mutants, %d not caught\n", ran, bad)
	if bad > 0 || ran == 0 {
		os.Exit(1)
	}
}

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

func (m mutant) run() (verdict, out string) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return stale, err.Error()
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return stale, fmt.Sprintf("%s has the text %d times, not once:\n%s", m.file, n, m.old)
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return broken, err.Error()
	}
	defer os.RemoveAll(dir)
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o644); err != nil {
		return broken, err.Error()
	}
	top, err := filepath.Abs(m.file)
	if err != nil {
		return broken, err.Error()
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{top: changed}})
	if err != nil {
		return broken, err.Error()
	}
	plan := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(plan, overlay, 0o644); err != nil {
		return broken, err.Error()
	}
	return test(plan, m.tests)
}

// test runs the tests and tells apart a test that failed, which is wanted, from a mutant
// that did not compile and from a pattern that matches nothing.
func test(overlay, pattern string) (verdict, out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	printed, err := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet=off", "-ldflags=-s -w", "-count=1", "-timeout=1m", "-failfast",
		"-run", pattern, ".").CombinedOutput()
	out = string(printed)
	switch {
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return broken, out
	case strings.Contains(out, "no tests to run"):
		return stale, out
	case err == nil:
		return survived, out
	case strings.Contains(out, "--- FAIL"), strings.Contains(out, "panic:"):
		return caught, out
	}
	return broken, out
}
