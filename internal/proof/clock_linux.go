package proof

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clockSource is a library that a server is started with; it adds the nanoseconds that a
// file holds to what the wall clock says.
//
//go:embed clock.c.txt
var clockSource []byte

// clockFile steps the clock of the server that was started with it.
type clockFile struct {
	path string
	by   time.Duration
}

// newClockFile compiles the library, and returns what to add to the server's environment.
func newClockFile(t testing.TB) (*clockFile, []string) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		if os.Getenv("HOLDFAST_REQUIRE_REDIS") == "1" {
			t.Fatal("gcc is not on PATH, and without it no server's clock can be stepped")
		}
		t.Skip("gcc is not on PATH, and without it no server's clock can be stepped")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("proof: gcc: %v\n%s", err, out)
	}
	c := &clockFile{path: filepath.Join(dir, "offset")}
	if err := c.step(0); err != nil {
		t.Fatal(err)
	}
	return c, []string{"LD_PRELOAD=" + library, "HOLDFAST_PROOF_CLOCK=" + c.path}
}

// step moves the server's clock.
func (c *clockFile) step(by time.Duration) error {
	c.by += by
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(c.by)), 0) // in place: the server has it mapped
	return err
}
