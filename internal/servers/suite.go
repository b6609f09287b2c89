package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// suite is what go test is called with for the conformance suite, call by call.
var suite = [][]string{
	{".", "./election", "./internal/e2e/...", "./internal/store", "./scripts"},
	// The other tests of the command are about the program that it runs.
	{"-run", "^Test(Check|Cluster|Schemes|TLS|Environment|Look|Waiting)", "./cmd/holdfast"},
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// tests is what came of the suite.
type tests struct {
	Passed, Failed []string
	Again          []string          // of those that passed: only by themselves
	Skipped        map[string]string // the reasons
}

// runSuite runs the conformance suite. A test that fails while others run may have failed because the machine
// was busy, so it is run again by itself, and the report says so.
func (o *options) runSuite(ctx context.Context, res *result) error {
	t := &tests{Skipped: make(map[string]string)}
	res.Tests = t
	log, err := os.Create(filepath.Join(o.log, res.release.name+"-suite.txt"))
	if err != nil {
		return err
	}
	defer log.Close()
	for _, args := range suite {
		failed, err := t.run(ctx, log, append([]string{fmt.Sprint("-parallel=", o.parallel)}, args...))
		if err != nil {
			return err
		}
		for _, name := range tops(failed) {
			pkg, test, _ := strings.Cut(name, " ")
			still, err := t.run(ctx, log, []string{"-parallel=1", "-run", "^" + test + "$", pkg})
			if err != nil {
				return err
			}
			if len(still) == 0 {
				t.Again = append(t.Again, name)
			}
			t.Failed = append(t.Failed, still...)
		}
	}
	switch {
	case len(t.Failed) > 0:
		return fmt.Errorf("failed: %s; %s has what they said", strings.Join(t.Failed, ", "), log.Name())
	case len(t.Passed) == 0:
		return errors.New("no test was run")
	}
	return nil
}

// tops returns the tests of which some failed, without their parts.
func tops(failed []string) (all []string) {
	for _, name := range failed {
		pkg, test, _ := strings.Cut(name, " ")
		test, _, _ = strings.Cut(test, "/")
		if top := pkg + " " + test; !slices.Contains(all, top) {
			all = append(all, top)
		}
	}
	return all
}

// run calls go test, counts what passes, and returns what fails.
func (t *tests) run(ctx context.Context, log *os.File, args []string) (failed []string, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-p=1", "-timeout=30m"}, args...)...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	failed = t.read(bufio.NewScanner(out), log)
	if err := cmd.Wait(); err != nil && len(failed) == 0 {
		return nil, fmt.Errorf("go test %s: %w; %s has what it said", strings.Join(args, " "), err, log.Name())
	}
	return failed, nil
}

// read counts the tests of a run, and returns those that failed.
func (t *tests) read(lines *bufio.Scanner, log *os.File) (failed []string) {
	said := make(map[string]string)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		_, _ = log.WriteString(e.Output)
		name := e.Package + " " + e.Test
		switch {
		case e.Test == "":
		case e.Action == "output":
			said[name] += e.Output
		case e.Action == "fail":
			failed = append(failed, name)
		case e.Action == "pass":
			t.Passed = append(t.Passed, name)
		case e.Action == "skip" && !strings.Contains(said[name], noServer):
			t.Skipped[name] = reason(said[name])
		}
		if e.Action != "output" && e.Action != "run" {
			delete(said, name)
		}
	}
	slices.Sort(failed)
	return failed
}

// noServer is why what is the same with every server is left out.
const noServer = "no server takes part"

// reason returns what a test said when it was skipped.
func reason(output string) string {
	for line := range strings.Lines(output) {
		if _, said, ok := strings.Cut(line, "_test.go:"); ok {
			_, said, _ = strings.Cut(said, ": ")
			return strings.TrimSpace(said)
		}
	}
	return strings.TrimSpace(output)
}
