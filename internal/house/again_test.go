package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgain: CI runs a few tests that failed again, and nothing that no busy machine explains.
func TestAgain(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	const (
		fine   = "ok  \texample.org/m/a\t1.1s\n"
		one    = "--- FAIL: TestB (0.01s)\n    --- FAIL: TestB/x (0.01s)\n        b_test.go:5: after 5s\nFAIL\nFAIL\texample.org/m/b\t0.1s\n"
		racing = "WARNING: DATA RACE\n" + one
	)
	other := strings.NewReplacer("TestB", "TestC", "m/b", "m/c").Replace(one)
	for name, c := range map[string]struct {
		log  string
		want []string // what is run again; nil: it is refused
	}{
		"one":               {fine + one + fine, []string{"^TestB$ example.org/m/b"}},
		"two packages":      {one + fine + other, []string{"^TestB$ example.org/m/b", "^TestC$ example.org/m/c"}},
		"none":              {fine, nil},
		"a data race":       {racing, nil},
		"a panic":           {"panic: no\n\ngoroutine 1\nFAIL\texample.org/m/b\t0.1s\n", nil},
		"a leak":            {strings.Replace(one, "after 5s", "found unexpected goroutines:", 1), nil},
		"two owners":        {strings.Replace(one, "after 5s", "two owners for 1s", 1), nil},
		"no name":           {fine + "FAIL\texample.org/m/b\t0.1s\n", nil},
		"one has no name":   {one + "FAIL\texample.org/m/d\t0.1s\n", nil},
		"it does not build": {"FAIL\texample.org/m/b [build failed]\n", nil},
		"six":               {strings.Repeat("--- FAIL: TestB (0.01s)\n", 6) + "FAIL\texample.org/m/b\t0.1s\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log, ran := filepath.Join(dir, "log"), filepath.Join(dir, "ran")
			// In the place of go: it notes the last two arguments, the pattern and the package.
			fake := "#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\necho \"$1 $2\" >>" + ran + "\n"
			if err := os.WriteFile(filepath.Join(dir, "go"), []byte(fake), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(log, []byte(c.log), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "../../.ci/again", log)
			cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if (err == nil) != (c.want != nil) {
				t.Errorf("%v\n%s", err, out)
			}
			got, _ := os.ReadFile(ran)
			if want := strings.Join(c.want, "\n"); strings.TrimSpace(string(got)) != want {
				t.Errorf("it ran %q, not %q", got, want)
			}
		})
	}
}
