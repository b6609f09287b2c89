package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindings: "make findings" tells one that holds from one that has changed, one that could not be run and one
// that takes too long.
func TestFindings(t *testing.T) {
	for _, program := range []string{"bash", "timeout"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s: %v", program, err)
		}
	}
	all, err := os.ReadFile("../../findings/all")
	if err != nil {
		t.Fatal(err)
	}
	const (
		holds   = "echo \"Seen:\"; echo \"  2 times\"\n"
		changed = "echo \"This has changed: no line matches 2\"; exit 1\n"
		broken  = "set -e; no-such-program\n"
		endless = "while :; do sleep 0.1; done\n"
	)
	for name, c := range map[string]struct {
		findings map[string]string
		want     string // the end of what it says
		good     bool
	}{
		"all hold": {map[string]string{"a": holds, "b": holds, "lib": broken}, "  holds            a.sh\n  holds            b.sh\n", true},
		"each kind": {map[string]string{"a": changed, "b": holds, "c": broken, "d": endless},
			"  no longer holds  a.sh\n  holds            b.sh\n  could not be run c.sh\n  took too long    d.sh\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script := filepath.Join(dir, "all")
			if err := os.WriteFile(script, all, 0o755); err != nil {
				t.Fatal(err)
			}
			for finding, text := range c.findings {
				if err := os.WriteFile(filepath.Join(dir, finding+".sh"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("bash", script)
			cmd.Env = append(os.Environ(), "FINDINGTIME=5")
			out, err := cmd.CombinedOutput()
			if (err == nil) != c.good || !strings.HasSuffix(string(out), c.want) {
				t.Errorf("%v\n%s\nwant\n%s", err, out, c.want)
			}
		})
	}
}
