package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// sizeLimit is what the binary may take, stripped.
const sizeLimit = 15 << 20

func TestBinary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the command")
	}
	binary := filepath.Join(t.TempDir(), "holdfast")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.released=v1.2.3", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(binary); err != nil || info.Size() > sizeLimit {
		t.Errorf("%d bytes, more than %d; %v", info.Size(), sizeLimit, err)
	}
	if out, err := exec.Command(binary, "--version").Output(); err != nil || strings.TrimSpace(string(out)) != "holdfast version v1.2.3" {
		t.Errorf("%s, %v", out, err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libs, _ := file.ImportedLibraries(); len(libs) > 0 {
		t.Errorf("it needs %q", libs)
	}
}
