package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestListIsCurrent: the text that a mutant replaces is in its source once. So a change of the
// source shows here, before all mutants are run.
func TestListIsCurrent(t *testing.T) {
	t.Chdir("../..")
	scripts, err := scriptSources()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, m := range mutants {
		source := scripts
		if !m.script() {
			text, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			source = string(text)
		}
		if n := strings.Count(source, m.old); n != 1 {
			t.Errorf("%q: %s has its text %d times, not once:\n%s", m.name, m.file, n, m.old)
		}
		if names[m.name] {
			t.Errorf("two mutants are named %q", m.name)
		}
		names[m.name] = true
	}
}

// TestRulesAreCurrent: docs/rules.md says where the rules, their tests and the tests of each failure
// are now.
func TestRulesAreCurrent(t *testing.T) {
	t.Chdir("../..")
	want, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile("docs/rules.md"); err != nil || string(have) != want {
		t.Errorf("docs/rules.md is not what \"make docs\" makes (%v)", err)
	}
}

// TestFailuresAreTested: topics.go has the rows of doc.go's table of failures, in order.
func TestFailuresAreTested(t *testing.T) {
	text, err := os.ReadFile("../../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "//\tevent  ")
	if !found {
		t.Fatal("doc.go has no table of failures")
	}
	header, table, _ := strings.Cut(table, "\n")
	table, _, _ = strings.Cut(table, "\n//\n")
	width := len("event  ") + strings.Index(header, "the holder")
	var have, want []string
	for _, line := range strings.Split(table, "\n")[1:] {
		line = strings.TrimPrefix(line, "//\t")
		have = append(have, strings.Fields(line[:min(width, len(line))])...)
	}
	for _, f := range failures {
		want = append(want, strings.Fields(f.event)...)
		if len(f.tests) == 0 {
			t.Errorf("%q has no test", f.event)
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("doc.go has the events\n%s\nand topics.go\n%s", have, want)
	}
}
