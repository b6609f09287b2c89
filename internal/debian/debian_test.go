package debian

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLibraries: the loader and the folders are named by where they will be, and a root without a loader is refused.
func TestLibraries(t *testing.T) {
	dir := t.TempDir()
	lib := filepath.Join(dir, "root/usr/lib/x86_64-linux-gnu")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Libraries(dir, "/final"); err == nil || !strings.Contains(err.Error(), "no loader") {
		t.Errorf("without a loader: %v", err)
	}
	if err := os.WriteFile(filepath.Join(lib, "ld-linux-x86-64.so.2"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	loader, folders, err := Libraries(dir, "/final")
	const want = "/final/root/usr/lib/x86_64-linux-gnu"
	if err != nil || loader != want+"/ld-linux-x86-64.so.2" || !slices.Equal(folders, []string{want}) {
		t.Errorf("%q, %q, %v", loader, folders, err)
	}
}

// TestNeeds: what a package needs is followed as far as the prefixes say; virtual packages and other
// alternatives are left out.
func TestNeeds(t *testing.T) {
	bin := t.TempDir()
	// In the place of apt-cache: its last argument is the package.
	const fake = "#!/bin/sh\nfor p; do :; done\ncase $p in\nphp-a) printf 'php-a\\n PreDepends: php-b\\n  Depends: <phpapi-1>\\n    php-c\\n  Depends: ucf\\n' ;;\n" +
		"php-b) printf 'php-b\\n |Depends: libx1\\n  Depends: php-a\\n' ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(bin, "apt-cache"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	a := &apt{dir: bin}
	all, err := a.needs([]string{"php-a"}, []string{"lib", "php"})
	if want := []string{"php-a", "php-b", "libx1"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("%q, %v; want %q", all, err, want)
	}
}
