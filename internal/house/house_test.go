// Package house has the rules of the module's layout: which package may import which, and how long files,
// functions and the root package may be.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const module = "github.com/holdfast-go/holdfast"

// floors has the packages of the module, by their folders. A package imports only those of floors
// below its own. Tests may import anything.
var floors = [][]string{
	{"scripts", "internal/backoff", "internal/clock", "internal/drain", "internal/endctx", "internal/operr", "internal/task", "internal/within", "internal/model"},
	{"internal/grace"},
	{"internal/store", "internal/schedule", "internal/trust"},
	{"internal/lease", "internal/notify", "internal/send"},
	{"internal/list", "internal/queue", "internal/replicas", "internal/settings", "internal/watchdog"},
	{"internal/release", "internal/several", "internal/term"},
	{"internal/engine"},
	{"."},
	{"election", "internal/tick"},
	{"internal/debian", "internal/redistest"},
	{"internal/locktest", "holdfasttest"},
	{"internal/rig", "internal/tick/ticktest"},
	{"internal/proof", "internal/picture", "internal/mutants", "internal/servers"},
	{"cmd/holdfast"},
}

// source is a file that is no test.
type source struct {
	file, dir string
	lines     int
	syntax    *ast.File
}

// sources returns the module's files, without those of the modules within it.
func sources(t *testing.T) (all []source, files *token.FileSet) {
	t.Helper()
	t.Chdir("../..")
	files = token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, another := os.Stat(filepath.Join(file, "go.mod"))
			if file != "." && (another == nil || entry.Name() == "testdata" || entry.Name()[0] == '.') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		syntax, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(file)
		all = append(all, source{slashed, path.Dir(slashed), files.File(syntax.FileStart).LineCount(), syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, files
}

// floor returns on which floor a package is, or -1.
func floor(dir string) int {
	return slices.IndexFunc(floors, func(on []string) bool { return slices.Contains(on, dir) })
}

// TestArrowsPointDown: no package imports one that is beside or above it.
func TestArrowsPointDown(t *testing.T) {
	all, _ := sources(t)
	seen := make(map[string]bool)
	for _, s := range all {
		seen[s.dir] = true
		if floor(s.dir) < 0 {
			t.Errorf("%s: floors does not say on which floor its package is", s.file)
			continue
		}
		for _, imported := range s.syntax.Imports {
			name, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			dir, ours := strings.CutPrefix(name+"/", module+"/")
			if dir = path.Clean(dir); ours && floor(dir) >= floor(s.dir) {
				t.Errorf("%s imports %s, which is not below %s", s.file, dir, s.dir)
			}
		}
	}
	for _, on := range floors {
		for _, dir := range on {
			if !seen[dir] {
				t.Errorf("floors has %s, which is no package", dir)
			}
		}
	}
}
